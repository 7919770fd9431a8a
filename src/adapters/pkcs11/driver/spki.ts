import { HsmError } from '../../../ports/hsm.js'

/** SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point itself (RFC 5480, section 2). */
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')
const pointBytes = 65

/**
 * SubjectPublicKeyInfo, DER, from CKA_EC_POINT: a DER OCTET STRING around the point (PKCS#11 2.40, section 2.3.3), although
 * some tokens give the bare point.
 */
export function p256PublicKeyInfo(ecPoint: Uint8Array): Uint8Array {
  const wrapped = ecPoint.length === pointBytes + 2 && ecPoint[0] === 0x04 && ecPoint[1] === pointBytes
  const point = wrapped ? ecPoint.subarray(2) : ecPoint
  if (point.length !== pointBytes || point[0] !== 0x04) throw new HsmError('evidence', 'CKA_EC_POINT is not an uncompressed P-256 point')
  return Buffer.concat([p256Prefix, point])
}
