import pkcs11 from 'pkcs11js'
import type { MaterialKind, WrappingBits } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { AttributeValues } from './attributes.js'
import { ellipticCurves, hashes, newer, type CurveName, type HashName } from './numbers.js'
import type { ObjectRole, Profile } from '../profiles/profile.js'

/** Everything the driver needs to know of one kind of material, in one place. */
export interface KindRow {
  /** Making it takes long enough to be felt by others: never in the server's own process. */
  readonly slow: boolean
  /** So does what its private half does. */
  readonly slowUse: boolean
  /** Of RSA and elliptic curves: what a mechanism's range of key sizes must have within it. */
  readonly bits?: number
  readonly objects: readonly ObjectRow[]
}

export interface ObjectRow {
  readonly role: ObjectRole
  readonly attributes: AttributeValues
  /** Both halves of a pair have the same one, and are made by one call. */
  readonly generate: number
  /** Everything that it is used with. */
  readonly use: readonly number[]
  /** HMAC keys: the key type of PKCS#11 for this one hash, which some tokens want instead of CKK_GENERIC_SECRET. */
  readonly ownKeyType?: number
}

/** What a token's profile decides of a kind. */
type KindFacts = Pick<Profile, 'seal' | 'oaep' | 'import' | 'edwards'>

// Every usage is said, also the ones we refuse: defaults differ from vendor to vendor.
const secretKey: AttributeValues = {
  class: pkcs11.CKO_SECRET_KEY, value_len: 32, token: true, private: true, sensitive: true, extractable: false,
  encrypt: false, decrypt: false, sign: false, verify: false, wrap: false, unwrap: false, derive: false,
}
const privateKey: AttributeValues = {
  class: pkcs11.CKO_PRIVATE_KEY, token: true, private: true, sensitive: true, extractable: false,
  decrypt: false, sign: false, sign_recover: false, unwrap: false, derive: false,
}
// A public object that needs no login could be exchanged without one.
const publicKey: AttributeValues = {
  class: pkcs11.CKO_PUBLIC_KEY, token: true, private: true,
  encrypt: false, verify: false, verify_recover: false, wrap: false, derive: false,
}

const aesKey: AttributeValues = { ...secretKey, key_type: pkcs11.CKK_AES, encrypt: true, decrypt: true }

/** Usages by which a kind differs from `nothing at all`. */
interface Usages { readonly private: AttributeValues, readonly public: AttributeValues }
const signs: Usages = { private: { sign: true }, public: { verify: true } }
const decrypts: Usages = { private: { decrypt: true }, public: { encrypt: true } }
const unwraps: Usages = { private: { unwrap: true }, public: { wrap: true } }
const derives: Usages = { private: { derive: true }, public: {} }
const decapsulates: Usages = { private: { decapsulate: true }, public: { encapsulate: true } }

interface Pair {
  readonly keyType: number
  readonly generate: number
  readonly use: readonly number[]
  readonly usages: Usages
  /** What its public half must be told. */
  readonly parameters: AttributeValues
  readonly bits?: number
}

function pair({ keyType: key_type, generate, use, usages, parameters, bits }: Pair): KindRow {
  return {
    slow: true, slowUse: key_type === pkcs11.CKK_RSA, ...bits === undefined ? {} : { bits },
    objects: [
      { role: 'private', attributes: { ...privateKey, key_type, ...usages.private }, generate, use },
      { role: 'public', attributes: { ...publicKey, key_type, ...parameters, ...usages.public }, generate, use },
    ],
  }
}

function hmacObject(hash: HashName): ObjectRow {
  const { bytes, hmac, keyType } = hashes[hash]
  return {
    role: 'mac', generate: pkcs11.CKM_GENERIC_SECRET_KEY_GEN, use: [hmac], ownKeyType: keyType,
    attributes: { ...secretKey, key_type: pkcs11.CKK_GENERIC_SECRET, value_len: bytes, sign: true, verify: true },
  }
}

function hmac(hash: HashName): KindRow {
  return { slow: false, slowUse: false, objects: [hmacObject(hash)] }
}

/** 65,537, as everybody has it. */
const publicExponent = Buffer.from([1, 0, 1])

function rsa(bits: WrappingBits, usages: Usages, use: readonly number[]): KindRow {
  const parameters = { modulus_bits: bits, public_exponent: publicExponent }
  return pair({ keyType: pkcs11.CKK_RSA, generate: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, usages, use, parameters, bits })
}

function rsaSigning(bits: WrappingBits): KindRow {
  return rsa(bits, signs, [pkcs11.CKM_RSA_PKCS, pkcs11.CKM_RSA_PKCS_PSS])
}

function rsaDecrypting(bits: WrappingBits, { oaep }: KindFacts): KindRow {
  return rsa(bits, decrypts, [oaep === 'raw' ? pkcs11.CKM_RSA_X_509 : pkcs11.CKM_RSA_PKCS_OAEP])
}

function rsaWrapping(bits: WrappingBits, facts: KindFacts): KindRow {
  return facts.import.startsWith('hsm') ? rsa(bits, unwraps, [pkcs11.CKM_RSA_PKCS_OAEP]) : rsaDecrypting(bits, facts)
}

