import { createPublicKey } from 'node:crypto'
import { DerError, DerReader } from '../domain/der.js'
import { curves, objectIds, type CurveName } from '../domain/object-ids.js'

const uncompressed = 0x04

/**
 * The point of somebody else's SubjectPublicKeyInfo, as `04‖x‖y`; undefined unless it is a point of exactly this curve. A point off the
 * curve would make ECDH tell the private key, bit by bit, so nothing else may come to the HSM (SP 800-56A, section 5.6.2.3).
 */
export function peerPoint(spki: Uint8Array, curve: CurveName): Uint8Array | undefined {
  const { oid, fieldBytes } = curves[curve]
  if (!hasForm(spki, oid, fieldBytes)) return undefined
  const point = pointOnCurve(spki)
  if (point?.x === undefined || point.y === undefined) return undefined
  const [x, y] = [Buffer.from(point.x, 'base64url'), Buffer.from(point.y, 'base64url')]
  return x.length === fieldBytes && y.length === fieldBytes ? Buffer.concat([Uint8Array.of(uncompressed), x, y]) : undefined
}

/** Strictly: a named curve, and a point that is whole or compressed (RFC 5480, section 2). */
function hasForm(spki: Uint8Array, curveOid: string, fieldBytes: number): boolean {
  try {
    const info = DerReader.only(spki)
    const algorithm = info.enter()
    const rightCurve = algorithm.oid() === objectIds.ecPublicKey && algorithm.oid() === curveOid
    algorithm.end()
    const point = info.bitString()
    info.end()
    return rightCurve && point.length === pointBytes(point[0], fieldBytes)
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

function pointBytes(first: number | undefined, fieldBytes: number): number | undefined {
  if (first === uncompressed) return 1 + 2 * fieldBytes
  return first === 2 || first === 3 ? 1 + fieldBytes : undefined
}

/** OpenSSL refuses a point that is not on its curve when it reads it. */
function pointOnCurve(spki: Uint8Array): { readonly x?: string, readonly y?: string } | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({ format: 'jwk' })
  } catch {
    return undefined
  }
}
