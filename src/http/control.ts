import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { Log } from '../ports/log.js'

/** sun_path of Linux is 108 bytes with its end; macOS has 104. */
export const socketPathBytesMax = 103
const ownerOnly = 0o600
const headersMsMax = 5_000
const connectionsMax = 16

export interface ControlOptions {
  /** Of the socket. Who may open this file may ask. */
  readonly path: string
  /** What is answered to GET of a path: plain values, or promises of them. */
  readonly pages: Readonly<Record<string, () => unknown>>
  readonly log: Log
}

/**
 * Answers the operator's questions on a Unix socket beside the data: protected by file permissions, so that it needs no credentials and
 * is there when the API is not. Read-only. undefined, and a line in the log, where no socket can be made.
 */
export async function controlServer({ path, pages, log }: ControlOptions): Promise<{ close(): Promise<void> } | undefined> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    log.warn('no control socket: its path is too long', { path, bytesMax: socketPathBytesMax })
    return undefined
  }
  const server = createServer({ headersTimeout: headersMsMax, requestTimeout: headersMsMax }, (request, response) => {
    const page = request.method === 'GET' && Object.hasOwn(pages, request.url ?? '') ? pages[request.url ?? ''] : undefined
    void answerOf(page, log).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      response.end(JSON.stringify(body))
    })
  })
  server.maxConnections = connectionsMax
  try {
    // Left by a process that was killed: the data directory is ours alone by now.
    rmSync(path, { force: true })
    await listen(server, path)
    chmodSync(path, ownerOnly)
  } catch (error) {
    // Not every file system has sockets (shared folders of virtual machines), and keys can be served without one.
    log.warn('no control socket: it cannot be made', { path, error })
    server.close()
    return undefined
  }
  server.on('error', error => log.warn('the control socket failed', { error }))
  return {
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** The mode of a socket comes from the umask, and from its first moment nobody else may connect. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const before = process.umask(0o177)
    server.once('error', reject).listen(path, () => {
      server.off('error', reject)
      resolve()
    })
    process.umask(before)
  })
}

/** Never rejects: what a page throws must not end the service. */
async function answerOf(page: (() => unknown) | undefined, log: Log): Promise<{ readonly status: number, readonly body: unknown }> {
  if (!page) return { status: 404, body: { error: 'there is no such page' } }
  try {
    return { status: 200, body: await page() }
  } catch (error) {
    log.error('a page of the control socket failed', { error })
    return { status: 500, body: { error: 'the page failed' } }
  }
}