function ellipticCurve(name: CurveName, usages: Usages, use: number): KindRow {
  const { oid, bits } = ellipticCurves[name]
  return pair({ keyType: pkcs11.CKK_EC, generate: pkcs11.CKM_EC_KEY_PAIR_GEN, usages, use: [use], parameters: { ec_params: oid }, bits })
}

function ed25519({ edwards }: KindFacts): KindRow {
  const ec_params = newer.edwardsParameters[edwards.parameters]
  const mechanisms = { generate: newer.CKM_EC_EDWARDS_KEY_PAIR_GEN, use: [newer.CKM_EDDSA] }
  return pair({ keyType: newer.CKK_EC_EDWARDS, ...mechanisms, usages: signs, parameters: { ec_params } })
}

/** PKCS#11 3.2, sections 6.67 and 6.68: the parameter sets are numbered 1, 2, 3. */
function mlDsa(parameter_set: number): KindRow {
  const mechanisms = { generate: newer.CKM_ML_DSA_KEY_PAIR_GEN, use: [newer.CKM_ML_DSA] }
  return pair({ keyType: newer.CKK_ML_DSA, ...mechanisms, usages: signs, parameters: { parameter_set } })
}

function mlKem(parameter_set: number): KindRow {
  const mechanisms = { generate: newer.CKM_ML_KEM_KEY_PAIR_GEN, use: [newer.CKM_ML_KEM] }
  return pair({ keyType: newer.CKK_ML_KEM, ...mechanisms, usages: decapsulates, parameters: { parameter_set } })
}

function gcm({ seal }: KindFacts): KindRow {
  const objects: KindRow['objects'] = [{ role: 'secret', attributes: aesKey, generate: pkcs11.CKM_AES_KEY_GEN, use: [seal.gcmMechanism] }]
  return { slow: false, slowUse: false, objects }
}

const cbcHmac: KindRow = {
  slow: false, slowUse: false,
  objects: [
    { role: 'secret', attributes: aesKey, generate: pkcs11.CKM_AES_KEY_GEN, use: [pkcs11.CKM_AES_CBC] }, hmacObject('sha256'),
  ],
}

const rows: Readonly<Record<MaterialKind, KindRow | ((facts: KindFacts) => KindRow)>> = {
  gcm,
  'cbc-hmac': cbcHmac,
  'hmac-sha-224': hmac('sha224'), 'hmac-sha-256': hmac('sha256'), 'hmac-sha-384': hmac('sha384'), 'hmac-sha-512': hmac('sha512'),
  'rsa-2048-encrypt': facts => rsaDecrypting(2048, facts),
  'rsa-3072-encrypt': facts => rsaDecrypting(3072, facts),
  'rsa-4096-encrypt': facts => rsaDecrypting(4096, facts),
  'rsa-2048-sign': rsaSigning(2048), 'rsa-3072-sign': rsaSigning(3072), 'rsa-4096-sign': rsaSigning(4096),
  'rsa-2048-wrapping': facts => rsaWrapping(2048, facts),
  'rsa-3072-wrapping': facts => rsaWrapping(3072, facts),
  'rsa-4096-wrapping': facts => rsaWrapping(4096, facts),
  'ecdsa-p256': ellipticCurve('p256', signs, pkcs11.CKM_ECDSA),
  'ecdsa-p384': ellipticCurve('p384', signs, pkcs11.CKM_ECDSA),
  'ecdsa-p521': ellipticCurve('p521', signs, pkcs11.CKM_ECDSA),
  'ecdsa-secp256k1': ellipticCurve('secp256k1', signs, pkcs11.CKM_ECDSA),
  'ecdh-p256': ellipticCurve('p256', derives, pkcs11.CKM_ECDH1_DERIVE),
  'ecdh-p384': ellipticCurve('p384', derives, pkcs11.CKM_ECDH1_DERIVE),
  'ecdh-p521': ellipticCurve('p521', derives, pkcs11.CKM_ECDH1_DERIVE),
  ed25519,
  'ml-dsa-44': mlDsa(1), 'ml-dsa-65': mlDsa(2), 'ml-dsa-87': mlDsa(3),
  'ml-kem-512': mlKem(1), 'ml-kem-768': mlKem(2), 'ml-kem-1024': mlKem(3),
}

export const materialKinds = Object.keys(rows) as readonly MaterialKind[]

/** Throws kind `configuration` for a kind that there is not. */
export function kindRow(kind: MaterialKind, facts: KindFacts): KindRow {
  if (!Object.hasOwn(rows, kind)) throw new HsmError('configuration', `material of kind ${kind} is not supported`)
  const row = rows[kind]
  return typeof row === 'function' ? row(facts) : row
}

/** What a token must offer for material of this kind. */
export function mechanismsOf(kind: MaterialKind, facts: KindFacts): readonly number[] {
  return Array.from(new Set(kindRow(kind, facts).objects.flatMap(({ generate, use }) => [generate, ...use])))
}
