import { createCipheriv, createDecipheriv } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { base32 } from '../../domain/base32.js'
import type { PrincipalTag } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import type { Hsm } from '../../ports/hsm.js'
import { RootMac } from '../root-mac.js'

/** What a session token says: everything about the session but what its user or role is and may do today. */
export interface SessionClaims {
  readonly kind: 'user' | 'role'
  readonly accountId: string
  readonly name: string
  /** The unique id: a role of the same name that was made later is another. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** Of a role's. */
  readonly sessionName?: string
  /** What limits the session: a document, and ARNs of managed policies. */
  readonly policy?: string
  readonly policyArns?: readonly string[]
  readonly tags?: readonly PrincipalTag[]
  readonly transitiveTagKeys?: readonly string[]
  readonly sourceIdentity?: string
  /** ARN of the identity provider that vouched for whoever asked. */
  readonly provider?: string
  /** Of a role's: who is behind it (domain/caller.ts). */
  readonly origin?: string
  /** Of a user's: the access key that asked for it, and whose end is the end of the session. */
  readonly sourceAccessKeyId?: string
}

export interface NewSession {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** How much of what fits the claims take, in percent. */
  readonly packedSize: number
}

export interface OpenedSession { readonly accessKeyId: string, readonly secret: Uint8Array, readonly claims: SessionClaims }

/*
 * A session token is the base64 of
 *
 *   format 1 | version of root/mac u32 | salt 32 | AES-256-GCM of ( id 10 | secret 30 | claims length u16 | claims | zeros ) | tag 16
 *
 * with the claims as deflated JSON (RFC 1951), and all before the ciphertext as additional data. The key is HMAC-SHA-256 by `root/mac` over
 * that header, made in the HSM and overwritten here after its one use. The salt is random, so no two tokens have the same key: there is no
 * IV to repeat, and no number of seals to keep to.
 */
const format = 1
const saltAt = 5
const saltBytes = 32
const headerBytes = saltAt + saltBytes
const tagBytes = 16
const idBytes = 10
const secretBytes = 30
const lengthAt = idBytes + secretBytes
const claimsAt = lengthAt + 2
/** One key, one message. */
const iv = Buffer.alloc(12)
const cipher = 'aes-256-gcm'

/** STS API Reference, PackedPolicySize: how much it may be is not documented there. */
export const payloadBytesMax = 4_096
/** Before it is packed: more than ten ARNs and a hundred tags come to. */
const claimsBytesMax = 256 * 1024
export const tokenCharactersMax = 4 * Math.ceil((headerBytes + payloadBytesMax + tagBytes) / 3)

/** Nobody shall take one of ours for one of AWS's. */
const accessKeyPrefix = 'CVAS'
const accessKeyForm = /^CVAS[A-Z2-7]{16}$/

/** Whether it has the form of the access key of a session. */
export function isSessionKeyId(text: string): boolean {
  return accessKeyForm.test(text)
}

/** Session credentials, which are stored nowhere: their token holds all that there is to know of them, sealed. */
export class SessionTokens {
  readonly #hsm: Pick<Hsm, 'random'>
  readonly #mac: RootMac

  constructor(hsm: Hsm, rootVersion: number) {
    this.#hsm = hsm
    this.#mac = new RootMac(hsm, rootVersion, 'session-token\0')
  }

  /** A token of no less than `charactersMin`. Throws PackedPolicyTooLargeException if it would be too large. */
  async seal(claims: SessionClaims, charactersMin = 0): Promise<NewSession> {
    const packed = packedClaims(claims)
    const random = Buffer.from(await this.#hsm.random(saltBytes + lengthAt))
    const payload = Buffer.alloc(Math.max(claimsAt + packed.length, payloadBytesOf(charactersMin)))
    payload.set(random.subarray(saltBytes))
    payload.writeUInt16BE(packed.length, lengthAt)
    payload.set(packed, claimsAt)
    const header = headerOf(this.#mac.version, random.subarray(0, saltBytes))
    const key = await this.#mac.of(header)
    try {
      const sealing = createCipheriv(cipher, key, iv, { authTagLength: tagBytes }).setAAD(header)
      const sealed = Buffer.concat([header, sealing.update(payload), sealing.final(), sealing.getAuthTag()])
      return {
        accessKeyId: accessKeyIdOf(payload),
        secretAccessKey: payload.toString('base64', idBytes, lengthAt),
        sessionToken: sealed.toString('base64'),
        packedSize: Math.ceil(100 * (claimsAt + packed.length) / payloadBytesMax),
      }
    } finally {
      for (const secret of [key, random, payload]) secret.fill(0)
    }
  }

  /** undefined for what was not made here, whatever is wrong with it: that costs one MAC at most. */
  async open(token: string): Promise<OpenedSession | undefined> {
    const bytes = bytesOf(token)
    if (!bytes || !this.#mac.hasVersion(bytes.readUInt32BE(1))) return undefined
    const header = bytes.subarray(0, headerBytes)
    const key = await this.#mac.of(header, bytes.readUInt32BE(1))
    const payload = opened(key, header, bytes.subarray(headerBytes, -tagBytes), bytes.subarray(-tagBytes))
    key.fill(0)
    if (!payload) return undefined
    const packed = payload.subarray(claimsAt, claimsAt + payload.readUInt16BE(lengthAt))
    const claims = inflateRawSync(packed, { maxOutputLength: claimsBytesMax }).toString()
    const secret = Buffer.from(payload.toString('base64', idBytes, lengthAt))
    const accessKeyId = accessKeyIdOf(payload)
    payload.fill(0)
    return { accessKeyId, secret, claims: JSON.parse(claims) as SessionClaims }
  }
}

/** Without the secret: what is compressed with a secret tells of it by its length. */
function packedClaims(claims: SessionClaims): Buffer {
  const json = Buffer.from(JSON.stringify(claims))
  const packed = json.length > claimsBytesMax ? undefined : deflateRawSync(json)
  const bytes = claimsAt + (packed?.length ?? json.length)
  if (packed && bytes <= payloadBytesMax) return packed
  const percent = Math.ceil(100 * bytes / payloadBytesMax)
  throw new KmsError('PackedPolicyTooLargeException', 'Packed size of session tags and session policies consumes '
    + `${percent}% of allotted space.`)
}

/** Of a token of so many characters, or a few more. */
function payloadBytesOf(characters: number): number {
  return 3 * Math.ceil(characters / 4) - headerBytes - tagBytes
}

function headerOf(rootVersion: number, salt: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt8(format)
  header.writeUInt32BE(rootVersion, 1)
  header.set(salt, saltAt)
  return header
}

/** undefined for what cannot be a token. */
function bytesOf(token: string): Buffer | undefined {
  if (token.length > tokenCharactersMax) return undefined
  const bytes = Buffer.from(token, 'base64')
  // One text per token: base64 has several for the same bytes.
  const isToken = bytes.length >= headerBytes + claimsAt + tagBytes && bytes.toString('base64') === token && bytes.readUInt8() === format
  return isToken ? bytes : undefined
}

function opened(key: Uint8Array, header: Buffer, ciphertext: Buffer, tag: Buffer): Buffer | undefined {
  const opening = createDecipheriv(cipher, key, iv, { authTagLength: tagBytes }).setAAD(header).setAuthTag(tag)
  const payload = opening.update(ciphertext)
  try {
    opening.final()
    return payload
  } catch {
    // Nobody has vouched for these bytes.
    payload.fill(0)
    return undefined
  }
}

function accessKeyIdOf(payload: Buffer): string {
  return accessKeyPrefix + base32(payload.subarray(0, idBytes)).toUpperCase()
}
