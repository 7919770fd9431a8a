import * as api from '../api/encryption.js'
import type { Input } from '../api/shape.js'
import { decodeCiphertextBlob } from '../domain/ciphertext-blob.js'
import { invalidCiphertext, KmsError } from '../domain/errors.js'
import type { UsableKey } from '../domain/key-state.js'
import { checkContext, checkSize, decryptUnder, encryptUnder, shownMaterialId } from './ciphers.js'
import { fitsDecryption, fitsUse } from './key-fit.js'
import { onKey, onKeys, type Call, type KeyNeed } from './operation.js'
import { answerTo } from './recipient.js'
import type { Services } from './services.js'

export const encrypt = onKey(api.encrypt, {
  crossAccount: true,
  state: 'use',
  aliases: true,
  check: input => checkContext('EncryptionContext', input.EncryptionAlgorithm, input.EncryptionContext),
  fits(key, input) {
    fitsUse(key, 'Encrypt', 'ENCRYPT_DECRYPT', input.EncryptionAlgorithm)
    checkSize(key, input.EncryptionAlgorithm, input.Plaintext)
  },
  key: input => input.KeyId,
  async run({ key, input, used }, services) {
    const { blob, version } = await encryptUnder(key, input.EncryptionAlgorithm, input.Plaintext, input.EncryptionContext, services)
    used(key.key, version)
    return { CiphertextBlob: blob, KeyId: key.key.arn, EncryptionAlgorithm: input.EncryptionAlgorithm }
  },
})

export const decrypt = onKeys(api.decrypt, {
  readOnly: true,
  crossAccount: true,
  check(input) {
    checkContext('EncryptionContext', input.EncryptionAlgorithm, input.EncryptionContext)
    ciphertextOrModifier(input.CiphertextBlob, input.KeyId, 'KeyId', input)
  },
  needs: input => [
    sourceNeed(input.KeyId, input.CiphertextBlob, {
      action: 'kms:Decrypt', algorithm: input.EncryptionAlgorithm, context: input.EncryptionContext ?? {},
    }),
  ],
  async run(call, services) {
    const { input } = call
    const key = keyAt(call, 0)
    const { plaintext, version } = await openSource(call, input.EncryptionAlgorithm, input.EncryptionContext, services)
    call.used(key.key, version)
    return {
      KeyId: key.key.arn,
      ...await answerTo(call.recipient, 'Plaintext', plaintext, shownMaterialId(version)),
      EncryptionAlgorithm: input.EncryptionAlgorithm,
    }
  },
  async rehearse(call, services) {
    const { input } = call
    if (!input.CiphertextBlob) return
    const { plaintext } = await openSource(call, input.EncryptionAlgorithm, input.EncryptionContext, services)
    plaintext.fill(0)
  },
})

export const reEncrypt = onKeys(api.reEncrypt, {
  crossAccount: true,
  check(input) {
    checkContext('SourceEncryptionContext', input.SourceEncryptionAlgorithm, input.SourceEncryptionContext)
    checkContext('DestinationEncryptionContext', input.DestinationEncryptionAlgorithm, input.DestinationEncryptionContext)
    ciphertextOrModifier(input.CiphertextBlob, input.SourceKeyId, 'SourceKeyId', input)
  },
  needs: input => [
    sourceNeed(input.SourceKeyId, input.CiphertextBlob, {
      action: 'kms:ReEncryptFrom', algorithm: input.SourceEncryptionAlgorithm, context: input.SourceEncryptionContext ?? {},
    }),
    {
      ref: input.DestinationKeyId, action: 'kms:ReEncryptTo', state: 'use', aliases: true,
      algorithm: input.DestinationEncryptionAlgorithm, context: input.DestinationEncryptionContext ?? {},
      fits: key => { fitsUse(key, 'ReEncrypt', 'ENCRYPT_DECRYPT', input.DestinationEncryptionAlgorithm) },
    },
  ],
  async run(call, services) {
    const { input } = call
    const [from, to] = [keyAt(call, 0), keyAt(call, 1)]
    const source = await openSource(call, input.SourceEncryptionAlgorithm, input.SourceEncryptionContext, services)
    try {
      // Only now is it known how much there is to encrypt.
      checkSize(to.key, input.DestinationEncryptionAlgorithm, source.plaintext)
      const { blob, version } = await encryptUnder(
        to, input.DestinationEncryptionAlgorithm, source.plaintext, input.DestinationEncryptionContext, services,
      )
      call.used(from.key, source.version)
      call.used(to.key, version)
      const [sourceMaterial, destinationMaterial] = [shownMaterialId(source.version), shownMaterialId(version)]
      return {
        CiphertextBlob: blob,
        SourceKeyId: from.key.arn,
        KeyId: to.key.arn,
        SourceEncryptionAlgorithm: input.SourceEncryptionAlgorithm,
        DestinationEncryptionAlgorithm: input.DestinationEncryptionAlgorithm,
        ...sourceMaterial !== undefined && { SourceKeyMaterialId: sourceMaterial },
        ...destinationMaterial !== undefined && { DestinationKeyMaterialId: destinationMaterial },
      }
    } finally {
      source.plaintext.fill(0)
    }
  },
  async rehearse(call, services) {
    const { input } = call
    if (!input.CiphertextBlob) return
    const { plaintext } = await openSource(call, input.SourceEncryptionAlgorithm, input.SourceEncryptionContext, services)
    try {
      checkSize(keyAt(call, 1).key, input.DestinationEncryptionAlgorithm, plaintext)
    } finally {
      plaintext.fill(0)
    }
  },
})

/** A symmetric ciphertext names its key, so the client need not; a blob that names none of ours is simply invalid. */
function sourceNeed(
  ref: string | undefined, bytes: Uint8Array | undefined, of: Required<Pick<KeyNeed, 'action' | 'algorithm' | 'context'>>,
): KeyNeed {
  const need: Omit<KeyNeed, 'ref'> = {
    ...of, state: 'use', aliases: true, anyAccount: true, fits: key => { fitsDecryption(key, of.algorithm) },
  }
  if (ref !== undefined) return { ...need, ref }
  const blob = decodeCiphertextBlob(bytes ?? new Uint8Array())
  if (!blob) throw invalidCiphertext()
  return { ...need, ref: blob.keyId, foundIn: 'ciphertext' }
}

/** Decrypts with the first key of the call. */
function openSource(
  call: Call<{ readonly CiphertextBlob?: Uint8Array }>, algorithm: Input<typeof api.decrypt>['EncryptionAlgorithm'],
  context: Readonly<Record<string, string>> | undefined, services: Services,
) {
  return decryptUnder(keyAt(call, 0), algorithm, call.input.CiphertextBlob ?? new Uint8Array(), context, services)
}

function ciphertextOrModifier(
  blob: Uint8Array | undefined, keyId: string | undefined, keyMember: string,
  { DryRun, DryRunModifiers = [] }: Pick<Input<typeof api.decrypt>, 'DryRun' | 'DryRunModifiers'>,
): void {
  const ignored = DryRunModifiers.includes('IGNORE_CIPHERTEXT')
  if (ignored && !DryRun) throw new KmsError('ValidationException', 'DryRunModifiers requires DryRun to be true.')
  if (blob) return
  if (!ignored) throw new KmsError('ValidationException', 'CiphertextBlob is required.')
  if (keyId === undefined) throw new KmsError('ValidationException', `${keyMember} is required when CiphertextBlob is not given.`)
}

function keyAt({ keys }: Call, at: number): UsableKey {
  const key = keys[at]
  if (!key) throw new Error('the call was given fewer keys than it needs')
  return key
}
