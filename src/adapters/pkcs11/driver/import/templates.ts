import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import pkcs11, { type Template } from 'pkcs11js'
import { derBitString, DerReader, derOctetString, derOid, derSequence, derUnsigned, encodeDer } from '../../../../domain/der.js'
import { objectIds } from '../../../../domain/object-ids.js'
import { HsmError } from '../../../../ports/hsm.js'
import { attributeNames, template, type AttributeName, type AttributeValues } from '../attributes.js'
import type { ObjectPlan } from '../evidence.js'
import { view } from '../operations.js'
import { isPublicExponent, wrongMaterial, type ImportFacts } from './facts.js'
import { ed25519Bytes, type KeyPairFacts, type PrivateParts } from './pkcs8.js'

export type CurveFacts = Extract<ImportFacts, { readonly form: 'ec' | 'ed25519' }>

const uncompressed = 0x04

/** What makes new keys, and follows from the values of one that is given. */
const generationOnly: readonly AttributeName[] = ['value_len', 'modulus_bits', 'public_exponent']

/** The template of an object that is not generated: what the plan wants, and the values. Values are not copied. */
export function importTemplate({ wanted }: ObjectPlan, values: Template = []): Template {
  const given = attributeNames(wanted).filter(name => !generationOnly.includes(name))
  return [...template(Object.fromEntries(given.map(name => [name, wanted[name]]))), ...values]
}

export function secretValues(bytes: Uint8Array): Template {
  return [{ type: pkcs11.CKA_VALUE, value: view(bytes) }]
}

/** `parameters`: CKA_EC_PARAMS as the token's public keys have it. */
export function privateValues(parts: PrivateParts, parameters: AttributeValues['ec_params']): Template {
  if (parts.form === 'rsa') {
    const { rsa } = parts
    return [
      { type: pkcs11.CKA_MODULUS, value: view(rsa.modulus) },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: view(rsa.publicExponent) },
      { type: pkcs11.CKA_PRIVATE_EXPONENT, value: view(rsa.privateExponent) },
      { type: pkcs11.CKA_PRIME_1, value: view(rsa.prime1) },
      { type: pkcs11.CKA_PRIME_2, value: view(rsa.prime2) },
      { type: pkcs11.CKA_EXPONENT_1, value: view(rsa.exponent1) },
      { type: pkcs11.CKA_EXPONENT_2, value: view(rsa.exponent2) },
      { type: pkcs11.CKA_COEFFICIENT, value: view(rsa.coefficient) },
    ]
  }
  if (!(parameters instanceof Uint8Array)) throw new HsmError('configuration', 'the kind of a curve has no parameters')
  return [{ type: pkcs11.CKA_EC_PARAMS, value: view(parameters) }, { type: pkcs11.CKA_VALUE, value: view(parts.scalar) }]
}

/** Of the public half: EC parameters are in the plan already. */
export function publicValues(key: KeyObject): Template {
  if (key.asymmetricKeyType === 'rsa') {
    // A public key in a JWK is no secret.
    const { n = '', e = '' } = key.export({ format: 'jwk' })
    return [
      { type: pkcs11.CKA_MODULUS, value: Buffer.from(n, 'base64url') },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from(e, 'base64url') },
    ]
  }
  const point = pointOf(key)
  const length = point.length < 0x80 ? [point.length] : [0x81, point.length]
  return [{ type: pkcs11.CKA_EC_POINT, value: Buffer.concat([Buffer.from([0x04, ...length]), point]) }]
}

/**
 * The public half of what readPrivateKey has taken, worked out from the private one. Throws kind `material` if another came along with it.
 */
export function publicHalf(parts: PrivateParts, facts: KeyPairFacts): KeyObject {
  if (parts.form === 'rsa') return rsaKey(parts.rsa.modulus, parts.rsa.publicExponent)
  const key = curveHalf(parts.scalar, facts)
  const { point } = parts
  if (point && !isOneForm(point, pointOf(key))) throw wrongMaterial('the halves of the private key do not belong together')
  return key
}

