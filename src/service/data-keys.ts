import * as api from '../api/data-keys.js'
import { KmsError } from '../domain/errors.js'
import type { UsableKey } from '../domain/key-state.js'
import { fitsDataKeys } from './key-fit.js'
import { onKey } from './operation.js'
import { answerTo } from './recipient.js'
import type { Services } from './services.js'

interface DataKeyInput {
  readonly KeySpec?: 'AES_128' | 'AES_256'
  readonly NumberOfBytes?: number
  readonly EncryptionContext?: Readonly<Record<string, string>>
}

const specBytes = { AES_128: 16, AES_256: 32 } as const

export const generateDataKey = onKey(api.generateDataKey, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: key => { fitsDataKeys(key, 'GenerateDataKey') },
  key: input => input.KeyId,
  check: dataKeyBytes,
  async run({ key, input, used, recipient }, services) {
    const { plaintext, blob, version } = await makeDataKey(key, input, services)
    used(key.key, version)
    return {
      CiphertextBlob: blob,
      ...await answerTo(recipient, 'Plaintext', plaintext, version.keyMaterialId),
      KeyId: key.key.arn,
    }
  },
})

export const generateDataKeyWithoutPlaintext = onKey(api.generateDataKeyWithoutPlaintext, {
  readOnly: true,
  crossAccount: true,
  state: 'use',
  aliases: true,
  fits: key => { fitsDataKeys(key, 'GenerateDataKeyWithoutPlaintext') },
  key: input => input.KeyId,
  check: dataKeyBytes,
  async run({ key, input, used }, services) {
    const { plaintext, blob, version } = await makeDataKey(key, input, services)
    plaintext.fill(0)
    used(key.key, version)
    return { CiphertextBlob: blob, KeyId: key.key.arn, KeyMaterialId: version.keyMaterialId }
  },
})

async function makeDataKey(key: UsableKey, input: DataKeyInput, { backingKeys }: Services) {
  const plaintext = await backingKeys.random(key, dataKeyBytes(input))
  try {
    return { plaintext, ...await backingKeys.seal(key, plaintext, input.EncryptionContext ?? {}) }
  } catch (error) {
    plaintext.fill(0)
    throw error
  }
}

/** Exactly one of the two members says the length. */
function dataKeyBytes({ KeySpec: spec, NumberOfBytes: bytes }: DataKeyInput): number {
  if (spec !== undefined && bytes === undefined) return specBytes[spec]
  if (bytes !== undefined && spec === undefined) return bytes
  throw new KmsError('ValidationException', 'Please specify either number of bytes or key spec.')
}
