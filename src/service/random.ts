import * as api from '../api/random.js'
import { KmsError } from '../domain/errors.js'
import { connectedStore } from './custom-key-stores/states.js'
import { onAccount } from './operation.js'
import { answerTo } from './recipient.js'

export const generateRandom = onAccount(api.generateRandom, {
  readOnly: true,
  check(input) {
    if (input.NumberOfBytes === undefined) throw new KmsError('ValidationException', 'NumberOfBytes is required.')
  },
  async run({ input: { NumberOfBytes: length = 0, CustomKeyStoreId: id }, scope, recipient }, services) {
    const hsm = id === undefined ? services.hsm : services.keyStores.get(connectedStore(id, scope, services).keyStore)
    return answerTo(recipient, 'Plaintext', await hsm.random(length))
  },
})
