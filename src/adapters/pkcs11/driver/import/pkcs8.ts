import { contextTag, DerError, DerReader, derTags } from '../../../../domain/der.js'
import type { HsmError } from '../../../../ports/hsm.js'
import { wrongMaterial, type ImportFacts } from './facts.js'

/** The numbers of an RSA private key (RFC 8017, appendix A.1.2), big-endian without zeros in front. */
export interface RsaParts {
  readonly modulus: Uint8Array
  readonly publicExponent: Uint8Array
  readonly privateExponent: Uint8Array
  readonly prime1: Uint8Array
  readonly prime2: Uint8Array
  readonly exponent1: Uint8Array
  readonly exponent2: Uint8Array
  readonly coefficient: Uint8Array
}

/** Views into the PKCS#8 bytes: whoever owns those overwrites them. `scalar`: of EC the number, of Ed25519 the seed. */
export type PrivateParts = { readonly form: 'rsa', readonly rsa: RsaParts } | { readonly form: 'curve', readonly scalar: Uint8Array }

type KeyPairFacts = Exclude<ImportFacts, { readonly form: 'secret' }>

const rsaEncryption = '1.2.840.113549.1.1.1'
export const ecPublicKey = '1.2.840.10045.2.1'
export const ed25519 = '1.3.101.112'
export const ed25519Bytes = 32

/**
 * Takes a PKCS#8 PrivateKeyInfo (RFC 5208; RFC 5958 with a public key behind it) apart. DER only. Throws kind `material` for anything but a
 * key of exactly the kind that is wanted; whether its numbers belong together shows when it is used.
 */
export function readPrivateKey(der: Uint8Array, facts: KeyPairFacts): PrivateParts {
  try {
    return privateKeyInfo(DerReader.only(der, derTags.sequence), facts)
  } catch (error) {
    if (error instanceof DerError) throw wrongMaterial('the key material is not PKCS#8 in DER, or not of the right type of key')
    throw error
  }
}

function privateKeyInfo(info: DerReader, facts: KeyPairFacts): PrivateParts {
  const version = info.smallNumber()
  if (version > 1) throw wrongType()
  const algorithm = info.enter()
  const type = algorithm.oid()
  const key = info.octetString()
  // Attributes and public key are not used: what the public half is, the private one says.
  info.readOptional(contextTag(0))
  if (version === 1) info.readOptional(contextTag(1, 'primitive'))
  info.end()
  switch (facts.form) {
    case 'rsa': return rsaKey(type, algorithm, key, facts.bits)
    case 'ec': return ecKey(type, algorithm, key, facts)
    case 'ed25519': return ed25519Key(type, algorithm, key)
  }
}

function rsaKey(type: string, algorithm: DerReader, key: Uint8Array, bits: number): PrivateParts {
  if (type !== rsaEncryption) throw wrongType()
  algorithm.null()
  algorithm.end()
  const sequence = DerReader.only(key, derTags.sequence)
  // Version 1 has more than two primes.
  if (sequence.smallNumber() !== 0) throw wrongType()
  const [modulus, publicExponent, privateExponent] = [sequence.unsigned(), sequence.unsigned(), sequence.unsigned()]
  const [prime1, prime2, exponent1] = [sequence.unsigned(), sequence.unsigned(), sequence.unsigned()]
  const [exponent2, coefficient] = [sequence.unsigned(), sequence.unsigned()]
  sequence.end()
  if (bitLength(modulus) !== bits) throw wrongMaterial(`the key material is no RSA key of ${bits} bits`)
  const isOdd = ((publicExponent.at(-1) ?? 0) & 1) === 1
  if (!isOdd || bitLength(publicExponent) < 2) throw wrongMaterial('the public exponent of the key material is even or too small')
  return { form: 'rsa', rsa: { modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient } }
}

function ecKey(type: string, algorithm: DerReader, key: Uint8Array, facts: KeyPairFacts & { readonly form: 'ec' }): PrivateParts {
  if (type !== ecPublicKey) throw wrongType()
  // A curve that is spelled out is not a named one, and no OBJECT IDENTIFIER.
  requireCurve(algorithm, facts.curve)
  // RFC 5915, section 3.
  const sequence = DerReader.only(key, derTags.sequence)
  if (sequence.smallNumber() !== 1) throw wrongType()
  const scalar = sequence.octetString()
  const parameters = sequence.readOptional(contextTag(0))
  sequence.readOptional(contextTag(1))
  sequence.end()
  if (parameters) requireCurve(new DerReader(parameters), facts.curve)
  if (scalar.length !== facts.bytes) throw wrongMaterial('the key material is no private key of its curve')
  return { form: 'curve', scalar }
}

function ed25519Key(type: string, algorithm: DerReader, key: Uint8Array): PrivateParts {
  if (type !== ed25519) throw wrongType()
  algorithm.end()
  const reader = new DerReader(key)
  const scalar = reader.octetString()
  reader.end()
  if (scalar.length !== ed25519Bytes) throw wrongType()
  return { form: 'curve', scalar }
}

function requireCurve(parameters: DerReader, curve: string): void {
  if (parameters.oid() !== curve) throw wrongMaterial('the key material is on another curve')
  parameters.end()
}

function bitLength(number: Uint8Array): number {
  return number.length === 0 ? 0 : (number.length - 1) * 8 + (32 - Math.clz32(number[0] as number))
}

function wrongType(): HsmError {
  return wrongMaterial('the key material is not of the right type of key')
}
