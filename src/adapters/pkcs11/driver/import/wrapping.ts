import type { Mechanism } from 'pkcs11js'
import type { WrappingBits } from '../../../../domain/material.js'
import { HsmError, type WrappedMaterial } from '../../../../ports/hsm.js'
import type { OaepHash } from '../rsa-oaep.js'

/** AES-KWP adds eight bytes and fills up to a multiple of eight (RFC 5649, section 3); and no key of ours is larger. */
const kwpBytes = { min: 16, max: 6144 }

/** Wrapped material, taken apart by its algorithm. */
export interface WrappedParts {
  readonly hash: OaepHash
  readonly modulusBytes: number
  /** What the RSA key decrypts: the material, or the AES key that it is wrapped with. */
  readonly rsa: Uint8Array
  /** RSA_AES_KEY_WRAP only: what AES-KWP unwraps. */
  readonly kwp: Uint8Array | undefined
}

/** Throws kind `ciphertext-invalid` if the lengths cannot be right, `configuration` if the key is no wrapping key. */
export function wrappedParts({ wrappingKey, algorithm, bytes }: WrappedMaterial): WrappedParts {
  const bits = /^rsa-(2048|3072|4096)-wrapping$/.exec(wrappingKey.kind)?.[1]
  if (bits === undefined) throw new HsmError('configuration', `material ${wrappingKey.name} is no wrapping key`)
  const modulusBytes = (Number(bits) as WrappingBits) / 8
  const hash = algorithm.endsWith('SHA_256') ? 'sha256' : 'sha1'
  const twoSteps = algorithm.startsWith('RSA_AES_KEY_WRAP')
  const [rsa, kwp] = [bytes.subarray(0, modulusBytes), bytes.subarray(modulusBytes)]
  const kwpGood = twoSteps ? kwp.length >= kwpBytes.min && kwp.length <= kwpBytes.max && kwp.length % 8 === 0 : kwp.length === 0
  if (rsa.length !== modulusBytes || !kwpGood) throw cannotUnwrap()
  return { hash, modulusBytes, rsa, kwp: twoSteps ? kwp : undefined }
}

/** The same for every defect. */
export function cannotUnwrap(): HsmError {
  return new HsmError('ciphertext-invalid', 'the key material cannot be unwrapped')
}

/** CKM_AES_KEY_WRAP_KWP of PKCS#11 3.0, newer than the binding's names. */
export const kwpMechanism: Mechanism = { mechanism: 0x210b }
