import type { IpRange } from '../../src/domain/ip.js'
import type { HttpLimits } from '../../src/http/limits.js'
import type { Endpoint, HttpRequest } from '../../src/http/message.js'
import { createHttpServer, type HttpServer } from '../../src/http/server.js'
import { RawClient, recordingLog } from './fixtures.js'

export const now = Date.UTC(2026, 0, 1, 12, 30, 15, 999)
const servers: HttpServer[] = []

/** Answers with the length of the body; `hold` keeps answers back until it resolves. */
export function echo(hold: () => Promise<unknown> = async () => {}): Endpoint & { readonly seen: HttpRequest[] } {
  const seen: HttpRequest[] = []
  return {
    seen,
    async answer(request) {
      seen.push(request)
      await hold()
      return { status: 200, headers: ['x-amzn-RequestId', request.requestId], body: String(request.body.length) }
    },
    refuse: reason => ({ status: reason === 'too-large' ? 413 : reason === 'not-found' ? 404 : 400, headers: [], body: reason }),
  }
}

/** A listening server, until the test ends; only in `describeServed`. */
export async function serve(endpoint: Endpoint = echo(), limits: Partial<HttpLimits> = {}, trustedProxies: readonly IpRange[] = []) {
  const log = recordingLog()
  const ready = async () => ({ ok: true, checks: { hsm: 'ok' } })
  const server = createHttpServer({ endpoint, ready, clock: { now: () => now }, log, limits, trustedProxies })
  servers.push(server)
  const { port } = await server.listen(0, '127.0.0.1')
  return { server, port, log, client: (localAddress?: string) => new RawClient(port, localAddress) }
}

/** A suite after each of whose tests the servers are closed. */
export function describeServed(title: string, suite: () => void): void {
  describe(title, () => {
    afterEach(async () => {
      for (const server of servers.splice(0)) await server.close(0)
    })
    suite()
  })
}

/** A promise and the way to resolve it. */
export function gate(): { readonly opened: Promise<void>, readonly open: () => void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  return { opened, open }
}

export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}
