import { derBitString, derNull, derOctetString, derOid, derSequence, derUnsigned, encodeDer, type DerNode } from '../../../domain/der.js'
import type { MaterialKind } from '../../../domain/material.js'
import { objectIds } from '../../../domain/object-ids.js'
import { HsmError } from '../../../ports/hsm.js'
import { curveOf, ellipticCurves, latticeBytes, modulusBytesOf, type CurveRow } from './numbers.js'

/** What a token says of a public key: attributes by their names, as bytes. */
export type ReadPublic = (name: 'modulus' | 'public_exponent' | 'ec_point' | 'value') => Uint8Array

const uncompressed = 0x04
const edwardsBytes = 32

const rsaEncryption = derOid(objectIds.rsaEncryption)
const ecPublicKey = derOid(objectIds.ecPublicKey)
const ed25519 = derOid(objectIds.ed25519)

/** SubjectPublicKeyInfo, DER, of a key pair. Throws kind `evidence` if what the token says cannot be a public key of this kind. */
export function publicKeyInfo(kind: MaterialKind, read: ReadPublic): Uint8Array {
  if (kind.startsWith('rsa-')) return rsaInfo(modulusBytesOf(kind), unsigned(read('modulus')), unsigned(read('public_exponent')))
  if (kind.startsWith('ec')) return ecInfo(curveOf(kind), read('ec_point'))
  if (kind === 'ed25519') return info([ed25519], edwardsPoint(read('ec_point')))
  if (!isLattice(kind)) throw new HsmError('configuration', `material of kind ${kind} has no public key`)
  const key = read('value')
  if (key.length !== latticeBytes[kind]?.publicKey) throw wrong(`CKA_VALUE is no public key of ${kind}`)
  return info([derOid(objectIds[kind])], key)
}

function isLattice(kind: MaterialKind): kind is Extract<MaterialKind, `ml-${string}`> {
  return kind.startsWith('ml-')
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
