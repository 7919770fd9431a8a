import type { Agent } from 'node:https'
import { request, type RequestOptions } from 'node:https'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Pair } from './pki.js'

/** What a client knows of TLS: whom it trusts, and its own certificate if it has one. */
export interface TlsClient {
  readonly ca: string
  readonly own?: Pair | undefined
  readonly options?: ConnectionOptions
}

export interface TlsAnswer {
  readonly status: number
  readonly body: string
  /** Whether the server wants the connection to end. */
  readonly closes: boolean
}

export function tlsOptions({ ca, own, options }: TlsClient): ConnectionOptions {
  return { ca, servername: 'localhost', ...own && { cert: own.certificate, key: own.key }, ...options }
}

/** One POST on a connection of its own, unless there is an agent that keeps one. Rejects when it ends without an answer. */
export function post(
  url: string, client: TlsClient, { headers = {}, body = '', agent, path = '/' }: {
    readonly headers?: Readonly<Record<string, string>>, readonly body?: string, readonly agent?: Agent, readonly path?: string
  } = {},
): Promise<TlsAnswer> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = { method: 'POST', headers, ...tlsOptions(client), agent: agent ?? false, path }
    const sent = request(url, options, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('end', () => resolve({
        status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString(), closes: answer.headers.connection === 'close',
      }))
    })
    sent.on('error', reject).end(body)
  })
}

/** A connection that has shaken hands. */
export function secured(port: number, client: TlsClient): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ...tlsOptions(client) })
    socket.once('secureConnect', () => resolve(socket)).once('error', reject)
  })
}
