import { createHash, timingSafeEqual } from 'node:crypto'
import pkcs11, { type Handle, type Mechanism, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { returnValueOf } from './errors.js'
import { hashes, type HashRow } from './numbers.js'
import { exactly, view } from './operations.js'

export type OaepHash = 'sha1' | 'sha256'

export interface OaepChoice {
  /** Of the label, which is empty, and of MGF1. */
  readonly hash: OaepHash
  /** `raw`: RSA in the token, and the padding removed here. */
  readonly mode: 'native' | 'raw'
  readonly modulusBytes: number
  /** Big-endian; read from the key if not given. */
  readonly modulus?: Uint8Array
  /** CKR values of C_Decrypt, beyond those of the standard, that mean a ciphertext that does not decrypt. */
  readonly invalid?: readonly number[]
}

const oaepHashes: readonly string[] = ['sha1', 'sha256'] satisfies readonly OaepHash[]
/** CKZ_DATA_SPECIFIED: the label, none here, is given as such. */
const dataSpecified = 1
/** RSA of 1,024 to 8,192 bits. */
const modulusBytesRange = { min: 128, max: 1024 }
/** CKR_AEAD_DECRYPT_FAILED is not among them: it is of other mechanisms. */
const invalidOfStandard: readonly number[] = [
  pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE,
]

/**
 * Decrypts RSAES-OAEP with an empty label (RFC 8017, section 7.1.2) under a private key of the token; the result is the caller's to
 * overwrite. Throws HsmError `ciphertext-invalid`, the same for every defect, and else what the library throws: in mode `native`, where the
 * profile calls a return value ambiguous, it is for the caller to find out.
 */
export function oaepDecrypt(lib: PKCS11, session: Handle, key: Handle, ciphertext: Uint8Array, choice: OaepChoice): Buffer {
  const { hash, mode, modulusBytes } = choice
  const row = requireChoice(choice)
  if (ciphertext.length !== modulusBytes) throw ciphertextInvalid()
  const modulus = choice.modulus ?? readModulus(lib, session, key)
  if (modulus.length !== modulusBytes) throw new HsmError('configuration', 'the RSA key is not as long as expected')
  // RFC 8017, 5.1.2: out of range. Some tokens reduce it, and then a second ciphertext would open like the first.
  if (Buffer.compare(ciphertext, modulus) >= 0) throw ciphertextInvalid()
  return mode === 'native' ? decryptNative(lib, session, key, ciphertext, row, choice) : decryptRaw(lib, session, key, ciphertext, hash)
}

/**
 * EME-OAEP decoding with an empty label. No branch and no index depends on the message until it is known to be good, as far as JavaScript
 * allows: an attacker who learns why a message is bad can decrypt (Manger 2001). `encoded` is overwritten. undefined for every defect.
 */
export function decodeOaep(encoded: Buffer, hash: OaepHash): Buffer | undefined {
  const { bytes } = hashes[hash]
  const seed = encoded.subarray(1, 1 + bytes)
  const data = encoded.subarray(1 + bytes)
  try {
    unmask(seed, data, hash)
    unmask(data, seed, hash)
    const labelHash = createHash(hash).digest()
    let bad = nonZero(encoded[0] as number) | Number(!timingSafeEqual(data.subarray(0, bytes), labelHash))
    let searching = 1
    let start = 0
    for (let at = bytes; at < data.length; at++) {
      const byte = data[at] as number
      const isOne = 1 ^ nonZero(byte ^ 1)
      start |= (0 - (searching & isOne)) & (at + 1)
      // Before the one only zeros.
      bad |= searching & (1 ^ isOne) & nonZero(byte)
      searching &= 1 ^ isOne
    }
    bad |= searching
    return bad === 0 ? ownCopy(data.subarray(start)) : undefined
  } finally {
    encoded.fill(0)
  }
}

/** The longest message that fits (RFC 8017, section 7.1.1). */
export function oaepBytesMax({ hash, modulusBytes }: Pick<OaepChoice, 'hash' | 'modulusBytes'>): number {
  return modulusBytes - 2 * hashes[hash].bytes - 2
}

/**
 * Encrypts RSAES-OAEP with an empty label (RFC 8017, section 7.1.1) under a public key of the token; `random` fills from the token's
 * generator. Throws what the library throws, and kind `configuration` for a message that does not fit.
 */
export function oaepEncrypt(
  lib: PKCS11, session: Handle, key: Handle, message: Uint8Array, choice: OaepChoice & { readonly random: (target: Buffer) => void },
): Buffer {
  const { hash, mode, modulusBytes, random } = choice
  const row = requireChoice(choice)
  if (message.length > oaepBytesMax(choice)) throw new HsmError('configuration', 'the message is too long for RSA-OAEP')
  const out = Buffer.allocUnsafe(modulusBytes)
  if (mode === 'native') {
    lib.C_EncryptInit(session, oaepMechanism(row), key)
    return exactly(modulusBytes, lib.C_Encrypt(session, view(message), out))
  }
  const encoded = encodeOaep(message, hash, modulusBytes, random)
  try {
    lib.C_EncryptInit(session, { mechanism: pkcs11.CKM_RSA_X_509 }, key)
    const number = lib.C_Encrypt(session, encoded, out)
    // Some tokens leave out zeros in front.
    return number.length === modulusBytes ? number : Buffer.concat([Buffer.alloc(modulusBytes - number.length), number])
  } finally {
    encoded.fill(0)
  }
}

/** EME-OAEP encoding with an empty label. The result holds the message: its owner overwrites it. */
export function encodeOaep(message: Uint8Array, hash: OaepHash, modulusBytes: number, random: (target: Buffer) => void): Buffer {
  const { bytes } = hashes[hash]
  const encoded = Buffer.alloc(modulusBytes)
  const seed = encoded.subarray(1, 1 + bytes)
  const data = encoded.subarray(1 + bytes)
  createHash(hash).digest().copy(data)
  data[data.length - message.length - 1] = 1
  data.set(message, data.length - message.length)
  random(seed)
  unmask(data, seed, hash)
  unmask(seed, data, hash)
  return encoded
}

function requireChoice({ hash, modulusBytes }: OaepChoice): HashRow {
  const row = oaepHashes.includes(hash) ? hashes[hash] : undefined
  const { min, max } = modulusBytesRange
  if (row && Number.isInteger(modulusBytes) && modulusBytes >= min && modulusBytes <= max) return row
  throw new HsmError('configuration', 'RSA-OAEP is done with SHA-1 or SHA-256 and keys of 1,024 to 8,192 bits')
}

/** Every field is set: one that is missing would be left to chance by the binding. */
export function oaepMechanism({ mechanism: hashAlg, mgf }: HashRow): Mechanism {
  const parameter = { type: pkcs11.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: dataSpecified }
  return { mechanism: pkcs11.CKM_RSA_PKCS_OAEP, parameter }
}

function decryptNative(
  lib: PKCS11, session: Handle, key: Handle, ciphertext: Uint8Array, row: HashRow, choice: OaepChoice,
): Buffer {
  const out = Buffer.alloc(ciphertext.length)
  try {
    lib.C_DecryptInit(session, oaepMechanism(row), key)
    const message = decrypted(lib, session, ciphertext, out, [...invalidOfStandard, ...choice.invalid ?? []])
    if (message.length > oaepBytesMax(choice)) throw new HsmError('configuration', 'RSA-OAEP output is longer than it can be')
    return ownCopy(message)
  } finally {
    out.fill(0)
  }
}

function decryptRaw(lib: PKCS11, session: Handle, key: Handle, ciphertext: Uint8Array, hash: OaepHash): Buffer {
  const out = Buffer.alloc(ciphertext.length)
  const encoded = Buffer.alloc(ciphertext.length)
  try {
    lib.C_DecryptInit(session, { mechanism: pkcs11.CKM_RSA_X_509 }, key)
    // Every number below the modulus has a result here: no return value speaks of the ciphertext.
    const number = lib.C_Decrypt(session, view(ciphertext), out)
    // Some tokens leave out zeros in front.
    number.copy(encoded, encoded.length - number.length)
    const message = decodeOaep(encoded, hash)
    if (!message) throw ciphertextInvalid()
    return message
  } finally {
    out.fill(0)
    encoded.fill(0)
  }
}

function decrypted(lib: PKCS11, session: Handle, ciphertext: Uint8Array, out: Buffer, invalid: readonly number[]): Buffer {
  try {
    return lib.C_Decrypt(session, view(ciphertext), out)
  } catch (error) {
    if (invalid.includes(returnValueOf(error) ?? 0)) throw ciphertextInvalid()
    throw error
  }
}

function readModulus(lib: PKCS11, session: Handle, key: Handle): Buffer {
  const [read] = lib.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_MODULUS }])
  const modulus = Buffer.from(read?.value as Uint8Array)
  const first = modulus.findIndex(byte => byte !== 0)
  return modulus.subarray(Math.max(first, 0))
}

/** XORs MGF1 of `seed` (RFC 8017, appendix B.2.1) into `target`. */
function unmask(target: Buffer, seed: Buffer, hash: OaepHash): void {
  const { bytes } = hashes[hash]
  const counter = Buffer.alloc(4)
  for (let from = 0; from < target.length; from += bytes) {
    counter.writeUInt32BE(from / bytes)
    const mask = createHash(hash).update(seed).update(counter).digest()
    const end = Math.min(bytes, target.length - from)
    for (let at = 0; at < end; at++) target[from + at] = (target[from + at] as number) ^ (mask[at] as number)
    mask.fill(0)
  }
}

/** 1 for anything but 0, of numbers from 0 to 2^31 - 1. */
function nonZero(value: number): number {
  // Not -value: minus zero is another kind of number to the engine.
  return (0 - value) >>> 31
}

/** Memory shared with nothing else, so that it can be overwritten. */
function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

function ciphertextInvalid(): HsmError {
  return new HsmError('ciphertext-invalid', 'the ciphertext does not decrypt')
}
