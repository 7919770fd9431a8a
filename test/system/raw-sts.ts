import type { ServerAddress } from '../support/server.js'
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js'

export interface StsAnswer {
  readonly status: number
  /** Of a refusal, else empty. */
  readonly code: string
  readonly message: string
  readonly type: string
  readonly requestId: string
  readonly raw: RawAnswer
}

/** One request to STS, signed with the administrator's credentials unless told otherwise. A text is the body as it is. */
export async function stsRequest(
  server: Pick<ServerAddress, 'url' | 'admin' | 'clock'>, of: string | Readonly<Record<string, string>>, request: RawRequest = {},
): Promise<StsAnswer> {
  const raw = await rawRequest(server, {
    ...request,
    input: typeof of === 'string' ? of : formOf(of),
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'x-amz-target': undefined, ...request.headers },
    scope: { service: 'sts', ...request.scope },
  })
  const { body } = raw
  return {
    raw, status: raw.status, code: elementIn(body, 'Code'), message: elementIn(body, 'Message'), type: elementIn(body, 'Type'),
    requestId: elementIn(body, 'RequestId'),
  }
}

/** For an operation that nobody signs. */
export function unsigned(sent: { headers: Record<string, string> }): void {
  delete sent.headers.authorization
  delete sent.headers['x-amz-date']
}

export function formOf(members: Readonly<Record<string, string>>): string {
  return new URLSearchParams({ Version: '2011-06-15', ...members }).toString()
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'', '#xD': '\r' }

/** The text of the first element of that name. */
export function elementIn(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
  return text.replace(/&([#\w]+);/g, (whole, entity: string) => entities[entity] ?? whole)
}
