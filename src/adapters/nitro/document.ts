import { decode, type DecodeOptions } from 'cborg'
import { AttestationError, type AttestationDocument } from '../../domain/attestation.js'

/** A signed document taken apart; nothing in it is proved yet. Byte strings are copies of their own. */
export interface SignedDocument {
  readonly protectedHeader: Uint8Array
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  /** DER. */
  readonly certificate: Uint8Array
  /** DER, the root first. */
  readonly cabundle: readonly Uint8Array[]
  readonly document: AttestationDocument
}

/** Limits of attestation_process.md, sections 2.2 and 3.1; the API lets far more through, and the parser recurses. */
const payloadBytesMax = 16_384
const signatureBytes = 96
const coseBytesMax = payloadBytesMax + 256
const certificateBytesMax = 1_024
/** Nitro has four or five; each costs a signature to check. */
const cabundleMax = 8
const pcrBytes: readonly number[] = [32, 48, 64]
const pcrsMax = 32
const publicKeyBytesMax = 1_024
const otherBytesMax = 1_024

/** COSE_Sign1 (RFC 9052 section 4.2), and what it may be wrapped in. */
const coseSign1Tag = 18
/** `{1: -35}`: the algorithm is ES384. */
const es384Header = Uint8Array.of(0xa1, 0x01, 0x38, 0x22)

const members = ['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle', 'public_key', 'user_data', 'nonce']

/** Integers in their shortest form, no indefinite lengths, no floats in disguise, no key twice, no tags but those that are named. */
const strict: DecodeOptions = {
  strict: true, useMaps: true, rejectDuplicateMapKeys: true, allowIndefinite: false, allowUndefined: false, allowInfinity: false,
  allowNaN: false, allowBigInt: false,
}

/** Throws AttestationError for everything that is not a signed attestation document to the letter. */
export function parseDocument(bytes: Uint8Array): SignedDocument {
  if (bytes.length > coseBytesMax) throw malformed('it is too long')
  const parts = decoded(bytes, { ...strict, tags: tagsAt(bytes) })
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('it is not a COSE_Sign1 structure')
  const [header, unprotectedHeader, payload, signature] = parts as readonly unknown[]
  const protectedHeader = byteString(header, 'the protected header', 1, es384Header.length)
  if (!Buffer.from(es384Header).equals(protectedHeader)) throw malformed('its algorithm is not ES384')
  if (!(unprotectedHeader instanceof Map) || unprotectedHeader.size > 0) throw malformed('its unprotected header is not empty')
  const content = byteString(payload, 'the payload', 1, payloadBytesMax)
  return {
    protectedHeader,
    payload: content,
    signature: byteString(signature, 'the signature', signatureBytes, signatureBytes),
    ...parsePayload(content),
  }
}

/** Only the whole may be tagged: cborg takes a tag wherever it stands. */
function tagsAt([first]: Uint8Array): NonNullable<DecodeOptions['tags']> {
  if (first !== (0xc0 | coseSign1Tag)) return {}
  let seen = false
  return {
    [coseSign1Tag]: inner => {
      if (seen) throw malformed('it is tagged twice')
      seen = true
      return inner()
    },
  }
}

function parsePayload(payload: Uint8Array): Pick<SignedDocument, 'certificate' | 'cabundle' | 'document'> {
  // Newer hypervisors write the map of the payload with an open end.
  const map: unknown = decoded(payload, { ...strict, allowIndefinite: true })
  if (!(map instanceof Map)) throw malformed('its payload is not a map')
  for (const name of map.keys()) if (!members.includes(name as string)) throw malformed('its payload has a member that is not known')
  const member = (name: string): unknown => map.get(name)
  // Nitro writes null for what an enclave did not give.
  const optional = (name: string, min: number, max: number) => {
    const value = member(name) ?? undefined
    return value === undefined ? undefined : byteString(value, name, min, max)
  }
  if (member('digest') !== 'SHA384') throw malformed('its digest is not SHA384')
  optional('user_data', 0, otherBytesMax)
  optional('nonce', 0, otherBytesMax)
  return {
    certificate: byteString(member('certificate'), 'certificate', 1, certificateBytesMax),
    cabundle: cabundleOf(member('cabundle')),
    document: {
      moduleId: moduleIdOf(member('module_id')),
      timestamp: timestampOf(member('timestamp')),
      pcrs: pcrsOf(member('pcrs')),
      publicKey: optional('public_key', 1, publicKeyBytesMax),
    },
  }
}

/** Longest module id that is taken; Nitro's have 39 characters. It goes into the audit log. */
const moduleIdMax = 256

function moduleIdOf(value: unknown): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > moduleIdMax) throw malformed('module_id is missing or wrong')
  return value
}

function timestampOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) throw malformed('timestamp is missing or wrong')
  return value
}

function pcrsOf(value: unknown): ReadonlyMap<number, Uint8Array> {
  if (!(value instanceof Map) || value.size === 0 || value.size > pcrsMax) throw malformed('pcrs is missing or wrong')
  const pcrs = new Map<number, Uint8Array>()
  for (const [index, content] of value as ReadonlyMap<unknown, unknown>) {
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= pcrsMax) throw malformed('pcrs has a wrong index')
    if (!(content instanceof Uint8Array) || !pcrBytes.includes(content.length)) throw malformed('pcrs has a wrong value')
    pcrs.set(index, content)
  }
  return pcrs
}

function cabundleOf(value: unknown): readonly Uint8Array[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > cabundleMax) throw malformed('cabundle is missing or wrong')
  return value.map(item => byteString(item, 'cabundle', 1, certificateBytesMax))
}

function byteString(value: unknown, name: string, min: number, max: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < min || value.length > max) throw malformed(`${name} is missing or wrong`)
  return value
}

/** The parser's own words may repeat the input, and a deeply nested one overflows its stack: both are the same refusal. */
function decoded(bytes: Uint8Array, options: DecodeOptions): unknown {
  try {
    return decode(bytes, options)
  } catch (error) {
    if (error instanceof AttestationError) throw error
    throw malformed('it is not CBOR in its canonical form')
  }
}

function malformed(reason: string): AttestationError {
  return new AttestationError(reason)
}
