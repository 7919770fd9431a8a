import type { PresentedCertificate } from './client-certificate.js'

/** A request as it was received: nothing decoded. Names of headers in lower case, repeated ones joined by a comma as SigV4 wants them. */
export interface HttpRequest {
  readonly requestId: string
  /** Behind a trusted proxy, that of the proxy's client (forwarded.ts); and so is the next. */
  readonly sourceIp: string
  /** Whether it came over TLS. */
  readonly secure: boolean
  /** Of the client itself, never of a proxy between. */
  readonly certificate?: PresentedCertificate
  readonly method: string
  /** The request target: path and query. */
  readonly target: string
  readonly headers: ReadonlyMap<string, string>
  /** The endpoint's, which overwrites it when it has answered: there may be plaintext in it. */
  readonly body: Uint8Array
}

export interface HttpAnswer {
  readonly status: number
  /** Name, value, name, value; without Date, Content-Length and Connection, which the server knows. */
  readonly headers: readonly string[]
  readonly body: string
}

/** What stands behind the HTTP server for one protocol. `answer` never rejects. */
export interface Endpoint {
  answer(request: HttpRequest): Promise<HttpAnswer>
  /** The answer, in the words of the protocol, to a request that is refused before it is read; `contentType` is what it says of itself. */
  refuse(reason: Refusal, requestId: string, contentType?: string): HttpAnswer
}

/** `fault`: the server's own, answered without text. */
export type Refusal = 'not-found' | 'too-large' | 'overloaded' | 'fault'

/** One pass over the names and values as Node gives them; `request.headers` would drop some of the repeated ones. */
export function headersOf(raw: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase()
    const value = raw[at + 1] as string
    const earlier = headers.get(name)
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`)
  }
  return headers
}
