import { hash } from 'node:crypto'
import { HsmError } from '../../../ports/hsm.js'

/** So many zeros in a row do not happen. */
const zeros = Buffer.alloc(16)

/**
 * Bytes of the token's generator, fetched a few KiB at a time because a call can cost a round trip. Every byte is handed
 * out once and overwritten here.
 */
export class RandomPool {
  private readonly pool: Buffer
  private used: number
  private readonly fetch: (target: Buffer) => void
  /** Of the bytes before these. */
  private lastHash: string | undefined

  /** `fetch` fills a buffer of at most `chunkBytes` from the token, or throws. */
  constructor(chunkBytes: number, fetch: (target: Buffer) => void) {
    this.pool = Buffer.alloc(chunkBytes)
    this.used = chunkBytes
    this.fetch = fetch
  }

  fill(target: Buffer): void {
    for (let at = 0; at < target.length;) {
      if (this.used === this.pool.length) this.refill()
      const count = Math.min(target.length - at, this.pool.length - this.used)
      this.pool.copy(target, at, this.used, this.used + count)
      this.pool.fill(0, this.used, this.used + count)
      this.used += count
      at += count
    }
  }

  /** Overwrites what is left. */
  clear(): void {
    this.pool.fill(0)
    this.used = this.pool.length
  }

  private refill(): void {
    this.fetch(this.pool)
    this.requireFresh()
    this.used = 0
  }

  /**
   * Not proof of chance, but what a device does that says "done" and wrote nothing, or only a part, or the same again: all of it would be
   * keys. What was used was overwritten with zeros, so what was not written is zero.
   */
  private requireFresh(): void {
    const now = hash('sha256', this.pool)
    const stuck = this.pool.includes(zeros) || now === this.lastHash
    this.lastHash = now
    if (!stuck) return
    this.pool.fill(0)
    throw new HsmError('lost', 'the generator of the token does not give random bytes')
  }
}
