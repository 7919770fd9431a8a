import { randomUUID } from 'node:crypto'
import type http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { NextFunction, Request, Response } from 'express'
import type { IpRange } from '../domain/ip.js'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { TlsMaterial } from '../ports/tls.js'
import { bodyReader } from './body.js'
import { CertifiedConnections } from './certified-connections.js'
import { expressApp, expressServer, replaceTls } from './express-server.js'
import { peerOf, sourceOf, type Peer } from './forwarded.js'
import { livez, readyz, type Ready } from './health.js'
import { defaultLimits, type HttpLimits } from './limits.js'
import { headersOf, type Endpoint, type HttpAnswer, type Refusal } from './message.js'

export interface HttpServerOptions {
  readonly endpoint: Endpoint
  readonly ready: Ready
  readonly clock: Clock
  readonly log: Log
  readonly tls?: TlsMaterial
  /** Whose word is taken for where a request came from. */
  readonly trustedProxies?: readonly IpRange[]
  readonly limits?: Partial<HttpLimits>
}

export interface HttpServer {
  listen(port: number, host: string): Promise<AddressInfo>
  /**
   * From now on in place of the one before, for connections to come. Those with client certificates end if it trusts others than that did.
   * Throws if TLS cannot use it; then nothing has changed.
   */
  replaceTls(tls: TlsMaterial): void
  /** Takes no new connections, answers what was begun, and cuts what is not done after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>
}

/** Bytes in, bytes out: reads bounded requests, hands them to the endpoint, writes its answers. Knows no protocol but HTTP. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits = { ...defaultLimits, ...options.limits }
  const { endpoint, log, trustedProxies = [] } = options
  let { tls } = options
  const readBody = bodyReader(limits)
  const date = httpDate(options.clock)
  const checkReady = readyz(options.ready)
  const peers = new WeakMap<Socket, Peer>()
  let closing = false
  /** Answers that have not left yet. */
  let unanswered = 0
  let inFlight = 0

  function send(response: Response, { status, headers, body }: HttpAnswer): void {
    const length = Buffer.byteLength(body)
    // Names are written as they stand here: some clients look for `Content-Length` with capitals.
    const all = [...headers, 'Content-Length', String(length), 'Date', date()]
    if (closing || certified?.mustEnd(response.socket)) all.push('Connection', 'close')
    response.writeHead(status, all).end(body)
  }

  /** Asked at its first request: a connection that is gone has no address any more. */
  function peerAt(socket: Socket): Peer {
    const known = peers.get(socket)
    if (known) return known
    const peer = peerOf(socket.remoteAddress ?? '', 'encrypted' in socket, trustedProxies)
    peers.set(socket, peer)
    return peer
  }

  function refuse(response: Response, reason: Refusal, requestId: string): void {
    if (reason === 'overloaded') log.warn('too many requests', { requestId })
    else log.debug('request refused', { requestId, reason })
    send(response, endpoint.refuse(reason, requestId, response.req.headers['content-type']))
  }

  async function answerCall(request: Request, response: Response): Promise<void> {
    const requestId = randomUUID()
    const { socket, method, url: target } = request
    if (certified && !certified.admits(socket)) return void socket.destroy()
    const headers = headersOf(request.rawHeaders)
    const { forwarded, ...source } = sourceOf(peerAt(socket), headers, trustedProxies)
    const body = await readBody(request, source.sourceIp)
    if (body === 'gone') return
    if (typeof body === 'string') return refuse(response, body, requestId)
    if (inFlight >= limits.requestsInFlightMax) {
      body.fill(0)
      return refuse(response, 'overloaded', requestId)
    }
    inFlight++
    try {
      const certificate = forwarded ? undefined : certified?.presented(socket)
      send(response, await endpoint.answer({ requestId, ...source, method, target, headers, body, ...certificate && { certificate } }))
    } finally {
      inFlight--
    }
  }

  const app = expressApp()
  app.post('/', answerCall)
  app.get('/livez', (_request, response) => send(response, livez()))
  app.get('/readyz', async (_request, response) => send(response, await checkReady()))
  app.use((_request: Request, response: Response) => refuse(response, 'not-found', randomUUID()))
  // Four parameters are how Express knows a handler of errors.
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const requestId = randomUUID()
    log.error('request failed', { requestId, error })
    if (response.headersSent) response.destroy()
    else send(response, endpoint.refuse('fault', requestId, response.req.headers['content-type']))
  })

  const server = configured(expressServer(app, nodeOptions(limits), tls), limits)
  const sockets = socketsOf(server)
  const certified = certifiedOf(server, tls, limits, log)
  server.on('request', (_request, response) => {
    unanswered++
    response.once('close', () => {
      unanswered--
      if (closing && unanswered === 0) destroyAll(sockets)
    })
  })

  return {
    listen: (port, host) => listen(server, port, host),
    replaceTls(next) {
      replaceTls(server, next)
      const isOtherTrust = !isSameTrust(tls, next)
      tls = next
      if (certified && isOtherTrust) log.info('other client certificates are trusted', { connectionsEnded: certified.retire() })
    },
    close(deadlineMs) {
      closing = true
      const closed = closeServer(server, sockets, deadlineMs)
      if (unanswered === 0) destroyAll(sockets)
      return closed
    },
  }
}

function nodeOptions(limits: HttpLimits): http.ServerOptions {
  return {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    noDelay: true,
  }
}

/** undefined where nobody is asked for a certificate. */
function certifiedOf(
  server: http.Server, tls: TlsMaterial | undefined, { certifiedConnectionMsMax }: HttpLimits, log: Log,
): CertifiedConnections | undefined {
  if (!tls?.clients) return undefined
  return new CertifiedConnections(server, { required: tls.clients.required, connectionMsMax: certifiedConnectionMsMax, log })
}

function isSameTrust(one: TlsMaterial | undefined, other: TlsMaterial): boolean {
  return JSON.stringify(one?.clients) === JSON.stringify(other.clients)
}

function configured(server: http.Server, limits: HttpLimits): http.Server {
  server.maxConnections = limits.connectionsMax
  server.setTimeout(limits.socketIdleMaxMs)
  server.on('clientError', answerBadRequest)
  // Without a listener a failed handshake would be nobody's; the peer is gone, and nothing is lost.
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
  return server
}

/** What cannot be read as HTTP gets the shortest possible answer and the end of its connection. */
function answerBadRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const status = badRequests.get(error.code ?? '') ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, () => socket.destroy())
}

const badRequests: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])

function listen(server: http.Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })
}

/** Idle connections are closed by Node at once, the others by their last answer or by the deadline. */
function closeServer(server: http.Server, sockets: ReadonlySet<Socket>, deadlineMs: number): Promise<void> {
  return new Promise(resolve => {
    const deadline = setTimeout(() => destroyAll(sockets), deadlineMs)
    server.close(() => {
      clearTimeout(deadline)
      resolve()
    })
  })
}

/** Every connection, also those that Node's own list leaves out: not yet through their TLS handshake. */
function socketsOf(server: http.Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function destroyAll(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

/** The time as clients see it, which SDKs set their signing clock by. One text per second. */
function httpDate(clock: Clock): () => string {
  let second = NaN
  let text = ''
  return () => {
    const now = Math.floor(clock.now() / 1000)
    if (now !== second) {
      second = now
      text = new Date(now * 1000).toUTCString()
    }
    return text
  }
}
