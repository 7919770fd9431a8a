import { derBitString, derNull, derOctetString, derOid, derSequence, derUnsigned, encodeDer, type DerNode } from '../../../domain/der.js'
import type { MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { curveOf, ellipticCurves, latticeBytes, modulusBytesOf, type CurveRow } from './numbers.js'

/** What a token says of a public key: attributes by their names, as bytes. */
export type ReadPublic = (name: 'modulus' | 'public_exponent' | 'ec_point' | 'value') => Uint8Array

const uncompressed = 0x04
const edwardsBytes = 32

const rsaEncryption = derOid('1.2.840.113549.1.1.1')
const ecPublicKey = derOid('1.2.840.10045.2.1')
const ed25519 = derOid('1.3.101.112')
// RFC 9881 and RFC 9935.
const latticeOids: Readonly<Partial<Record<MaterialKind, string>>> = {
  'ml-dsa-44': '2.16.840.1.101.3.4.3.17', 'ml-dsa-65': '2.16.840.1.101.3.4.3.18', 'ml-dsa-87': '2.16.840.1.101.3.4.3.19',
  'ml-kem-512': '2.16.840.1.101.3.4.4.1', 'ml-kem-768': '2.16.840.1.101.3.4.4.2', 'ml-kem-1024': '2.16.840.1.101.3.4.4.3',
}

/** SubjectPublicKeyInfo, DER, of a key pair. Throws kind `evidence` if what the token says cannot be a public key of this kind. */
export function publicKeyInfo(kind: MaterialKind, read: ReadPublic): Uint8Array {
  if (kind.startsWith('rsa-')) return rsaInfo(modulusBytesOf(kind), unsigned(read('modulus')), unsigned(read('public_exponent')))
  if (kind.startsWith('ec')) return ecInfo(curveOf(kind), read('ec_point'))
  if (kind === 'ed25519') return info([ed25519], edwardsPoint(read('ec_point')))
  const oid = latticeOids[kind]
  if (oid === undefined) throw new HsmError('configuration', `material of kind ${kind} has no public key`)
  const key = read('value')
  if (key.length !== latticeBytes[kind]?.publicKey) throw wrong(`CKA_VALUE is no public key of ${kind}`)
  return info([derOid(oid)], key)
}

export function p256PublicKeyInfo(ecPoint: Uint8Array): Uint8Array {
  return ecInfo(ellipticCurves.p256, ecPoint)
}

function ecInfo(curve: CurveRow, ecPoint: Uint8Array): Uint8Array {
  const point = unwrapped(ecPoint, 1 + 2 * curve.fieldBytes)
  if (point?.[0] !== uncompressed) throw wrong('CKA_EC_POINT is not an uncompressed point of the curve')
  return info([ecPublicKey, curve.oid], point)
}

function edwardsPoint(ecPoint: Uint8Array): Uint8Array {
  const point = unwrapped(ecPoint, edwardsBytes)
  if (!point) throw wrong('CKA_EC_POINT is not a point of Ed25519')
  return point
}

/** CKA_EC_POINT is a DER OCTET STRING around the point (PKCS#11 2.40, section 2.3.3), although some tokens give the bare point. */
function unwrapped(ecPoint: Uint8Array, length: number): Uint8Array | undefined {
  if (ecPoint.length === length) return ecPoint
  const point = ecPoint.subarray(Math.max(ecPoint.length - length, 0))
  return Buffer.compare(encodeDer(derOctetString(point)), ecPoint) === 0 && point.length === length ? point : undefined
}

/** RFC 3279, section 2.3.1. */
function rsaInfo(modulusBytes: number, modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const whole = modulus.length === modulusBytes && (modulus[0] ?? 0) >= 0x80
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1
  if (!whole || !odd) throw wrong(`CKA_MODULUS and CKA_PUBLIC_EXPONENT are no RSA key of ${modulusBytes * 8} bits`)
  return info([rsaEncryption, derNull()], derSequence(derUnsigned(modulus), derUnsigned(exponent)))
}

function info(algorithm: readonly (Uint8Array | DerNode)[], key: Uint8Array | DerNode): Uint8Array {
  return encodeDer(derSequence(derSequence(...algorithm), derBitString(key)))
}

function unsigned(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex(byte => byte !== 0)
  return bytes.subarray(Math.max(first, 0))
}

function wrong(message: string): HsmError {
  return new HsmError('evidence', message)
}
