import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { DerReader, derOctetString, derSequence, derUnsigned, encodeDer, type DerNode } from '../../domain/der.js'

/** A key pair that leaves the service. Whoever is given one overwrites the private half. */
export interface KeyPair {
  /** PrivateKeyInfo, DER (RFC 5958, version 1). */
  readonly privateKey: Uint8Array
  /** SubjectPublicKeyInfo, DER (RFC 5280). */
  readonly publicKey: Uint8Array
}

/** Fresh bytes of an HSM: the only randomness that key pairs are made of. The caller owns and overwrites them. */
export type RandomBytes = (length: number) => Promise<Uint8Array>

/** `algorithm` is the AlgorithmIdentifier; `key` refers to the secret without copying it. */
export function privateKeyInfo(algorithm: DerNode, key: DerNode): Uint8Array {
  return encodeDer(derSequence(derUnsigned(0), algorithm, derOctetString(key)))
}

/** What OpenSSL makes of a private key: its SubjectPublicKeyInfo. Throws for a key that OpenSSL does not take. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return createPublicKey(privateKeyOf(privateKey)).export({ format: 'der', type: 'spki' })
}

/**
 * Throws for a key that OpenSSL does not take. A PKCS#11 library in this process may use the same OpenSSL and leave an error of its own
 * behind (SoftHSM does, over a bad RSA signature), which Node takes for one of this key; having thrown it, it is gone. So the second
 * answer counts.
 */
export function privateKeyOf(privateKey: Uint8Array): KeyObject {
  // A Buffer over the same memory: no copy is made that nobody overwrites.
  const key = Buffer.from(privateKey.buffer, privateKey.byteOffset, privateKey.length)
  const parse = () => createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  try {
    return parse()
  } catch {
    return parse()
  }
}

/** The bits inside a SubjectPublicKeyInfo. */
export function publicBits(publicKey: Uint8Array): Uint8Array {
  const info = DerReader.only(publicKey)
  info.enter()
  return info.bitString()
}
