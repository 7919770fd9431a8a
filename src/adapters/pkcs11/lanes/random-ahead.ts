/**
 * Random bytes of the token, fetched by the chunk and ahead of need, so that a data key costs one call and not two. Every byte is given
 * out once and overwritten here.
 */
export class RandomAhead {
  readonly #chunkBytes: number
  readonly #fetch: (length: number) => Promise<Uint8Array>
  readonly #chunks: Uint8Array[] = []
  #left = 0
  #fetching: Promise<void> | undefined

  constructor(chunkBytes: number, fetch: (length: number) => Promise<Uint8Array>) {
    this.#chunkBytes = chunkBytes
    this.#fetch = fetch
  }

  async take(length: number): Promise<Uint8Array> {
    if (length >= this.#chunkBytes) return this.#fetch(length)
    while (this.#left < length) await this.#refill()
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length;) at += this.#give(bytes, at)
    // A failure shows when the bytes are needed: then they are fetched again.
    if (this.#left < this.#chunkBytes / 2) this.#refill().catch(() => undefined)
    return bytes
  }

  /** Overwrites what is left. */
  clear(): void {
    for (const chunk of this.#chunks.splice(0)) chunk.fill(0)
    this.#left = 0
  }

  #give(target: Uint8Array, at: number): number {
    const [chunk] = this.#chunks as [Uint8Array]
    const count = Math.min(target.length - at, chunk.length)
    target.set(chunk.subarray(0, count), at)
    chunk.fill(0, 0, count)
    if (count === chunk.length) this.#chunks.shift()
    else this.#chunks[0] = chunk.subarray(count)
    this.#left -= count
    return count
  }

  #refill(): Promise<void> {
    this.#fetching ??= this.#fetch(this.#chunkBytes).then(bytes => {
      this.#chunks.push(bytes)
      this.#left += bytes.length
    }).finally(() => { this.#fetching = undefined })
    return this.#fetching
  }
}
