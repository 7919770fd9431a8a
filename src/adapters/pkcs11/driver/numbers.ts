import pkcs11 from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import type { MaterialKind } from '../../../domain/material.js'

/** Numbers of PKCS#11 and sizes, by the names that kinds of material have them under. */

export type HashName = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

export interface HashRow {
  readonly bytes: number
  readonly mechanism: number
  readonly mgf: number
  readonly hmac: number
  /** CKK_SHAxxx_HMAC. */
  readonly keyType: number
}

export const hashes: Readonly<Record<HashName, HashRow>> = {
  sha1: { bytes: 20, mechanism: pkcs11.CKM_SHA_1, mgf: pkcs11.CKG_MGF1_SHA1, hmac: pkcs11.CKM_SHA_1_HMAC, keyType: 0x28 },
  sha224: { bytes: 28, mechanism: pkcs11.CKM_SHA224, mgf: pkcs11.CKG_MGF1_SHA224, hmac: pkcs11.CKM_SHA224_HMAC, keyType: 0x2e },
  sha256: { bytes: 32, mechanism: pkcs11.CKM_SHA256, mgf: pkcs11.CKG_MGF1_SHA256, hmac: pkcs11.CKM_SHA256_HMAC, keyType: 0x2b },
  sha384: { bytes: 48, mechanism: pkcs11.CKM_SHA384, mgf: pkcs11.CKG_MGF1_SHA384, hmac: pkcs11.CKM_SHA384_HMAC, keyType: 0x2c },
  sha512: { bytes: 64, mechanism: pkcs11.CKM_SHA512, mgf: pkcs11.CKG_MGF1_SHA512, hmac: pkcs11.CKM_SHA512_HMAC, keyType: 0x2d },
}

export type CurveName = 'p256' | 'p384' | 'p521' | 'secp256k1'

export interface CurveRow {
  /** The named curve as CKA_EC_PARAMS, DER; also what stands in a SubjectPublicKeyInfo. */
  readonly oid: Uint8Array
  readonly bits: number
  /** Of a coordinate, and of the order. */
  readonly fieldBytes: number
}

/** RFC 5480, section 2.1.1.1, and SEC 2. */
export const ellipticCurves: Readonly<Record<CurveName, CurveRow>> = {
  p256: { oid: Buffer.from('06082a8648ce3d030107', 'hex'), bits: 256, fieldBytes: 32 },
  p384: { oid: Buffer.from('06052b81040022', 'hex'), bits: 384, fieldBytes: 48 },
  p521: { oid: Buffer.from('06052b81040023', 'hex'), bits: 521, fieldBytes: 66 },
  secp256k1: { oid: Buffer.from('06052b8104000a', 'hex'), bits: 256, fieldBytes: 32 },
}

/** The curve of `ecdsa-*` and `ecdh-*`. Throws kind `configuration` for other kinds. */
export function curveOf(kind: MaterialKind): CurveRow {
  const name = /^ec(?:dsa|dh)-(.+)$/.exec(kind)?.[1]
  if (name === undefined || !Object.hasOwn(ellipticCurves, name)) throw new HsmError('configuration', `${kind} is no elliptic curve`)
  return ellipticCurves[name as CurveName]
}

/** Bytes of the modulus of `rsa-*`. Throws kind `configuration` for other kinds. */
export function modulusBytesOf(kind: MaterialKind): number {
  const bits = /^rsa-(\d+)-/.exec(kind)?.[1]
  if (bits === undefined) throw new HsmError('configuration', `${kind} is no RSA key`)
  return Number(bits) / 8
}

/** PKCS#11 3.0 (Edwards curves) and 3.2 (ML-DSA, ML-KEM): the binding has the names of 2.40. */
export const newer = {
  CKK_EC_EDWARDS: 0x40, CKM_EC_EDWARDS_KEY_PAIR_GEN: 0x1055, CKM_EDDSA: 0x1057,
  /** CKA_EC_PARAMS of Ed25519: by its OID (RFC 8410), or by its name as a PrintableString. */
  edwardsParameters: { oid: Buffer.from('06032b6570', 'hex'), name: Buffer.from('\x13\x0cedwards25519', 'latin1') },
  CKK_ML_DSA: 0x4a, CKM_ML_DSA_KEY_PAIR_GEN: 0x1c, CKM_ML_DSA: 0x1d,
  CKK_ML_KEM: 0x49, CKM_ML_KEM_KEY_PAIR_GEN: 0xf, CKM_ML_KEM: 0x17,
} as const

/** What the HSM's answers must be long: FIPS 204, table 2, and FIPS 203, table 3. */
export const latticeBytes: Readonly<Partial<Record<MaterialKind, { readonly publicKey: number, readonly output: number }>>> = {
  'ml-dsa-44': { publicKey: 1312, output: 2420 },
  'ml-dsa-65': { publicKey: 1952, output: 3309 },
  'ml-dsa-87': { publicKey: 2592, output: 4627 },
  'ml-kem-512': { publicKey: 800, output: 768 },
  'ml-kem-768': { publicKey: 1184, output: 1088 },
  'ml-kem-1024': { publicKey: 1568, output: 1568 },
}
