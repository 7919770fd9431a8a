import pkcs11, { type Handle, type Mechanism, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { returnValueOf } from './errors.js'

export const gcmIvBytes = 12
export const gcmTagBytes = 16
/** Of AES. */
export const blockBytes = 16
export const additionalDataBytes = 32
/** Of HMAC-SHA-256, and so are digest and signature. */
export const macBytes = 32
export const digestBytes = 32
const p256SignatureBytes = 64

// A zero-length Buffer of its own reaches the library as a null pointer, which SoftHSM 2.6 refuses; a view of nothing does not.
const emptyView = Buffer.alloc(16).subarray(0, 0)

/** The same memory as a Buffer that the binding can pass on. */
export function view(bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return emptyView
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

const hmacSha256 = { mechanism: pkcs11.CKM_SHA256_HMAC }
const ecdsa = { mechanism: pkcs11.CKM_ECDSA }

/** Signature or MAC, which must have so many bytes. */
export function signWith(lib: PKCS11, session: Handle, mechanism: Mechanism, key: Handle, data: Buffer, bytes: number): Buffer {
  lib.C_SignInit(session, mechanism, key)
  return exactly(bytes, lib.C_Sign(session, data, Buffer.allocUnsafe(bytes)))
}

/** By the public half in the token. */
export function verifiesWith(lib: PKCS11, session: Handle, mechanism: Mechanism, key: Handle, data: Buffer, signature: Buffer): boolean {
  lib.C_VerifyInit(session, mechanism, key)
  try {
    return lib.C_Verify(session, data, signature)
  } catch (error) {
    const code = returnValueOf(error)
    if (code === pkcs11.CKR_SIGNATURE_INVALID || code === pkcs11.CKR_SIGNATURE_LEN_RANGE) return false
    throw error
  }
}

export function hmac(lib: PKCS11, session: Handle, key: Handle, data: Buffer): Buffer {
  return signWith(lib, session, hmacSha256, key, data, macBytes)
}

/** r‖s over P-256 of a digest; CKM_ECDSA hashes nothing itself. */
export function signDigest(lib: PKCS11, session: Handle, key: Handle, digest: Buffer): Buffer {
  return signWith(lib, session, ecdsa, key, digest, p256SignatureBytes)
}

export function exactly(length: number, out: Buffer): Buffer {
  if (out.length !== length) throw new HsmError('configuration', `the token answered ${out.length} bytes instead of ${length}`)
  return out
}
