import http, { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import express, { type Express } from 'express'

export interface Tls {
  /** PEM, the server's certificate first. */
  readonly certificate: string | Buffer
  /** PEM. */
  readonly key: string | Buffer
}

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
export function expressServer(app: Express, options: http.ServerOptions, tls: Tls | undefined): http.Server {
  class Request extends IncomingMessage {}
  class Response extends ServerResponse<Request> {}
  adopt(Request.prototype, app.request, app)
  adopt(Response.prototype, app.response, app)
  app.request = Request.prototype as unknown as Express['request']
  app.response = Response.prototype as unknown as Express['response']
  const all = { ...options, IncomingMessage: Request, ServerResponse: Response }
  return tls ? https.createServer({ ...all, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' }, app) : http.createServer(all, app)
}

/** Express's own prototype (whose parent is Node's) goes between the class and Node's class. */
function adopt(prototype: object, expressPrototype: object, app: Express): void {
  Object.setPrototypeOf(prototype, Object.getPrototypeOf(expressPrototype) as object)
  Object.defineProperty(prototype, 'app', { configurable: true, enumerable: true, writable: true, value: app })
}
