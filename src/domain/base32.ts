const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** RFC 4648 section 6, in small letters and without padding. */
export function base32(bytes: Uint8Array): string {
  let out = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) out += base32Alphabet[(value >>> (bits - 5)) & 31]
    value &= (1 << bits) - 1
  }
  return bits > 0 ? out + base32Alphabet[(value << (5 - bits)) & 31] : out
}

/** 26 characters to 16 bytes; undefined if the two spare bits of the last character are not zero. */
export function unbase32(text: string): Uint8Array | undefined {
  const out = new Uint8Array(16)
  let bits = 0
  let value = 0
  let at = 0
  for (const character of text) {
    value = (value << 5) | base32Alphabet.indexOf(character)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out[at++] = value >>> bits
      value &= (1 << bits) - 1
    }
  }
  return value === 0 ? out : undefined
}
