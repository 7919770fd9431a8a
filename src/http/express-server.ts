import { constants } from 'node:crypto'
import http, { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import express, { type Express } from 'express'
import type { TlsMaterial } from '../ports/tls.js'

/** An Express application without the conveniences that cost time and that an API has no use for. */
export function expressApp(): Express {
  const app = express()
  for (const setting of ['x-powered-by', 'etag', 'query parser']) app.disable(setting)
  app.enable('case sensitive routing')
  app.enable('strict routing')
  return app
}

/**
 * A server for `app` whose requests and responses are born with the prototypes that Express gives them. Express sets the
 * prototype of both on every request; on an object that has another one V8 drops what it knows of its layout, and everything after
 * is several times slower. Setting the prototype that is already there does nothing. Express itself is unchanged.
 */
export function expressServer(app: Express, options: http.ServerOptions, tls: TlsMaterial | undefined): http.Server {
  class Request extends IncomingMessage {}
  class Response extends ServerResponse<Request> {}
  adopt(Request.prototype, app.request, app)
  adopt(Response.prototype, app.response, app)
  app.request = Request.prototype as unknown as Express['request']
  app.response = Response.prototype as unknown as Express['response']
  const all = { ...options, IncomingMessage: Request, ServerResponse: Response }
  if (!tls) return http.createServer(all, app)
  // What must come of a bad one is decided where its connection is known (certified-connections.ts): Node would end it without a word.
  const asking = { requestCert: tls.clients !== undefined, rejectUnauthorized: false }
  return https.createServer({ ...all, ...secureContext(tls), ...asking }, app)
}

/** For new connections. Whether clients are asked for a certificate stays as it was. */
export function replaceTls(server: http.Server, tls: TlsMaterial): void {
  if (server instanceof https.Server) server.setSecureContext(secureContext(tls))
}

/**
 * A client certificate is judged in a full handshake only. Where there may be one, no session is resumed (without tickets Node keeps none);
 * and none is negotiated anew, after which a connection could be somebody else's.
 */
function secureContext({ certificate, key, clients }: TlsMaterial): SecureContextOptions {
  const { SSL_OP_NO_RENEGOTIATION: noRenegotiation, SSL_OP_NO_TICKET: noTicket } = constants
  return {
    cert: certificate, key, minVersion: 'TLSv1.2', secureOptions: clients ? noRenegotiation | noTicket : noRenegotiation,
    ...clients && { ca: [...clients.ca] },
    ...clients && clients.crl.length > 0 && { crl: [...clients.crl] },
  }
}

/** Express's own prototype (whose parent is Node's) goes between the class and Node's class. */
function adopt(prototype: object, expressPrototype: object, app: Express): void {
  Object.setPrototypeOf(prototype, Object.getPrototypeOf(expressPrototype) as object)
  Object.defineProperty(prototype, 'app', { configurable: true, enumerable: true, writable: true, value: app })
}
