import { contextTag, DerError, DerReader, derTags } from '../../../../domain/der.js'
import { objectIds, type CurveRow } from '../../../../domain/object-ids.js'
import type { HsmError } from '../../../../ports/hsm.js'
import { isPublicExponent, wrongMaterial, type ImportFacts } from './facts.js'
import { belongTogether } from './rsa-numbers.js'

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

export interface CurveParts {
  readonly form: 'curve'
  /** Of EC the number, of Ed25519 the seed. */
  readonly scalar: Uint8Array
  /** The public half, if it came along: only compared with what the private one says. */
  readonly point: Uint8Array | undefined
}

/** Views into the PKCS#8 bytes: whoever owns those overwrites them. */
export type PrivateParts = { readonly form: 'rsa', readonly rsa: RsaParts } | CurveParts

export type KeyPairFacts = Exclude<ImportFacts, { readonly form: 'secret' }>

export const ed25519Bytes = 32

/**
 * Takes a PKCS#8 PrivateKeyInfo (RFC 5208; RFC 5958 with a public key behind it) apart. DER only. Throws kind `material` for anything but a
 * key of exactly the kind that is wanted, all of whose numbers belong together.
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
  // Attributes are not used.
  info.readOptional(contextTag(0))
  const open = version === 1 ? info.readOptional(contextTag(1, 'primitive')) : undefined
  info.end()
  switch (facts.form) {
    case 'rsa': return rsaKey(type, algorithm, key, facts.bits)
    case 'ec': return ecKey(type, algorithm, key, facts)
    case 'ed25519': return ed25519Key(type, algorithm, key, open && wholeBytes(open))
  }
}

function rsaKey(type: string, algorithm: DerReader, key: Uint8Array, bits: number): PrivateParts {
  if (type !== objectIds.rsaEncryption) throw wrongType()
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
  if (!isPublicExponent(publicExponent)) throw wrongMaterial('the public exponent of the key material is even, too small or too large')
  const rsa = { modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient }
  if (!belongTogether(rsa)) throw wrongMaterial('the numbers of the private key do not belong together')
  return { form: 'rsa', rsa }
}

function ecKey(type: string, algorithm: DerReader, key: Uint8Array, facts: KeyPairFacts & { readonly form: 'ec' }): PrivateParts {
  if (type !== objectIds.ecPublicKey) throw wrongType()
  // A curve that is spelled out is not a named one, and no OBJECT IDENTIFIER.
  requireCurve(algorithm, facts.curve.oid)
  // RFC 5915, section 3.
  const sequence = DerReader.only(key, derTags.sequence)
  if (sequence.smallNumber() !== 1) throw wrongType()
  const scalar = sequence.octetString()
  const parameters = sequence.readOptional(contextTag(0))
  const open = sequence.readOptional(contextTag(1))
  sequence.end()
  if (parameters) requireCurve(new DerReader(parameters), facts.curve.oid)
  if (!isScalar(scalar, facts.curve)) throw wrongMaterial('the key material is no private key of its curve')
  return { form: 'curve', scalar, point: open && only(open, reader => reader.bitString()) }
}

/** From 1 to n - 1: nothing else has a public key. */
function isScalar(scalar: Uint8Array, { order }: CurveRow): boolean {
  return scalar.length === order.length && Buffer.compare(scalar, order) < 0 && scalar.some(byte => byte !== 0)
}

function ed25519Key(type: string, algorithm: DerReader, key: Uint8Array, point: Uint8Array | undefined): PrivateParts {
  if (type !== objectIds.ed25519) throw wrongType()
  algorithm.end()
  const scalar = only(key, reader => reader.octetString())
  if (scalar.length !== ed25519Bytes) throw wrongType()
  return { form: 'curve', scalar, point }
}

function only<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const reader = new DerReader(bytes)
  const what = read(reader)
  reader.end()
  return what
}

/** Of an IMPLICIT BIT STRING. */
function wholeBytes(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw new DerError('a BIT STRING is not of whole bytes')
  return content.subarray(1)
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
