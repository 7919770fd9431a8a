import { expect } from 'chai'
import { openSocket } from '../support/raw-client.js'
import type { ServerAddress } from '../support/server.js'
import { auditEvents, type CallEvent } from './audit-records.js'
import { rawRequest, type RawAnswer, type RawRequest, type Sent } from './raw-request.js'
import { elementIn, stsRequest } from './raw-sts.js'
import type { Suite } from './suite.js'

/** The three APIs behind the one address, each with its own way to ask and to refuse. */
export type Door = 'kms' | 'iam' | 'sts'
export const doors: readonly Door[] = ['kms', 'iam', 'sts']

export interface Answer { readonly status: number, readonly code: string, readonly message: string, readonly body: string }

type Server = Pick<ServerAddress, 'url' | 'admin' | 'clock'>

/** An operation of one of the three, as `by` would ask for it. */
export async function ask(by: Server, door: Door, operation: string, input: object = {}, request: RawRequest = {}): Promise<Answer> {
  if (door === 'sts') {
    const { raw } = await stsRequest(by, { Action: operation, ...input as Record<string, string> }, request)
    return answerIn(raw)
  }
  const prefix = door === 'kms' ? 'TrentService' : 'ClavigerAdministration'
  return answerIn(await rawRequest(by, {
    input, ...request, scope: { service: door, ...request.scope },
    headers: { 'x-amz-target': `${prefix}.${operation}`, ...request.headers },
  }))
}

/** In whichever words it was refused. */
export function answerIn({ status, body, json }: Pick<RawAnswer, 'status' | 'body' | 'json'>): Answer {
  const isXml = body.startsWith('<')
  const { __type: code, message = json.Message } = json
  return {
    status, body, code: isXml ? elementIn(body, 'Code') : textOf(code), message: isXml ? elementIn(body, 'Message') : textOf(message),
  }
}

function textOf(member: unknown): string {
  return typeof member === 'string' ? member : ''
}

/** How STS says what the other two say in the words of the JSON protocol. */
const wordsOfSts: Readonly<Record<string, readonly [code: string, status: number]>> = {
  InvalidSignatureException: ['SignatureDoesNotMatch', 403],
  IncompleteSignatureException: ['IncompleteSignature', 400],
  MissingAuthenticationTokenException: ['MissingAuthenticationToken', 403],
  UnrecognizedClientException: ['InvalidClientTokenId', 403],
  ExpiredTokenException: ['ExpiredToken', 403],
  AccessDeniedException: ['AccessDenied', 403],
  UnknownOperationException: ['InvalidAction', 400],
  SerializationException: ['MalformedInput', 400],
  ValidationException: ['ValidationError', 400],
}

/** The answer that `code` is at a door. */
export function refusedAt(door: Door, code: string): Pick<Answer, 'status' | 'code'> {
  if (door !== 'sts') return { status: 400, code }
  const [name = '', status = 0] = wordsOfSts[code] ?? []
  return { status, code: name }
}

/**
 * Does it, and looks at what it left behind: every attempt is in the audit log as refused, and as nothing else; none was a fault of the
 * server. Answers what was answered, and the records.
 */
export async function attempted<T>(
  on: Suite, attack: () => Promise<T>,
): Promise<{ readonly answer: T, readonly records: readonly CallEvent[] }> {
  const { dataDir, logged } = on.server
  const [records, lines] = [auditEvents(dataDir).length, logged.length]
  const answer = await attack()
  expect(logged.slice(lines).filter(({ level }) => level === 'error')).to.deep.equal([])
  return { answer, records: auditEvents(dataDir).slice(records) }
}

/** Of records that are all refusals. */
export function codesOf(records: readonly CallEvent[]): readonly (string | undefined)[] {
  return records.map(({ errorCode }) => errorCode)
}

/** What refused it, by what kind of policy and which. */
export function reasonsOf({ additionalEventData: data }: CallEvent): readonly Readonly<Record<string, string>>[] {
  return (data as { readonly authorization?: readonly Readonly<Record<string, string>>[] } | undefined)?.authorization ?? []
}

const answerBytesMax = 256 * 1024
const answerWaitMsMax = 5_000

/** Everything that the server writes back until it ends the connection, or has answered and been silent for a while. */
export function exchange(server: Pick<ServerAddress, 'url'>, bytes: Uint8Array, silenceMs = 150): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(server)
    let received = ''
    const done = () => {
      socket.destroy()
      resolve(received)
    }
    socket.setTimeout(answerWaitMsMax, done)
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      if (received.length > answerBytesMax) reject(new Error('there is no end to the answer'))
      socket.setTimeout(silenceMs, done)
    }).on('error', done).on('close', done)
    socket.write(bytes)
  })
}

/** The statuses of the answers in it, in their order. */
export function statusesIn(received: string): readonly number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** As bytes on the wire, with header lines as they stand: `lines` in place of those of the same names, or in addition. */
export function onTheWire(
  { method, path, headers, body }: Sent, lines: readonly string[] = [], requestLine = `${method} ${path} HTTP/1.1`,
): Buffer {
  const replaced = new Set(lines.map(line => line.slice(0, line.search(/[ \t]*:/)).toLowerCase()))
  if (replaced.has('transfer-encoding')) replaced.add('content-length')
  const all = { ...headers, 'content-length': String(body.length), 'connection': 'keep-alive' }
  const kept = Object.entries(all).filter(([name]) => !replaced.has(name)).map(([name, value]) => `${name}: ${value}`)
  return Buffer.concat([Buffer.from([requestLine, ...kept, ...lines, '', ''].join('\r\n'), 'latin1'), body])
}
