/**
 * A key id is a UUID, or for multi-Region keys `mrk-` and 32 hex digits (KMS API Reference, KeyId). Both are 16 bytes in
 * a ciphertext header and in the HSM. A UUID of ours is version 4, and a multi-Region id must not look like one: that is
 * how 16 bytes name their text form without another bit.
 */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const multiRegion = /^mrk-[0-9a-f]{32}$/

export function isKeyId(text: string): boolean {
  return uuid.test(text) || multiRegion.test(text)
}

/** The 16 bytes of a well-formed key id. */
export function keyIdBytes(keyId: string): Uint8Array {
  if (!isKeyId(keyId)) throw new TypeError('not a key id')
  return Buffer.from(keyId.startsWith('mrk-') ? keyId.slice(4) : keyId.replaceAll('-', ''), 'hex')
}

export function keyIdOfBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  if (!isVersion4(bytes)) return `mrk-${hex}`
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A fresh single-Region key id from 16 random bytes. */
export function newKeyId(random: Uint8Array): string {
  const bytes = Uint8Array.from(random)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return keyIdOfBytes(bytes)
}

/** A fresh multi-Region key id from 16 random bytes: those that look like a UUID of version 4 are moved away from it. */
export function newMultiRegionKeyId(random: Uint8Array): string {
  const bytes = Uint8Array.from(random)
  if (isVersion4(bytes)) bytes[6] = (bytes[6] ?? 0) ^ 0x80
  return keyIdOfBytes(bytes)
}

function isVersion4(bytes: Uint8Array): boolean {
  return ((bytes[6] ?? 0) >>> 4) === 4 && ((bytes[8] ?? 0) >>> 6) === 2
}
