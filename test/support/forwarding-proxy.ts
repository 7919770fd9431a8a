import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http'
import https, { type Agent } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Pair } from './pki.js'

/** A reverse proxy such as stands in front of services: what comes in goes on, with whom it came from. */
export interface ForwardingProxy {
  readonly url: string
  close(): Promise<void>
}

export interface ForwardingOptions {
  /** Where requests go on to. */
  readonly to: string
  /** For a server over TLS: whom the proxy trusts, and the certificate that it shows. */
  readonly agent?: Agent
  /** Listens over TLS with this certificate. */
  readonly tls?: Pair
  /** Adds to X-Forwarded-For and sets X-Forwarded-Proto, unless told otherwise. */
  readonly says?: (request: IncomingMessage, isTls: boolean) => Readonly<Record<string, string>>
}

export async function forwardingProxy({ to, agent, tls, says = usual }: ForwardingOptions): Promise<ForwardingProxy> {
  const forward: RequestListener = (request, response) => {
    const headers = { ...request.headers, ...says(request, tls !== undefined) }
    const options = { method: request.method, headers, ...agent && { agent } }
    const onward = (to.startsWith('https') ? https : http).request(new URL(request.url ?? '/', to), options, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  }
  const server: Server = tls ? https.createServer({ cert: tls.certificate, key: tls.key }, forward) : http.createServer(forward)
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** As nginx does with `$proxy_add_x_forwarded_for` and `$scheme`. */
function usual({ headers, socket }: IncomingMessage, isTls: boolean): Readonly<Record<string, string>> {
  const before = headers['x-forwarded-for']
  const address = socket.remoteAddress ?? ''
  return {
    'x-forwarded-for': before === undefined ? address : `${String(before)}, ${address}`,
    'x-forwarded-proto': isTls ? 'https' : 'http',
  }
}
