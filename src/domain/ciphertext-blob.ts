import { hash } from 'node:crypto'
import { keyIdBytes, keyIdOfBytes } from './key-id.js'
import type { Suite } from './material.js'

/**
 * The ciphertext of a symmetric key: "CVG" | format 1 | suite u8 | key id 16 | version u32 | iv length u8 | iv | ciphertext | tag.
 * Strict and total: any byte string either parses or is refused. The 25 bytes before the IV length are authenticated
 * through `additionalData`. Vectors for every form ever written are in test/vectors.
 */
export interface CiphertextHeader {
  readonly suite: Suite
  readonly keyId: string
  readonly version: number
}

export interface CiphertextBody {
  readonly iv: Uint8Array
  /** Ciphertext and, behind it, the tag. */
  readonly ciphertext: Uint8Array
}

export interface CiphertextBlob extends CiphertextHeader, CiphertextBody {}

const magic = [0x43, 0x56, 0x47, 1] as const
const headerBytes = 25
/** Suite byte, IV and tag lengths of each suite. HSMs that make the IV of AES-GCM themselves may make one of 16 bytes (Luna, FIPS mode). */
const suites = [
  { suite: 'gcm', byte: 1, ivBytes: [12, 16], tagBytes: 16, blockBytes: 1 },
  { suite: 'cbc-hmac', byte: 2, ivBytes: [16], tagBytes: 32, blockBytes: 16 },
] as const
export const ciphertextBlobBytesMax = 6144

export function encodeCiphertextBlob(header: CiphertextHeader, { iv, ciphertext }: CiphertextBody): Uint8Array {
  const out = Buffer.allocUnsafe(headerBytes + 1 + iv.length + ciphertext.length)
  out.set(encodeHeader(header))
  out[headerBytes] = iv.length
  out.set(iv, headerBytes + 1)
  out.set(ciphertext, headerBytes + 1 + iv.length)
  return out
}

/** undefined for anything that is not exactly one ciphertext of ours. The views share the memory of `bytes`. */
export function decodeCiphertextBlob(bytes: Uint8Array): CiphertextBlob | undefined {
  if (bytes.length <= headerBytes || bytes.length > ciphertextBlobBytesMax) return undefined
  if (magic.some((byte, at) => bytes[at] !== byte)) return undefined
  const row = suites.find(({ byte }) => byte === bytes[4])
  const ivBytes = row?.ivBytes.find(length => length === bytes[headerBytes])
  if (!row || ivBytes === undefined) return undefined
  const ciphertext = bytes.subarray(headerBytes + 1 + ivBytes)
  const bodyBytes = ciphertext.length - row.tagBytes
  // CBC with padding always has at least one block; GCM may carry nothing but its tag.
  if (bodyBytes < row.blockBytes - 1 || bodyBytes % row.blockBytes !== 0) return undefined
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(21)
  if (version === 0) return undefined
  return {
    suite: row.suite,
    keyId: keyIdOfBytes(bytes.subarray(5, 21)),
    version,
    iv: bytes.subarray(headerBytes + 1, headerBytes + 1 + ivBytes),
    ciphertext,
  }
}

/**
 * What is authenticated beside the plaintext: SHA-256 of header and encryption context. Hashed so that every HSM, whatever its
 * limits, gets the same 32 bytes.
 */
export function additionalData(header: CiphertextHeader, encryptionContext: Readonly<Record<string, string>>): Uint8Array {
  return hash('sha256', Buffer.concat([encodeHeader(header), canonicalContext(encryptionContext)]), 'buffer')
}

/** Pairs sorted by the UTF-8 bytes of the key, each string behind its u32 length: injective. The empty context is zero bytes. */
export function canonicalContext(context: Readonly<Record<string, string>>): Uint8Array {
  const pairs = Object.entries(context).map(([key, value]) => [utf8(key), utf8(value)] as const)
  if (pairs.length > 1) pairs.sort(([a], [b]) => Buffer.compare(a, b))
  const out = Buffer.allocUnsafe(pairs.reduce((sum, [key, value]) => sum + key.length + value.length + 8, 0))
  let at = 0
  for (const pair of pairs) {
    for (const text of pair) {
      at = out.writeUInt32BE(text.length, at)
      at += text.copy(out, at)
    }
  }
  return out
}

/** The same few versions come again and again. Whoever passes a header must not change it afterwards. */
const encodedHeaders = new WeakMap<CiphertextHeader, Buffer>()

function encodeHeader(header: CiphertextHeader): Uint8Array {
  let out = encodedHeaders.get(header)
  if (!out) {
    out = Buffer.alloc(headerBytes)
    out.set(magic)
    out[4] = suites.find(row => row.suite === header.suite)?.byte ?? 0
    out.set(keyIdBytes(header.keyId), 5)
    out.writeUInt32BE(header.version, 21)
    encodedHeaders.set(header, out)
  }
  return out
}

/** Half a surrogate pair has no UTF-8: any two of them would become the same bytes. Fronts refuse such a text before it comes here. */
function utf8(text: string): Buffer {
  // The first test is the quick one: most texts have no surrogate at all.
  if (/[\ud800-\udfff]/.test(text) && /\p{Surrogate}/u.test(text)) {
    throw new TypeError('a text with an unpaired surrogate cannot be authenticated')
  }
  return Buffer.from(text)
}
