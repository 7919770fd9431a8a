import { connect, type Socket } from 'node:net'

/**
 * A child process that loads a server: closed-loop clients on keep-alive connections, each sending its next request when the answer to
 * the last is there. Requests come ready-made, because signing them here would measure the client.
 */
export interface LoadOrder {
  readonly port: number
  /** Whole HTTP requests, sent in turn. */
  readonly requests: readonly string[]
  readonly connections: number
  readonly durationMs: number
  /** Between an answer and the next request; none, if not given. */
  readonly pauseMs?: number
}

export interface LoadResult {
  readonly answers: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** Answers that are none of success. */
  readonly failures: number
}

const latenciesMax = 2_000_000

async function load({ port, requests, connections, durationMs, pauseMs = 0 }: LoadOrder): Promise<LoadResult> {
  const bytes = requests.map(request => Buffer.from(request))
  const latencies = new Float64Array(latenciesMax)
  let done = 0
  let failures = 0
  let next = 0
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  const start = performance.now()
  const end = start + durationMs

  await Promise.all(sockets.map(socket => new Promise<void>((resolve, reject) => {
    let sentAt = 0
    let missing = 0
    let head = ''
    const send = () => {
      sentAt = performance.now()
      if (sentAt >= end) return void socket.end(resolve)
      socket.write(bytes[next++ % bytes.length] as Buffer)
    }
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      if (missing === 0) {
        head += chunk.toString('latin1')
        const headEnd = head.indexOf('\r\n\r\n')
        if (headEnd < 0) return
        if (!head.startsWith('HTTP/1.1 200')) failures++
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
        missing = headEnd + 4 + length - head.length
        head = ''
      } else {
        missing -= chunk.length
      }
      if (missing > 0) return
      missing = 0
      latencies[done++ % latenciesMax] = performance.now() - sentAt
      if (pauseMs > 0) setTimeout(send, pauseMs)
      else send()
    })
    send()
  })))

  const seconds = (performance.now() - start) / 1000
  const sorted = latencies.subarray(0, Math.min(done, latenciesMax)).sort()
  const at = (part: number) => Math.round((sorted[Math.floor(sorted.length * part)] ?? 0) * 1000)
  return { answers: done, perSecond: done / seconds, p50Us: at(0.5), p99Us: at(0.99), failures }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

process.on('message', (order: LoadOrder) => {
  load(order).then(result => process.send?.({ result }), (error: Error) => process.send?.({ error: error.message }))
})
