import type { IncomingMessage } from 'node:http'

/** Bytes of one body, bytes of all bodies that are being read, and how much of a refused one is read on so that its sender sees why. */
export interface BodyLimits {
  readonly bodyBytesMax: number
  readonly bodyBytesInAllMax: number
  readonly discardedBytesMax: number
}

/** The bytes; or why there are none. 'gone': the client closed the connection, there is nobody to answer. */
export type Body = Uint8Array | 'too-large' | 'overloaded' | 'gone'

export type BodyReader = (request: IncomingMessage) => Promise<Body>

/** Never rejects, and settles at the latest when the connection ends, which the server's request timeout sees to. */
export function bodyReader(limits: BodyLimits): BodyReader {
  let bytesInAll = 0

  return request => new Promise(resolve => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > limits.bodyBytesMax) return resolve(refuse('too-large'))
    const chunks: Buffer[] = []
    let bytes = 0

    function take(chunk: Buffer): void {
      bytes += chunk.length
      bytesInAll += chunk.length
      if (bytes > limits.bodyBytesMax) return settle(refuse('too-large'))
      if (bytesInAll > limits.bodyBytesInAllMax) return settle(refuse('overloaded'))
      chunks.push(chunk)
    }
    function end(): void {
      settle(chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks))
    }
    function close(): void {
      settle('gone')
    }
    function settle(body: Body): void {
      bytesInAll -= bytes
      request.off('data', take).off('end', end).off('close', close)
      resolve(body)
    }
    function refuse(reason: 'too-large' | 'overloaded'): Body {
      discard(request, limits.discardedBytesMax)
      return reason
    }

    request.on('data', take).on('end', end).on('close', close)
  })
}

/**
 * Reads on for a while without keeping anything. Closing at once would make the client's system drop the answer together with the
 * connection (RFC 9112 section 9.6).
 */
function discard(request: IncomingMessage, bytesMax: number): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > bytesMax) request.destroy()
  })
}
