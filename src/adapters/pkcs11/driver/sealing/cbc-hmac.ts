import { hash, timingSafeEqual } from 'node:crypto'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../../ports/hsm.js'
import type { Log } from '../../../../ports/log.js'
import type { Profile } from '../../profiles/profile.js'
import { additionalDataBytes, blockBytes, digestBytes, hmac, macBytes } from '../operations.js'
import type { FreshSeal, Sealing } from './sealing.js'

/**
 * AES-256-CBC, then HMAC-SHA-256, both in the token, for tokens without GCM:
 * ciphertext || HMAC(additional data || IV || SHA-256(ciphertext)). The first key encrypts, the second one authenticates. No ciphertext
 * reaches the first before the second has vouched for it, so that nobody learns anything from padding; and the padding is ours, so that the
 * token never has an opinion of it.
 */
export class CbcHmac implements Sealing {
  private readonly lib: PKCS11
  private readonly random: (target: Buffer) => void
  private readonly log: Log
  private readonly slackBytes: number
  /** Holds a plaintext while it is sealed; wiped after each. */
  private readonly padded: Buffer
  private readonly authenticated = Buffer.alloc(additionalDataBytes + blockBytes + digestBytes)

  /** `random` fills a buffer with bytes of the token's generator. */
  constructor(lib: PKCS11, { seal }: Profile, random: (target: Buffer) => void, log: Log) {
    this.lib = lib
    this.random = random
    this.log = log
    this.slackBytes = Math.max(seal.outputSlackBytes, macBytes)
    this.padded = Buffer.alloc(paddedBytes(seal.plaintextBytesMax))
  }

  accepts(ivBytes: number, ciphertextBytes: number): boolean {
    const bodyBytes = ciphertextBytes - macBytes
    return ivBytes === blockBytes && bodyBytes >= blockBytes && bodyBytes <= this.padded.length && bodyBytes % blockBytes === 0
  }

  encrypt(session: Handle, [key, macKey]: readonly Handle[], plaintext: Buffer, additionalData: Buffer): FreshSeal {
    const iv = Buffer.allocUnsafe(blockBytes)
    this.random(iv)
    const body = this.cbcEncrypt(session, key as Handle, iv, plaintext)
    const out = Buffer.from(body.buffer, body.byteOffset, body.length + macBytes)
    this.tag(session, macKey as Handle, iv, body, additionalData).copy(out, body.length)
    return { iv, ciphertext: out }
  }

  decrypt(
    session: Handle, [key, macKey]: readonly Handle[], { iv, ciphertext }: FreshSeal, additionalData: Buffer, out: Buffer,
  ): Buffer | undefined {
    requireBlock(iv)
    const body = ciphertext.subarray(0, ciphertext.length - macBytes)
    const tag = ciphertext.subarray(body.length)
    const vouched = () => timingSafeEqual(tag, this.tag(session, macKey as Handle, iv, body, additionalData))
    // Asked twice: one wrong bit in the token's answer must not make a good ciphertext a bad one.
    if (!vouched() && !vouched()) return undefined
    this.lib.C_DecryptInit(session, { mechanism: pkcs11.CKM_AES_CBC, parameter: iv }, key as Handle)
    const padded = this.lib.C_Decrypt(session, body, out)
    const length = padded.length === body.length ? unpaddedBytes(padded) : undefined
    if (length === undefined) throw this.badPadding(out)
    return padded.subarray(0, length)
  }

  /** With room for the tag behind it. */
  private cbcEncrypt(session: Handle, key: Handle, iv: Buffer, plaintext: Buffer): Buffer {
    const padded = this.padded.subarray(0, paddedBytes(plaintext.length))
    try {
      plaintext.copy(padded)
      padded.fill(padded.length - plaintext.length, plaintext.length)
      this.lib.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_CBC, parameter: iv }, key)
      const body = this.lib.C_Encrypt(session, padded, Buffer.allocUnsafe(padded.length + this.slackBytes))
      if (body.length !== padded.length) throw new HsmError('configuration', 'AES-CBC output is not as long as its input')
      return body
    } finally {
      padded.fill(0)
    }
  }

  private tag(session: Handle, key: Handle, iv: Buffer, body: Buffer, additionalData: Buffer): Buffer {
    if (additionalData.length !== additionalDataBytes) {
      throw new HsmError('configuration', `additional data has ${additionalDataBytes} bytes`)
    }
    additionalData.copy(this.authenticated)
    iv.copy(this.authenticated, additionalDataBytes)
    hash('sha256', body, 'buffer').copy(this.authenticated, additionalDataBytes + blockBytes)
    return hmac(this.lib, session, key, this.authenticated)
  }

  /** The ciphertext is ours: the second key says so. Then the device decrypted it to something else, and no client learns which. */
  private badPadding(out: Buffer): HsmError {
    out.fill(0)
    this.log.error('the token decrypted an authentic ciphertext to something that was never sealed')
    return new HsmError('lost', 'the token decrypted an authentic ciphertext wrongly')
  }
}

// A library of one vendor waits for ever after an IV of another length.
function requireBlock(iv: Buffer): void {
  if (iv.length !== blockBytes) throw new HsmError('configuration', `an IV of AES-CBC has ${blockBytes} bytes`)
}

/** PKCS #7: at least one byte, each of them the number of all. */
function paddedBytes(length: number): number {
  return length + blockBytes - length % blockBytes
}

function unpaddedBytes(padded: Buffer): number | undefined {
  const count = padded[padded.length - 1] ?? 0
  if (count < 1 || count > blockBytes) return undefined
  return padded.subarray(padded.length - count).every(byte => byte === count) ? padded.length - count : undefined
}
