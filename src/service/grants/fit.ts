import type { grantOperation } from '../../api/enums.js'
import { KmsError } from '../../domain/errors.js'
import type { KeyUsage } from '../../domain/key-spec.js'
import type { Key } from '../../domain/key.js'
import type { GrantConstraints } from '../../ports/grants.js'
import { isAsymmetric } from '../key-fit.js'

export type GrantOperation = (typeof grantOperation)[number]

/** Of every key. */
const always: readonly GrantOperation[] = ['CreateGrant', 'RetireGrant', 'DescribeKey']

const symmetric: readonly GrantOperation[] = [
  'Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
]

/** What a grant on a key can allow, by the key's usage (KMS developer guide, Grant operations). A symmetric key has a row of its own. */
const byUsage: Readonly<Record<KeyUsage, readonly GrantOperation[]>> = {
  ENCRYPT_DECRYPT: ['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GetPublicKey'],
  SIGN_VERIFY: ['Sign', 'Verify', 'GetPublicKey'],
  GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
  KEY_AGREEMENT: ['DeriveSharedSecret', 'GetPublicKey'],
  ENCAPSULATE_DECAPSULATE: ['Encapsulate', 'Decapsulate', 'GetPublicKey'],
}

export function grantable(key: Pick<Key, 'keySpec' | 'keyUsage'>): readonly GrantOperation[] {
  const own = key.keyUsage === 'ENCRYPT_DECRYPT' && !isAsymmetric(key) ? symmetric : byUsage[key.keyUsage]
  return [...own, ...always]
}

/** Throws unless a grant with these operations and constraints makes sense of this key. */
export function fitsGrant(key: Key, operations: readonly GrantOperation[], constraints: GrantConstraints | undefined): void {
  const known = grantable(key)
  const unfit = operations.find(operation => !known.includes(operation))
  if (unfit) {
    throw invalid(`A grant on ${key.arn} cannot allow ${unfit}: key spec ${key.keySpec} and key usage ${key.keyUsage} do not have it.`)
  }
  const onContext = constraints?.EncryptionContextEquals ?? constraints?.EncryptionContextSubset
  if (onContext && key.keySpec !== 'SYMMETRIC_DEFAULT') {
    throw invalid('Encryption context constraints are for symmetric encryption keys only.')
  }
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
