import * as api from '../api/data-keys.js'
import type { Input } from '../api/shape.js'
import type { UsableKey } from '../domain/key-state.js'
import { fitsDataKeyPairs } from './key-fit.js'
import { onKey } from './operation.js'
import { answerTo } from './recipient.js'
import type { Services } from './services.js'

export const generateDataKeyPair = onKey(api.generateDataKeyPair, {
  readOnly: true,
  crossAccount: true,
  state: 'use-for-pair',
  aliases: true,
  fits: key => { fitsDataKeyPairs(key, 'GenerateDataKeyPair') },
  key: input => input.KeyId,
  async run({ key, input, used, recipient }, services) {
    const { privateKey, publicKey, blob, version } = await makeDataKeyPair(key, input, services)
    used(key.key, version)
    return {
      PrivateKeyCiphertextBlob: blob,
      ...await answerTo(recipient, 'PrivateKeyPlaintext', privateKey, version.keyMaterialId),
      PublicKey: publicKey,
      KeyId: key.key.arn,
      KeyPairSpec: input.KeyPairSpec,
    }
  },
  rehearse: async ({ input }, { keyPairs }) => { keyPairs.checkSpec(input.KeyPairSpec) },
})

export const generateDataKeyPairWithoutPlaintext = onKey(api.generateDataKeyPairWithoutPlaintext, {
  readOnly: true,
  crossAccount: true,
  state: 'use-for-pair',
  aliases: true,
  fits: key => { fitsDataKeyPairs(key, 'GenerateDataKeyPairWithoutPlaintext') },
  key: input => input.KeyId,
  async run({ key, input, used }, services) {
    const { privateKey, publicKey, blob, version } = await makeDataKeyPair(key, input, services)
    privateKey.fill(0)
    used(key.key, version)
    return {
      PrivateKeyCiphertextBlob: blob,
      PublicKey: publicKey,
      KeyId: key.key.arn,
      KeyPairSpec: input.KeyPairSpec,
      KeyMaterialId: version.keyMaterialId,
    }
  },
  rehearse: async ({ input }, { keyPairs }) => { keyPairs.checkSpec(input.KeyPairSpec) },
})

type PairInput = Pick<Input<typeof api.generateDataKeyPair>, 'KeyPairSpec' | 'EncryptionContext'>

/** The caller overwrites the private half. */
async function makeDataKeyPair(key: UsableKey, input: PairInput, { backingKeys, keyPairs }: Services) {
  const pair = await keyPairs.make(input.KeyPairSpec, length => backingKeys.random(key, length))
  try {
    return { ...pair, ...await backingKeys.seal(key, pair.privateKey, input.EncryptionContext ?? {}) }
  } catch (error) {
    pair.privateKey.fill(0)
    throw error
  }
}
