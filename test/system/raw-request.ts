import { createHash, createHmac } from 'node:crypto'
import http from 'node:http'
import type { ServerAddress } from '../support/server.js'

/**
 * One request to the API, signed here with SigV4 (IAM User Guide, "Create a signed AWS API request") and independent of both the server's
 * code and the SDK, so that any part of it can be wrong.
 */
export interface RawRequest {
  readonly operation?: string
  /** Serialised unless it is bytes or text already. */
  readonly input?: unknown
  /** Replaces what would be sent; undefined leaves the header out. All are signed, except those in `unsigned`. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly unsigned?: readonly string[]
  readonly scope?: Partial<Scope>
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly time?: number
  /** Changes what is sent after it was signed. */
  readonly tamper?: (sent: Sent) => void
}

export interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
}

type Scope = Readonly<Record<'date' | 'region' | 'service' | 'terminator', string>>

export interface RawAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Names as the server wrote them. */
  readonly headerNames: readonly string[]
  readonly body: string
  readonly json: Readonly<Record<string, unknown>>
}

export async function rawRequest(server: Pick<ServerAddress, 'url' | 'admin' | 'clock'>, request: RawRequest): Promise<RawAnswer> {
  return send(server.url, signed(server, request))
}

/** What would be sent. */
export function signed({ url, admin, clock }: Pick<ServerAddress, 'url' | 'admin' | 'clock'>, request: RawRequest): Sent {
  const { operation = 'ListKeys', input = {}, unsigned = [], accessKeyId = admin.accessKeyId } = request
  const timestamp = basicFormat(request.time ?? clock.now())
  const scope = { date: timestamp.slice(0, 8), region: admin.region, service: 'kms', terminator: 'aws4_request', ...request.scope }
  const headers = defined({
    'host': new URL(url).host, 'content-type': 'application/x-amz-json-1.1', 'x-amz-date': timestamp,
    'x-amz-target': `TrentService.${operation}`, ...request.headers,
  })
  const sent: Sent = { method: 'POST', path: '/', headers, body: bytesOf(input) }
  const names = Object.keys(headers).filter(name => !unsigned.includes(name)).sort()
  const signature = signatureOf(sent, names, timestamp, scope, request.secretAccessKey ?? admin.secretAccessKey)
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${Object.values(scope).join('/')}, `
    + `SignedHeaders=${names.join(';')}, Signature=${signature}`
  request.tamper?.(sent)
  return sent
}

function signatureOf(
  { method, path, headers, body }: Sent, names: readonly string[], timestamp: string, scope: Scope, secret: string,
): string {
  const lines = names.map(name => `${name}:${headers[name] ?? ''}\n`)
  const canonical = [method, path, '', lines.join(''), names.join(';'), sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', timestamp, Object.values(scope).join('/'), sha256(canonical)].join('\n')
  const key = Object.values(scope).reduce<string | Buffer>(hmac, `AWS4${secret}`)
  return hmac(key, text).toString('hex')
}

function send(url: string, { method, path, headers, body }: Sent): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const options = { method, path, headers: { 'content-length': String(body.length), ...headers }, agent: false }
    const request = http.request(url, options, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: answer.statusCode ?? 0, headers: answer.headers, body: text, json: jsonOf(text),
          headerNames: answer.rawHeaders.filter((_, at) => at % 2 === 0),
        })
      })
    })
    request.on('error', reject).end(body)
  })
}

/** 20260101T000000Z */
export function basicFormat(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** Of an answer in JSON; those of STS are XML. */
function jsonOf(text: string): Readonly<Record<string, unknown>> {
  return text === '' || text.startsWith('<') ? {} : JSON.parse(text) as Record<string, unknown>
}

function bytesOf(input: unknown): Buffer {
  if (Buffer.isBuffer(input)) return input
  return Buffer.from(typeof input === 'string' ? input : JSON.stringify(input))
}

function defined(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
