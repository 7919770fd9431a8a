import { hash } from 'node:crypto'

/**
 * The audit log as text. A chain is what one process writes: lines of JSON, each with the chain's id, its sequence number and the
 * hash of the line before it. Beside calls, a chain holds three lines of its own: `start` (always the first, links to the chains
 * before it), `checkpoint` (a signature over everything up to a position) and `closed` (nothing but its checkpoint follows).
 */

/** What a call was and how it ended, in CloudTrail's words. Never holds plaintext, key bytes, PINs or secrets. */
export interface AuditEvent {
  readonly eventVersion: '1.11'
  readonly eventTime: string
  readonly eventSource: 'kms.amazonaws.com' | 'sts.amazonaws.com' | 'iam.amazonaws.com' | 'claviger'
  readonly eventName: string
  readonly eventType: 'AwsApiCall' | 'ClavigerServiceEvent'
  readonly eventID: string
  readonly requestID?: string | undefined
  readonly awsRegion?: string | undefined
  readonly sourceIPAddress?: string | undefined
  readonly userAgent?: string | undefined
  readonly userIdentity?: Readonly<Record<string, string>> | undefined
  readonly readOnly?: boolean | undefined
  readonly requestParameters?: Readonly<Record<string, unknown>> | null | undefined
  readonly responseElements?: Readonly<Record<string, unknown>> | null | undefined
  readonly additionalEventData?: Readonly<Record<string, unknown>> | undefined
  readonly resources?: readonly { readonly ARN: string, readonly type: string, readonly accountId: string }[] | undefined
  readonly errorCode?: string | undefined
  readonly errorMessage?: string | undefined
}

/** A signed statement that a chain had `sequence` records, the last of hash `head`. */
export interface Checkpoint {
  readonly chain: string
  readonly sequence: number
  /** SHA-256 of the last record's line, hex. */
  readonly head: string
  readonly time: string
  readonly rootVersion: number
  /** ECDSA P-256 by `root/audit` over `checkpointDigest`, r‖s, base64. */
  readonly signature: string
}

/** A place in a chain: how many records it has, and the hash of the last. */
export interface Position {
  readonly sequence: number
  readonly head: string
}

/** The end of another chain as a starting process found it. */
export interface ChainLink extends Position {
  readonly chain: string
  /** Bytes behind the last line feed: a record that a crash cut short, and that was never acknowledged. */
  readonly tornBytes: number
}

export interface ChainStart {
  readonly format: 1
  readonly time: string
  readonly instance: string
  readonly rootVersion: number
  readonly previous: readonly ChainLink[]
}

export type AuditRecord = { readonly chain: string, readonly seq: number, readonly prev: string } & (
  | { readonly kind: 'event' }
  | { readonly kind: 'start', readonly start: ChainStart }
  | { readonly kind: 'checkpoint', readonly checkpoint: Checkpoint }
  | { readonly kind: 'closed' }
)

/** Longest line, without its line feed. */
export const recordBytesMax = 1024 * 1024
/** A checkpoint stands at most so many records behind the one it covers, so that a verifier need not remember more hashes. */
export const checkpointLagMax = 100_000
/** Most chains that a `start` links to. */
export const linksMax = 64
/** Longest string that is kept of an event too large to be kept whole, in characters. */
const keptTextMax = 1024
/** Room for chain, seq and prev. */
const positionBytesMax = 200

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The position of a chain without records; its head is also the `prev` of every first record. */
export const emptyChain: Position = { sequence: 0, head: '0'.repeat(64) }

/** The hash that links a record to its successor: over the bytes of its line, without the line feed. */
export function lineHash(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex')
}

/**
 * One line, without the line feed. `members` is the JSON text of an object with at least one member. Chain, seq and prev come last
 * because the last of equal names wins when JSON is read.
 */
export function recordLine(chain: string, seq: number, prev: string, members: string): string {
  return `${members.slice(0, -1)},"chain":"${chain}","seq":${seq},"prev":"${prev}"}`
}

/** The members of an event's record. What would be longer than a line may be is replaced by a note of its length. */
export function eventMembers(event: AuditEvent): string {
  const whole = JSON.stringify(event)
  if (fits(whole)) return whole
  const shorter = JSON.stringify({ ...event, requestParameters: omitted(event.requestParameters) })
  return fits(shorter) ? shorter : JSON.stringify(outline(event))
}

