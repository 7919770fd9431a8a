import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { returnValueOf } from './errors.js'

export const gcmIvBytes = 12
export const gcmTagBytes = 16
export const additionalDataBytes = 32
export const macBytes = 32
export const digestBytes = 32
export const signatureBytes = 64

const nothing: Buffer = Buffer.alloc(0)
// A zero-length Buffer of its own reaches the library as a null pointer, which SoftHSM 2.6 refuses; a view of nothing does not.
const emptyView = Buffer.alloc(16).subarray(0, 0)

/** The same memory as a Buffer that the binding can pass on. */
export function view(bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return emptyView
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * AES-GCM with 96-bit IV and 128-bit tag on one session at a time. The one mechanism object is reused, and so IV and
 * additional data stay referenced until after the call: the library keeps pointers into them from Init to Encrypt.
 */
export class Gcm {
  // CK_GCM_PARAMS of PKCS#11 2.40, which sets ulIvBits; the older form leaves it to chance.
  private readonly parameter = {
    type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: nothing, aad: nothing, ivBits: gcmIvBytes * 8, tagBits: gcmTagBytes * 8,
  }
  private readonly mechanism = { mechanism: pkcs11.CKM_AES_GCM, parameter: this.parameter }
  private readonly lib: pkcs11.PKCS11
  private readonly slackBytes: number
  private readonly invalid: ReadonlySet<number>

  /** `invalid`: what C_Decrypt answers to a ciphertext that does not verify. */
  constructor(lib: pkcs11.PKCS11, slackBytes: number, invalid: readonly number[]) {
    this.lib = lib
    this.slackBytes = slackBytes
    this.invalid = new Set(invalid)
  }

  /** Ciphertext and tag. `iv` is 12 fresh bytes that the caller does not touch again, `additionalData` 32 bytes. */
  encrypt(session: Handle, key: Handle, iv: Buffer, plaintext: Buffer, additionalData: Buffer): Buffer {
    this.setParameter(iv, additionalData)
    this.lib.C_EncryptInit(session, this.mechanism, key)
    const out = this.lib.C_Encrypt(session, plaintext, Buffer.allocUnsafe(plaintext.length + gcmTagBytes + this.slackBytes))
    if (out.length !== plaintext.length + gcmTagBytes) throw new HsmError('configuration', 'AES-GCM output is not ciphertext and tag')
    return out
  }

  /**
   * The plaintext, at the beginning of `out`, which must be as long as the ciphertext (SoftHSM asks for the tag's room too).
   * undefined if the ciphertext does not verify; the session stays good.
   */
  decrypt(session: Handle, key: Handle, iv: Buffer, ciphertext: Buffer, additionalData: Buffer, out: Buffer): Buffer | undefined {
    this.setParameter(iv, additionalData)
    this.lib.C_DecryptInit(session, this.mechanism, key)
    try {
      return this.lib.C_Decrypt(session, ciphertext, out)
    } catch (error) {
      if (this.invalid.has(returnValueOf(error) ?? 0)) return undefined
      throw error
    }
  }

  // SoftHSM takes an IV of any length and tags down to nothing, so the lengths are ours to hold.
  private setParameter(iv: Buffer, additionalData: Buffer): void {
    if (iv.length !== gcmIvBytes) throw new HsmError('configuration', `an IV has ${gcmIvBytes} bytes`)
    if (additionalData.length !== additionalDataBytes) {
      throw new HsmError('configuration', `additional data has ${additionalDataBytes} bytes`)
    }
    this.parameter.iv = iv
    this.parameter.aad = additionalData
  }
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

function exactly(length: number, out: Buffer): Buffer {
  if (out.length !== length) throw new HsmError('configuration', `the token answered ${out.length} bytes instead of ${length}`)
  return out
}
