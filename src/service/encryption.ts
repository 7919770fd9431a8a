import * as api from '../api/encryption.js'
import type { Input } from '../api/shape.js'
import { decodeCiphertextBlob, type CiphertextBlob } from '../domain/ciphertext-blob.js'
import { incorrectKey, invalidCiphertext, KmsError } from '../domain/errors.js'
import type { UsableKey } from '../domain/key-state.js'
import { onKey, onKeys, type Call, type KeyNeed } from './operation.js'
import { refuseRecipient } from './recipient.js'
import type { Services } from './services.js'

export const encrypt = onKey(api.encrypt, {
  state: 'use',
  aliases: true,
  algorithm: input => input.EncryptionAlgorithm,
  key: input => input.KeyId,
  async run({ key, input, used }, { backingKeys }) {
    const { blob, version } = await backingKeys.seal(key, input.Plaintext, input.EncryptionContext ?? {})
    used(key.key.arn, version.version, version.keyMaterialId)
    return { CiphertextBlob: blob, KeyId: key.key.arn, EncryptionAlgorithm: input.EncryptionAlgorithm }
  },
})

export const decrypt = onKeys(api.decrypt, {
  readOnly: true,
  check(input) {
    refuseRecipient(input)
    ciphertextOrModifier(input.CiphertextBlob, input.KeyId, 'KeyId', input)
  },
  needs: input => [sourceNeed(input.KeyId, input.CiphertextBlob, 'kms:Decrypt', input.EncryptionAlgorithm)],
  async run(call, services) {
    const key = keyAt(call, 0)
    const { plaintext, version } = await open(key, call.input.CiphertextBlob, call.input.EncryptionContext, services)
    call.used(key.key.arn, version.version, version.keyMaterialId)
    return {
      KeyId: key.key.arn, Plaintext: plaintext, EncryptionAlgorithm: call.input.EncryptionAlgorithm, KeyMaterialId: version.keyMaterialId,
    }
  },
  rehearse: (call, services) => tryToOpen(keyAt(call, 0), call.input.CiphertextBlob, call.input.EncryptionContext, services),
})

export const reEncrypt = onKeys(api.reEncrypt, {
  check: input => ciphertextOrModifier(input.CiphertextBlob, input.SourceKeyId, 'SourceKeyId', input),
  needs: input => [
    sourceNeed(input.SourceKeyId, input.CiphertextBlob, 'kms:ReEncryptFrom', input.SourceEncryptionAlgorithm),
    {
      ref: input.DestinationKeyId, action: 'kms:ReEncryptTo', state: 'use', aliases: true,
      algorithm: { name: input.DestinationEncryptionAlgorithm, otherwise: 'InvalidKeyUsageException' },
    },
  ],
  async run(call, services) {
    const { input } = call
    const [from, to] = [keyAt(call, 0), keyAt(call, 1)]
    const source = await open(from, input.CiphertextBlob, input.SourceEncryptionContext, services)
    try {
      const { blob, version } = await services.backingKeys.seal(to, source.plaintext, input.DestinationEncryptionContext ?? {})
      call.used(from.key.arn, source.version.version, source.version.keyMaterialId)
      call.used(to.key.arn, version.version, version.keyMaterialId)
      return {
        CiphertextBlob: blob,
        SourceKeyId: from.key.arn,
        KeyId: to.key.arn,
        SourceEncryptionAlgorithm: input.SourceEncryptionAlgorithm,
        DestinationEncryptionAlgorithm: input.DestinationEncryptionAlgorithm,
        SourceKeyMaterialId: source.version.keyMaterialId,
        DestinationKeyMaterialId: version.keyMaterialId,
      }
    } finally {
      source.plaintext.fill(0)
    }
  },
  rehearse: (call, services) => tryToOpen(keyAt(call, 0), call.input.CiphertextBlob, call.input.SourceEncryptionContext, services),
})

/** A symmetric ciphertext names its key, so the client need not; a blob that names none of ours is simply invalid. */
function sourceNeed(ref: string | undefined, bytes: Uint8Array | undefined, action: string, algorithm: string): KeyNeed {
  // AWS KMS answers a Decrypt that does not fit its key otherwise than any other call.
  const need = { action, state: 'use', aliases: true, algorithm: { name: algorithm, otherwise: 'IncorrectKeyException' } } as const
  if (ref !== undefined) return { ...need, ref }
  const blob = decodeCiphertextBlob(bytes ?? new Uint8Array())
  if (!blob) throw invalidCiphertext()
  return { ...need, ref: blob.keyId, otherwise: invalidCiphertext }
}

async function open(
  key: UsableKey, bytes: Uint8Array | undefined, context: Readonly<Record<string, string>> | undefined, services: Services,
) {
  const blob = decodeCiphertextBlob(bytes ?? new Uint8Array())
  if (!blob) throw invalidCiphertext()
  if (blob.keyId !== key.key.keyId) throw await otherKey(blob, key, services)
  return services.backingKeys.open(key, blob, context ?? {})
}

/** A ciphertext of another key of ours was sent to the wrong key; one that names no key at all is damaged. */
async function otherKey(blob: CiphertextBlob, { key }: UsableKey, { directory }: Services): Promise<KmsError> {
  const other = await directory.key(key.region, blob.keyId)
  if (!other) return invalidCiphertext()
  return incorrectKey()
}

/** What DryRun tries of a Decrypt: all but the answer. */
async function tryToOpen(
  key: UsableKey, bytes: Uint8Array | undefined, context: Readonly<Record<string, string>> | undefined, services: Services,
): Promise<void> {
  if (!bytes) return
  const { plaintext } = await open(key, bytes, context, services)
  plaintext.fill(0)
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
