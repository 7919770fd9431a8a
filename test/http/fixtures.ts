import { createHash, createHmac } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { contracts } from '../../src/api/operations.js'
import type { JsonApi } from '../../src/http/json/endpoint.js'
import type { Operation } from '../../src/service/operation.js'
import type { Credential, CredentialLookup } from '../../src/http/authenticate.js'
import { userCaller } from '../support/callers.js'
import type { HttpRequest } from '../../src/http/message.js'
import { KmsError, type ErrorCode } from '../../src/domain/errors.js'
import type { Log, LogFields } from '../../src/ports/log.js'

export const accessKeyId = 'AKIDEXAMPLE'
export const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
export const caller = userCaller('admin', [], { accountId: '123456789012', accessKeyId })
export const credential: Credential = { caller, secret: Buffer.from(secret) }
/** The KMS API with these operations. */
export function kmsApi(operations: ReadonlyMap<string, Operation>): JsonApi {
  return { service: 'kms', targetPrefix: 'TrentService.', contracts, operations }
}

/** Knows one access key. */
export const credentials: CredentialLookup = { lookup: async id => id === accessKeyId ? credential : undefined }

export interface ToSign {
  readonly method?: string
  readonly target?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Of the headers; all of them if not given. */
  readonly signed?: readonly string[]
  readonly timestamp: string
  readonly date?: string
  readonly region?: string
  readonly service?: string
  readonly terminator?: string
  readonly accessKeyId?: string
  readonly secret?: string
}

/** A signer of its own, written from the IAM User Guide, for POST / and headers without odd spaces. Answers the Authorization header. */
export function authorizationFor(of: ToSign): string {
  const { method = 'POST', target = '/', headers, body = Buffer.alloc(0), timestamp, region = 'us-east-1', service = 'kms' } = of
  const signed = [...of.signed ?? Object.keys(headers)].sort()
  const scope = [of.date ?? timestamp.slice(0, 8), region, service, of.terminator ?? 'aws4_request']
  const lines = signed.map(name => `${name}:${headers[name] ?? ''}`)
  const canonical = [method, target, '', ...lines, '', signed.join(';'), sha256(body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', timestamp, scope.join('/'), sha256(canonical)].join('\n')
  const key = scope.reduce<Uint8Array>((step, part) => hmac(step, part), Buffer.from(`AWS4${of.secret ?? secret}`))
  const credentialText = [of.accessKeyId ?? accessKeyId, ...scope].join('/')
  const signature = hmac(key, toSign).toString('hex')
  return `AWS4-HMAC-SHA256 Credential=${credentialText}, SignedHeaders=${signed.join(';')}, Signature=${signature}`
}

/** A request with the headers of an SDK, signed unless `with` says otherwise. */
export function signedRequest(now: number, operation: string, body: string | Uint8Array, changes: Partial<ToSign> = {}): HttpRequest {
  const timestamp = timestampOf(now)
  const bytes = Buffer.from(body)
  const headers: Record<string, string> = changes.headers ?? {
    'host': 'localhost:8080', 'content-type': 'application/x-amz-json-1.1', 'x-amz-date': timestamp,
    'x-amz-target': `TrentService.${operation}`,
  }
  const authorization = authorizationFor({ headers, timestamp, body: bytes, ...changes })
  return {
    requestId: '00000000-0000-4000-8000-000000000000', sourceIp: '127.0.0.1', secure: false, method: 'POST', target: '/', body: bytes,
    headers: new Map([...Object.entries(headers), ['authorization', authorization]]),
  }
}

/** The same request with some headers other than they were signed; undefined takes one away. */
export function withHeaders(request: HttpRequest, changes: Readonly<Record<string, string | undefined>>): HttpRequest {
  const headers = new Map(request.headers)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) headers.delete(name)
    else headers.set(name, value)
  }
  return { ...request, headers }
}

export function timestampOf(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

/** The KmsError that a call is refused with, as [code, message]. Anything else that is thrown goes on. */
export async function refusalOf(call: () => unknown): Promise<[ErrorCode, string]> {
  try {
    await call()
  } catch (error) {
    if (error instanceof KmsError) return [error.code, error.message]
    throw error
  }
  throw new Error('it was not refused')
}

export interface Entry { readonly level: string, readonly message: string, readonly fields: LogFields | undefined }

export function recordingLog(): Log & { readonly entries: Entry[] } {
  const entries: Entry[] = []
  const at = (level: string) => (message: string, fields?: LogFields) => void entries.push({ level, message, fields })
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A connection that keeps all that it receives, byte for character. */
export class RawClient {
  readonly socket: Socket
  received = ''
  readonly closed: Promise<void>

  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = connect({ port, host: '127.0.0.1', localAddress }).setEncoding('latin1')
    this.socket.on('data', text => { this.received += String(text) }).on('error', () => {})
    this.closed = new Promise(resolve => this.socket.once('close', () => resolve()))
  }

  write(text: string | Uint8Array): this {
    this.socket.write(text)
    return this
  }

  /** Resolves when the predicate holds or the connection ends. */
  async until(holds: (received: string) => boolean): Promise<string> {
    while (!holds(this.received) && !this.socket.destroyed) {
      await Promise.race([new Promise(resolve => this.socket.once('data', resolve)), this.closed])
    }
    return this.received
  }

  /** Waits for so many complete answers. */
  answers(count: number): Promise<string> {
    return this.until(received => (received.match(/HTTP\/1\.1 \d{3} /g) ?? []).length >= count && isComplete(received))
  }
}

function isComplete(received: string): boolean {
  const last = received.slice(received.lastIndexOf('HTTP/1.1 '))
  const head = last.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(last)
  return head >= 0 && length !== null && last.length >= head + 4 + Number(length[1])
}

/** A request as text. */
export function rawRequest(path: string, body: string, headers: readonly string[] = []): string {
  return [`POST ${path} HTTP/1.1`, 'Host: localhost', `Content-Length: ${Buffer.byteLength(body)}`, ...headers, '', body].join('\r\n')
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
