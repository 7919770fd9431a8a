import { createHash, createHmac } from 'node:crypto'
import { view } from '../operations.js'

const text = 'claviger imported key material'

/**
 * What a secret key's fingerprint is the HMAC-SHA-256 of, under the key itself: its length belongs to it, because HMAC fills short keys up
 * with zeros and hashes long ones (RFC 2104, section 2), so that keys of several lengths have the same MAC.
 */
export function secretFingerprintText(keyBytes: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(keyBytes)
  return Buffer.concat([Buffer.from(`${text}\0`), length])
}

export function secretFingerprint(key: Uint8Array): Uint8Array {
  return createHmac('sha256', view(key)).update(secretFingerprintText(key.length)).digest()
}

export function publicFingerprint(publicKeyInfo: Uint8Array): Uint8Array {
  return createHash('sha256').update(publicKeyInfo).digest()
}
