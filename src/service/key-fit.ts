import { incorrectKey, KmsError } from '../domain/errors.js'
import { keySpecRow, usageRow, type KeyUsage } from '../domain/key-spec.js'
import type { Key } from '../domain/key.js'
import { isReplica } from '../domain/multi-region.js'

/*
 * Which operation takes which key (KMS API Reference, and developer guide, Key types): told of the key as it is, before its state is looked
 * at. Each throws the error that the API has for it.
 */

/** A cryptographic operation, its usage and the algorithm that the caller names. */
export function fitsUse({ arn, keySpec, keyUsage }: Key, operation: string, usage: KeyUsage, algorithm?: string): void {
  if (keyUsage !== usage) {
    throw new KmsError('InvalidKeyUsageException', `${arn} key usage is ${keyUsage} which is not valid for ${operation}.`)
  }
  const fits = algorithm === undefined || usageRow(keySpec, usage)?.algorithms.some(known => known === algorithm)
  if (!fits) throw new KmsError('InvalidKeyUsageException', `Algorithm ${algorithm} is incompatible with key spec ${keySpec}.`)
}

/** Decrypt, and the source of ReEncrypt, are answered otherwise than any other call. */
export function fitsDecryption({ keySpec, keyUsage }: Key, algorithm: string): void {
  const row = keyUsage === 'ENCRYPT_DECRYPT' ? usageRow(keySpec, keyUsage) : undefined
  if (!row?.algorithms.some(known => known === algorithm)) throw incorrectKey()
}

/** Data keys are made under symmetric keys only. */
export function fitsDataKeys({ arn, keySpec, keyUsage }: Key, operation: string): void {
  if (keySpec === 'SYMMETRIC_DEFAULT') return
  const reason = keyUsage === 'ENCRYPT_DECRYPT' ? `key spec is ${keySpec}` : `key usage is ${keyUsage}`
  throw new KmsError('InvalidKeyUsageException', `${arn} ${reason} which is not valid for ${operation}.`)
}

/** `GenerateDataKeyPair` and its like: not in a custom key store. */
export function fitsDataKeyPairs(key: Key, operation: string): void {
  fitsDataKeys(key, operation)
  if (key.customKeyStoreId !== undefined) throw unsupportedOrigin(key)
}

export function isAsymmetric({ keySpec }: Pick<Key, 'keySpec'>): boolean {
  return keySpecRow(keySpec).type === 'asymmetric'
}

/** GetPublicKey. */
export function fitsPublicKey(key: Key): void {
  if (!isAsymmetric(key)) throw new KmsError('UnsupportedOperationException', `${key.arn} key spec ${key.keySpec} has no public key.`)
}

/** Everything about rotation: symmetric keys outside custom key stores. AWS KMS answers without a message. */
export function fitsRotation(key: Key): void {
  if (key.keySpec !== 'SYMMETRIC_DEFAULT' || key.customKeyStoreId !== undefined) throw new KmsError('UnsupportedOperationException')
}

/** Enable- and DisableKeyRotation: what rotates by itself must be made by the HSM. */
export function fitsScheduledRotation(key: Key): void {
  fitsRotation(key)
  if (key.origin !== 'AWS_KMS') throw unsupportedOrigin(key)
  refuseReplica(key)
}

/** Of a multi-Region key only the primary. */
export function refuseReplica(key: Key): void {
  if (isReplica(key)) throw notPrimary(key)
}

export function fitsPrimary(key: Key): void {
  if (key.multiRegion?.primaryRegion !== key.region) throw notPrimary(key)
}

export function fitsImport(key: Key): void {
  if (key.origin !== 'EXTERNAL') throw unsupportedOrigin(key)
}

function unsupportedOrigin({ arn, origin }: Key): KmsError {
  return new KmsError('UnsupportedOperationException', `${arn} origin is ${origin} which is not valid for this operation.`)
}

function notPrimary({ arn }: Key): KmsError {
  return new KmsError('UnsupportedOperationException', `${arn} is not a multi-region primary key.`)
}
