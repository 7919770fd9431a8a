import http from 'node:http'
import express from 'express'
import { expressApp, expressServer } from '../../src/http/express-server.js'
import { createHttpServer } from '../../src/http/server.js'

/**
 * A child process with the servers that the product is measured against: bare `node:http`, Express as it comes, Express with shared
 * prototypes, and the product's own HTTP server before an endpoint that does nothing. All answer the same bytes.
 */
export interface BaselinePorts {
  readonly bareHttp: number
  readonly plainExpress: number
  readonly sharedExpress: number
  readonly ownHttp: number
}

const answer = JSON.stringify({ filler: 'x'.repeat(400) })
const headers = { 'Content-Type': 'application/x-amz-json-1.1', 'Content-Length': answer.length }
const log = { debug() {}, info() {}, warn() {}, error() {} }

function readThen(request: http.IncomingMessage, then: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => then(Buffer.concat(chunks)))
}

const bare = http.createServer((request, response) => readThen(request, () => response.writeHead(200, headers).end(answer)))

const plain = express()
const shared = expressApp()
for (const app of [plain, shared]) {
  app.post('/', (request, response) => readThen(request, () => response.writeHead(200, headers).end(answer)))
}
plain.disable('x-powered-by')
const plainExpress = http.createServer(plain)
const sharedExpress = expressServer(shared, {}, undefined)

const own = createHttpServer({
  endpoint: {
    answer: async () => ({ status: 200, headers: ['Content-Type', headers['Content-Type']], body: answer }),
    refuse: () => ({ status: 500, headers: [], body: '' }),
  },
  ready: async () => ({ ok: true, checks: {} }),
  clock: { now: () => Date.now() },
  log,
})

async function port(server: http.Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

const ports: BaselinePorts = {
  bareHttp: await port(bare),
  plainExpress: await port(plainExpress),
  sharedExpress: await port(sharedExpress),
  ownHttp: (await own.listen(0, '127.0.0.1')).port,
}
process.send?.(ports)
process.on('disconnect', () => process.exit())