/** Bytes that the signature of a checkpoint covers: six lines of text. Injective, as no field can hold a line feed. */
export function checkpointMessage(checkpoint: Omit<Checkpoint, 'signature'>): Uint8Array {
  const { chain, sequence, head, time, rootVersion } = checkpoint
  return new TextEncoder().encode(`claviger audit checkpoint 1\n${chain}\n${sequence}\n${head}\n${time}\n${rootVersion}\n`)
}

export function checkpointDigest(checkpoint: Omit<Checkpoint, 'signature'>): Uint8Array {
  return hash('sha256', checkpointMessage(checkpoint), 'buffer')
}

export function startMembers({ format, time, instance, rootVersion, previous }: ChainStart): string {
  const links = previous.map(({ chain, sequence, head, tornBytes }) => ({ chain, sequence, head, tornBytes }))
  return JSON.stringify({ start: { format, time, instance, rootVersion, previous: links } })
}

/** Members in this order only: a verifier renders the record again and compares, so that not a byte of it is free. */
export function checkpointMembers({ chain, sequence, head, time, rootVersion, signature }: Checkpoint): string {
  return JSON.stringify({ checkpoint: { chain, sequence, head, time, rootVersion, signature } })
}

export function closedMembers(time: string): string {
  return JSON.stringify({ closed: { time } })
}

/** undefined for anything that is not a record of a chain. Says nothing of where it stands. */
export function parseRecord(line: Uint8Array): AuditRecord | undefined {
  const record = parseObject(line)
  if (!record || !isChain(record.chain) || !isCount(record.seq) || !isHash(record.prev)) return undefined
  const place = { chain: record.chain, seq: record.seq, prev: record.prev }
  if ('start' in record) return isStart(record.start) ? { ...place, kind: 'start', start: record.start } : undefined
  if ('checkpoint' in record) {
    return isCheckpoint(record.checkpoint) ? { ...place, kind: 'checkpoint', checkpoint: record.checkpoint } : undefined
  }
  return { ...place, kind: 'closed' in record ? 'closed' : 'event' }
}

/** The event in a record; undefined for one of the chain's own, and for a line that is none. */
export function parseEvent(line: Uint8Array): AuditEvent | undefined {
  const record = parseObject(line)
  if (!record || typeof record.eventName !== 'string' || typeof record.eventTime !== 'string') return undefined
  const { chain: _, seq: __, prev: ___, ...event } = record
  return event as unknown as AuditEvent
}

/** The text can only be injective, and the record only be rendered again, if every field has its one form. */
export function isCheckpoint(value: unknown): value is Checkpoint {
  return isObject(value) && isChain(value.chain) && isCount(value.sequence) && isHash(value.head) && isTime(value.time)
    && isCount(value.rootVersion) && typeof value.signature === 'string' && /^[A-Za-z0-9+/]{85}[AQgw]==$/.test(value.signature)
}

function isStart(value: unknown): value is ChainStart {
  return isObject(value) && value.format === 1 && isTime(value.time) && typeof value.instance === 'string'
    && isCount(value.rootVersion) && Array.isArray(value.previous) && value.previous.length <= linksMax && value.previous.every(isLink)
}

function isLink(value: unknown): value is ChainLink {
  return isObject(value) && isChain(value.chain) && isCount(value.sequence) && isHash(value.head) && isCount(value.tornBytes)
}

function isChain(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(line: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(line))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function fits(members: string): boolean {
  const max = recordBytesMax - positionBytesMax
  // No UTF-16 unit takes more than three bytes of UTF-8, so nearly every record is decided without counting.
  return members.length * 3 <= max || Buffer.byteLength(members) <= max
}

/** Who, what and how it ended, when even the rest of an event is too long. */
function outline(event: AuditEvent): Record<string, unknown> {
  const kept = Object.entries(event).map(([name, value]) => [name, name === 'userIdentity' ? outlineOf(value) : short(value)])
  return Object.fromEntries(kept) as Record<string, unknown>
}

function outlineOf(identity: unknown): unknown {
  const entries = Object.entries(identity ?? {}).slice(0, 16)
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(0, keptTextMax), short(value)]))
}

function short(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, keptTextMax)
  return typeof value === 'object' && value !== null ? omitted(value) : value
}

function omitted(value: unknown): { omitted: string } {
  return { omitted: `${Buffer.byteLength(JSON.stringify(value) ?? '')} bytes` }
}
