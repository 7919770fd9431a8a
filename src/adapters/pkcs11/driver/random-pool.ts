/**
 * Bytes of the token's generator, fetched a few KiB at a time because a call can cost a round trip. Every byte is handed
 * out once and overwritten here.
 */
export class RandomPool {
  private readonly pool: Buffer
  private used: number
  private readonly fetch: (target: Buffer) => void

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
    this.used = 0
  }
}
