import type http from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { shownCertificate } from '../domain/client-certificate.js'
import type { Log } from '../ports/log.js'
import { presentedBy, type PresentedCertificate } from './client-certificate.js'

interface Options {
  /** Whether there are connections without a good certificate. */
  readonly required: boolean
  readonly connectionMsMax: number
  readonly log: Log
}

/** What is known of a connection whose client has shown a certificate. */
interface Certified {
  readonly presented: PresentedCertificate
  /** By the clock that only goes forward. */
  readonly since: number
  unanswered: number
  /** CA or revocation list are others by now: it must not be believed any more. */
  retired: boolean
}

/**
 * The connections whose clients have shown a certificate. TLS judges it at the handshake and never again, so a connection ends when it
 * could be judged otherwise: at a change of CA or revocation list, and after `connectionMsMax` for what time alone changes (a CA or a list
 * that expires).
 */
export class CertifiedConnections {
  readonly #options: Options
  readonly #certified = new Map<Socket, Certified>()
  /** Handshakes under way, by their addresses: Node does not tell which connection a TLS socket stands on. */
  readonly #handshakes = new Map<string, Socket>()

  constructor(server: http.Server, options: Options) {
    this.#options = options
    server.on('connection', (socket: Socket) => this.#begun(socket))
    // Before there is a parser of HTTP: of what is refused here, nothing is read.
    server.prependListener('secureConnection', (socket: TLSSocket) => this.#secured(socket))
    server.on('request', (request, response) => this.#asked(request.socket, response))
  }

  /** undefined where the client has shown none. */
  presented(socket: Socket): PresentedCertificate | undefined {
    const of = this.#certified.get(socket)
    return of?.retired ? { ...of.presented, distrust: 'the CA or the revocation list is another since it was shown' } : of?.presented
  }

  /** False for what should not have come so far: where a good certificate is required, this is asked once more before a call is read. */
  admits(socket: Socket): boolean {
    const of = this.#certified.get(socket)
    return !this.#options.required || (of !== undefined && of.presented.distrust === undefined)
  }

  /** Whether the connection must not be used for another request. */
  mustEnd(socket: Socket | null): boolean {
    const of = socket && this.#certified.get(socket)
    return of ? of.retired || performance.now() - of.since > this.#options.connectionMsMax : false
  }

  /** Ends all of them: at once, or with the answers that they wait for. Answers how many there were. */
  retire(): number {
    // These began with the old CA.
    for (const socket of this.#handshakes.values()) socket.destroy()
    for (const [socket, of] of this.#certified) {
      of.retired = true
      if (of.unanswered === 0) socket.destroy()
    }
    return this.#certified.size
  }

  #begun(socket: Socket): void {
    const name = nameOf(socket)
    this.#handshakes.set(name, socket)
    socket.once('close', () => {
      if (this.#handshakes.get(name) === socket) this.#handshakes.delete(name)
    })
  }

  #secured(socket: TLSSocket): void {
    this.#handshakes.delete(nameOf(socket))
    const presented = presentedBy(socket)
    if (this.#options.required && (!presented || presented.distrust !== undefined)) return this.#refuse(socket, presented)
    if (!presented) return
    this.#certified.set(socket, { presented, since: performance.now(), unanswered: 0, retired: false })
    socket.once('close', () => this.#certified.delete(socket))
  }

  /** Its client sees no more than the end of the connection. */
  #refuse(socket: TLSSocket, presented: PresentedCertificate | undefined): void {
    const [{ log }, { remoteAddress: sourceIp }] = [this.#options, socket]
    if (!presented) log.debug('a connection without a client certificate was refused', { sourceIp })
    else {
      const { certificate, distrust: why } = presented
      log.info('a connection was refused for its client certificate', { sourceIp, why, ...shownCertificate(certificate) })
    }
    socket.destroy()
  }

  #asked(socket: Socket, response: http.ServerResponse): void {
    const of = this.#certified.get(socket)
    if (!of) return
    of.unanswered++
    response.once('close', () => {
      of.unanswered--
      if (of.retired && of.unanswered === 0) socket.destroy()
    })
  }
}

function nameOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return [localAddress, localPort, remoteAddress, remotePort].join(' ')
}
