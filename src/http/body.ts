import type { IncomingMessage } from 'node:http'

export interface BodyLimits {
  /** Of one body. */
  readonly bodyBytesMax: number
  /** A body up to this size is not counted into the two sums below, so that ordinary calls go through while those are used up. */
  readonly bodyBytesUncounted: number
  /**
   * Memory of all bodies that are being read, and of those that come from one address: nobody can use up what is there for all. Behind a
   * trusted proxy the address is that of its client, or the clients of one proxy could use it up for each other.
   */
  readonly bodyBytesInAllMax: number
  readonly bodyBytesPerAddressMax: number
  /** How much of a refused body is read on, so that its sender sees why. */
  readonly discardedBytesMax: number
}

/** The bytes, the reader's to keep and to overwrite; or why there are none. 'gone': the client closed the connection. */
export type Body = Uint8Array | 'too-large' | 'overloaded' | 'gone'

export type BodyReader = (request: IncomingMessage, address: string) => Promise<Body>

const firstCapacityBytes = 1024

/** Never rejects, and settles at the latest when the connection ends, which the server's request timeout sees to. */
export function bodyReader(limits: BodyLimits): BodyReader {
  const shared = new SharedMemory(limits)

  return (request, address) => new Promise(resolve => {
    const declared = request.headers['content-length']
    const bytesMax = declared === undefined ? limits.bodyBytesMax : Number(declared)
    if (bytesMax > limits.bodyBytesMax) return resolve(refuse('too-large'))
    const collected = new Collected(bytesMax, shared, address)

    function take(chunk: Buffer): void {
      const refusal = collected.add(chunk)
      if (refusal) settle(refuse(refusal))
    }
    function end(): void {
      settle(collected.bytes())
    }
    function close(): void {
      settle('gone')
    }
    function settle(body: Body): void {
      request.off('data', take).off('end', end).off('close', close)
      if (typeof body === 'string') collected.wipe()
      collected.release()
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
 * One body in one buffer, which doubles: a Buffer for every chunk would cost forty times what is sent where the chunks are single
 * bytes. The buffer follows what has come, not what was announced. Nothing of a body stays behind in a buffer that was given up.
 */
class Collected {
  readonly #bytesMax: number
  readonly #shared: SharedMemory
  readonly #address: string
  #buffer = Buffer.alloc(0)
  #length = 0

  constructor(bytesMax: number, shared: SharedMemory, address: string) {
    this.#bytesMax = bytesMax
    this.#shared = shared
    this.#address = address
  }

  add(chunk: Buffer): 'too-large' | 'overloaded' | undefined {
    const length = this.#length + chunk.length
    if (length > this.#bytesMax) return 'too-large'
    if (length > this.#buffer.length && !this.#grow(length)) return 'overloaded'
    chunk.copy(this.#buffer, this.#length)
    chunk.fill(0)
    this.#length = length
    return undefined
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  wipe(): void {
    this.bytes().fill(0)
  }

  release(): void {
    this.#shared.resize(this.#address, this.#buffer.length, 0)
  }

  #grow(needed: number): boolean {
    const capacity = Math.min(this.#bytesMax, Math.max(needed, 2 * this.#buffer.length, firstCapacityBytes))
    if (!this.#shared.resize(this.#address, this.#buffer.length, capacity)) return false
    const larger = Buffer.allocUnsafe(capacity)
    larger.set(this.bytes())
    this.wipe()
    this.#buffer = larger
    return true
  }
}

/** The memory of all bodies that are being read, by the address they come from. */
class SharedMemory {
  readonly #limits: BodyLimits
  readonly #byAddress = new Map<string, number>()
  #inAll = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /** false, and nothing changed, where there is no room for it. */
  resize(address: string, from: number, to: number): boolean {
    const more = this.#counted(to) - this.#counted(from)
    if (more === 0) return true
    const ofAddress = (this.#byAddress.get(address) ?? 0) + more
    const { bodyBytesInAllMax, bodyBytesPerAddressMax } = this.#limits
    if (more > 0 && (this.#inAll + more > bodyBytesInAllMax || ofAddress > bodyBytesPerAddressMax)) return false
    this.#inAll += more
    if (ofAddress === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, ofAddress)
    return true
  }

  #counted(bytes: number): number {
    return bytes > this.#limits.bodyBytesUncounted ? bytes : 0
  }
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
