import { DerError, DerReader, derSequence, derUnsigned, encodeDer } from './der.js'

/*
 * The two forms of an ECDSA signature: r‖s, each as long as the order of the curve, as PKCS#11 has it, and SEQUENCE { r, s } in DER, as the
 * KMS API shows it (RFC 3279, section 2.2.3).
 */

export function ecdsaToDer(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2
  return encodeDer(derSequence(derUnsigned(signature.subarray(0, half)), derUnsigned(signature.subarray(half))))
}

/** undefined for whatever is not exactly one signature in DER with numbers of at most `orderBytes` bytes. */
export function ecdsaFromDer(bytes: Uint8Array, orderBytes: number): Uint8Array | undefined {
  try {
    const reader = DerReader.only(bytes)
    const [r, s] = [reader.unsigned(), reader.unsigned()]
    reader.end()
    if (r.length > orderBytes || s.length > orderBytes) return undefined
    const out = new Uint8Array(orderBytes * 2)
    out.set(r, orderBytes - r.length)
    out.set(s, orderBytes * 2 - s.length)
    return out
  } catch (error) {
    if (error instanceof DerError) return undefined
    throw error
  }
}
