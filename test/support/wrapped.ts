import { constants, createCipheriv, publicEncrypt, randomBytes, type KeyObject, createPublicKey } from 'node:crypto'
import type { Material } from '../../src/domain/material.js'
import type { WrappedMaterial, WrappingAlgorithm } from '../../src/ports/hsm.js'

const kwpInitialValue = Buffer.from('a65959a6', 'hex')

/** Wraps key material as a client of ImportKeyMaterial does. */
export function wrapped(publicKeyInfo: Uint8Array, algorithm: WrappingAlgorithm, material: Uint8Array): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKeyInfo), format: 'der', type: 'spki' })
  const hash = algorithm.endsWith('SHA_256') ? 'sha256' : 'sha1'
  if (algorithm.startsWith('RSAES')) return oaep(key, hash, material)
  const aesKey = randomBytes(32)
  return Buffer.concat([oaep(key, hash, aesKey), kwp(aesKey, material)])
}

export function wrappedFor(
  wrappingKey: Material, publicKeyInfo: Uint8Array, algorithm: WrappingAlgorithm, material: Uint8Array,
): WrappedMaterial {
  return { wrappingKey, algorithm, bytes: wrapped(publicKeyInfo, algorithm, material) }
}

/** AES-KWP (RFC 5649). */
export function kwp(key: Uint8Array, material: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap-pad', key, kwpInitialValue)
  return Buffer.concat([cipher.update(material), cipher.final()])
}

export function oaep(key: KeyObject, oaepHash: string, message: Uint8Array): Buffer {
  return publicEncrypt({ key, oaepHash, padding: constants.RSA_PKCS1_OAEP_PADDING }, message)
}
