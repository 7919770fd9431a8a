import { createServer, type AddressInfo, type Socket } from 'node:net'
import { openSocket } from './raw-client.js'
import type { ServerAddress } from './server.js'

/** Stands between a client and a server, and can lose answers on their way back. */
export interface DroppingProxy extends Pick<ServerAddress, 'url' | 'admin' | 'clock'> {
  /** Operations that came through, in the order of their arrival: one entry for every try. */
  readonly seen: readonly string[]
  /** Answers that were lost. */
  readonly dropped: readonly string[]
  /** The connection ends instead of the answer to the next call of this operation, when the server has given it. */
  dropNext(operation: string): void
  close(): Promise<void>
}

/** Works for clients that send a request and then wait for its answer, and for answers that fit into what one write puts on the wire. */
export async function droppingProxy(server: Pick<ServerAddress, 'url' | 'admin' | 'clock'>): Promise<DroppingProxy> {
  const [seen, dropped, toDrop]: [string[], string[], Set<string>] = [[], [], new Set()]
  const sockets = new Set<Socket>()

  const proxy = createServer(client => {
    const upstream = openSocket(server)
    let operation = ''
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (bytes: Buffer) => {
      const target = /^x-amz-target: *TrentService\.(\w+)\r$/im.exec(bytes.toString('latin1'))?.[1]
      if (target !== undefined) seen.push(operation = target)
      upstream.write(bytes)
    })
    upstream.on('data', (bytes: Buffer) => {
      if (!toDrop.delete(operation)) return void client.write(bytes)
      dropped.push(bytes.toString())
      client.destroy()
    })
  })
  await new Promise<void>(resolve => { proxy.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, admin: server.admin, clock: server.clock, seen, dropped,
    dropNext: operation => void toDrop.add(operation),
    close() {
      const closed = new Promise<void>(resolve => { proxy.close(() => resolve()) })
      for (const socket of sockets) socket.destroy()
      return closed
    },
  }
}