/** Of a key without its public half: OpenSSL would believe whatever came along, even what makes Node abort the process. */
function curveHalf(scalar: Uint8Array, facts: KeyPairFacts): KeyObject {
  const [algorithm, key] = facts.form === 'ec'
    ? [derSequence(derOid(objectIds.ecPublicKey), derOid(facts.curve.oid)), derSequence(derUnsigned(1), derOctetString(scalar))]
    : [derSequence(derOid(objectIds.ed25519)), derOctetString(scalar)]
  const bare = encodeDer(derSequence(derUnsigned(0), algorithm, derOctetString(key)))
  try {
    // The private KeyObject is OpenSSL's memory, which overwrites it when it lets go of it.
    return createPublicKey(createPrivateKey({ key: view(bare), format: 'der', type: 'pkcs8' }))
  } catch {
    // The cause stays behind: what OpenSSL says of a secret is nobody's business.
    throw wrongMaterial('the key material is no private key')
  } finally {
    bare.fill(0)
  }
}

/** Whether a point as somebody writes it, whole or compressed (SEC 1, section 2.3.3), can be this one. */
function isOneForm(written: Uint8Array, point: Uint8Array): boolean {
  if (point.length === ed25519Bytes) return Buffer.compare(written, point) === 0
  const isWhole = written.length === point.length || written.length === (point.length + 1) / 2
  return isWhole && Buffer.compare(written.subarray(1), point.subarray(1, written.length)) === 0
}

/** The public half of what a token has unwrapped, as it tells it. Throws kind `material` for what is none. */
export function rsaKey(modulus: Uint8Array, exponent: Uint8Array): KeyObject {
  if (!isPublicExponent(exponent)) throw wrongMaterial('the public exponent of the key material is even, too small or too large')
  const numbers = encodeDer(derSequence(derUnsigned(modulus), derUnsigned(exponent)))
  return tokenKey(() => createPublicKey({ key: view(numbers), format: 'der', type: 'pkcs1' }))
}

/** The bits inside a SubjectPublicKeyInfo. Throws kind `material` for what is none. */
export function publicBits(info: Uint8Array): Uint8Array {
  return tokenKey(() => {
    const reader = DerReader.only(info)
    reader.enter()
    return reader.bitString()
  })
}

/** From CKA_EC_POINT, which some tokens give without the OCTET STRING around it. Throws kind `material` for what is none. */
export function curveKey(facts: CurveFacts, point: Uint8Array): KeyObject {
  const bytes = facts.form === 'ec' ? 1 + 2 * facts.curve.fieldBytes : ed25519Bytes
  const bare = point.length === bytes ? point : point.subarray(-bytes)
  if (facts.form === 'ec' && bare[0] !== uncompressed) throw wrongMaterial('the key material has no public half')
  const algorithm = facts.form === 'ec'
    ? derSequence(derOid(objectIds.ecPublicKey), derOid(facts.curve.oid))
    : derSequence(derOid(objectIds.ed25519))
  const info = encodeDer(derSequence(algorithm, derBitString(bare)))
  return tokenKey(() => createPublicKey({ key: view(info), format: 'der', type: 'spki' }))
}

function tokenKey<T>(make: () => T): T {
  try {
    return make()
  } catch {
    throw wrongMaterial('the key material has no public half')
  }
}

export function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' })
}

/** Whether a secret has a length that material of its kind may have. */
export function requireSecretLength(facts: ImportFacts, length: number): void {
  if (facts.form !== 'secret') throw new HsmError('configuration', 'this kind of material is no secret key')
  const { min, max } = facts.bytes
  if (length >= min && length <= max) return
  throw wrongMaterial(min === max ? `the key material must have ${min} bytes` : `the key material must have ${min} to ${max} bytes`)
}

/** Uncompressed; of Ed25519 the 32 bytes of RFC 8032. */
export function pointOf(key: KeyObject): Buffer {
  const { x = '', y } = key.export({ format: 'jwk' })
  const first = Buffer.from(x, 'base64url')
  // Ed25519 has its x alone.
  return y === undefined ? first : Buffer.concat([Buffer.of(uncompressed), first, Buffer.from(y, 'base64url')])
}
