import { decodeCiphertextBlob, type CiphertextBlob } from '../domain/ciphertext-blob.js'
import { incorrectKey, invalidCiphertext, KmsError } from '../domain/errors.js'
import type { EncryptionAlgorithm, KeySpec, OaepAlgorithm } from '../domain/key-spec.js'
import type { UsableKey } from '../domain/key-state.js'
import type { Key, KeyVersion } from '../domain/key.js'
import { isSuite } from '../domain/material.js'
import type { Services } from './services.js'

/** What an EncryptionAlgorithm of the API may say; that the key has it is checked before anything here is called. */
export type AlgorithmName = EncryptionAlgorithm | 'SM2PKE'

type Context = Readonly<Record<string, string>>

const modulusBytes: Readonly<Partial<Record<KeySpec, number>>> = { RSA_2048: 256, RSA_3072: 384, RSA_4096: 512 }
const hashBytes: Readonly<Record<OaepAlgorithm, number>> = { RSAES_OAEP_SHA_1: 20, RSAES_OAEP_SHA_256: 32 }

/** An encryption context is authenticated data, which RSA has no place for: refused, so that nobody relies on it. */
export function checkContext(member: string, algorithm: AlgorithmName, context: Context | undefined): void {
  if (algorithm === 'SYMMETRIC_DEFAULT' || !context || Object.keys(context).length === 0) return
  throw new KmsError('ValidationException', `${member} is not valid with algorithm ${algorithm}: only symmetric keys have one.`)
}

/** RFC 8017, section 7.1.1; text as AWS KMS has it. Other limits are the same for every key and stand in the contract. */
export function checkSize({ keySpec }: Key, algorithm: AlgorithmName, plaintext: Uint8Array): void {
  const modulus = modulusBytes[keySpec]
  if (modulus === undefined || !isOaep(algorithm)) return
  const most = modulus - 2 * hashBytes[algorithm] - 2
  if (plaintext.length <= most) return
  const message = `Algorithm ${algorithm} and key spec ${keySpec} cannot encrypt data larger than ${most} bytes.`
  throw new KmsError('ValidationException', message)
}

export async function encryptUnder(
  key: UsableKey, algorithm: AlgorithmName, plaintext: Uint8Array, context: Context | undefined, { backingKeys }: Services,
): Promise<{ readonly blob: Uint8Array, readonly version: KeyVersion }> {
  if (!isOaep(algorithm)) return backingKeys.seal(key, plaintext, context ?? {})
  const { result, version } = await backingKeys.use(key, (hsm, material) => hsm.encrypt(material, algorithm, plaintext))
  return { blob: result, version }
}

/** Throws InvalidCiphertextException for every defect alike. */
export async function decryptUnder(
  key: UsableKey, algorithm: AlgorithmName, bytes: Uint8Array, context: Context | undefined, services: Services,
): Promise<{ readonly plaintext: Uint8Array, readonly version: KeyVersion }> {
  if (isOaep(algorithm)) {
    if (bytes.length !== modulusBytes[key.key.keySpec]) throw invalidCiphertext()
    const { result, version } = await services.backingKeys.use(key, (hsm, material) => hsm.decrypt(material, algorithm, bytes))
    return { plaintext: result, version }
  }
  const blob = decodeCiphertextBlob(bytes)
  if (!blob) throw invalidCiphertext()
  if (blob.keyId !== key.key.keyId) throw await otherKey(blob, key, services)
  return services.backingKeys.open(key, blob, context ?? {})
}

/** Answers name the key material of symmetric keys only. */
export function shownMaterialId({ kind, keyMaterialId }: KeyVersion): string | undefined {
  return isSuite(kind) ? keyMaterialId : undefined
}

/** A ciphertext of another key of ours was sent to the wrong key; one that names no key at all is damaged. */
async function otherKey(blob: CiphertextBlob, { key }: UsableKey, { directory }: Services): Promise<KmsError> {
  return await directory.key(key.region, blob.keyId) ? incorrectKey() : invalidCiphertext()
}

function isOaep(algorithm: AlgorithmName): algorithm is OaepAlgorithm {
  return algorithm === 'RSAES_OAEP_SHA_1' || algorithm === 'RSAES_OAEP_SHA_256'
}
