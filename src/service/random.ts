import * as api from '../api/random.js'
import { KmsError } from '../domain/errors.js'
import { onAccount } from './operation.js'
import { refuseRecipient } from './recipient.js'

export const generateRandom = onAccount(api.generateRandom, {
  readOnly: true,
  check(input) {
    if (input.NumberOfBytes === undefined) throw new KmsError('ValidationException', 'NumberOfBytes is required.')
    refuseRecipient(input)
    if (input.CustomKeyStoreId !== undefined) {
      throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${input.CustomKeyStoreId} does not exist`)
    }
  },
  run: async ({ input }, { hsm }) => ({ Plaintext: await hsm.random(input.NumberOfBytes ?? 0) }),
})
