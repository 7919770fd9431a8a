import { createPrivateKey, createPublicKey } from 'node:crypto'
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
  // A Buffer over the same memory: no copy is made that nobody overwrites.
  const key = Buffer.from(privateKey.buffer, privateKey.byteOffset, privateKey.length)
  return createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({ format: 'der', type: 'spki' })
}

/** The bits inside a SubjectPublicKeyInfo. */
export function publicBits(publicKey: Uint8Array): Uint8Array {
  const info = DerReader.only(publicKey)
  info.enter()
  return info.bitString()
}
