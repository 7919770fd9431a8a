import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { returnValueOf } from './errors.js'

export const gcmIvBytes = 12
export const gcmTagBytes = 16
/** Of AES. */
export const blockBytes = 16
export const additionalDataBytes = 32
export const macBytes = 32
export const digestBytes = 32
export const signatureBytes = 64

// A zero-length Buffer of its own reaches the library as a null pointer, which SoftHSM 2.6 refuses; a view of nothing does not.
const emptyView = Buffer.alloc(16).subarray(0, 0)

/** The same memory as a Buffer that the binding can pass on. */
export function view(bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return emptyView
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

const hmacSha256 = { mechanism: pkcs11.CKM_SHA256_HMAC }
const ecdsa = { mechanism: pkcs11.CKM_ECDSA }

export function hmac(lib: pkcs11.PKCS11, session: Handle, key: Handle, data: Buffer): Buffer {
  lib.C_SignInit(session, hmacSha256, key)
  return exactly(macBytes, lib.C_Sign(session, data, Buffer.allocUnsafe(macBytes)))
}

/** r‖s of a digest; CKM_ECDSA hashes nothing itself. */
export function signDigest(lib: pkcs11.PKCS11, session: Handle, key: Handle, digest: Buffer): Buffer {
  lib.C_SignInit(session, ecdsa, key)
  return exactly(signatureBytes, lib.C_Sign(session, digest, Buffer.allocUnsafe(signatureBytes)))
}

/** Whether r‖s is a signature of the digest, by the public half in the token. */
export function verifiesDigest(lib: pkcs11.PKCS11, session: Handle, key: Handle, digest: Buffer, signature: Buffer): boolean {
  lib.C_VerifyInit(session, ecdsa, key)
  try {
    return lib.C_Verify(session, digest, signature)
  } catch (error) {
    if (returnValueOf(error) === pkcs11.CKR_SIGNATURE_INVALID) return false
    throw error
  }
}

function exactly(length: number, out: Buffer): Buffer {
  if (out.length !== length) throw new HsmError('configuration', `the token answered ${out.length} bytes instead of ${length}`)
  return out
}
