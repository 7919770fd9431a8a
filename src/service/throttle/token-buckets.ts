/** How often something may be done: `perSecond` in the long run, `burst` at once. */
export interface Rate { readonly perSecond: number, readonly burst: number }

/** What is left of it, and as of when. */
export interface Bucket { tokens: number, at: number }

export function fullBucket({ burst }: Rate, now: number): Bucket {
  return { tokens: burst, at: now }
}

/** Adds what has come since. A clock that was set back adds nothing and takes nothing. */
export function refill(bucket: Bucket, { perSecond, burst }: Rate, now: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, now - bucket.at) * perSecond / 1_000)
  bucket.at = now
}

/** Takes a token; false when there is none. */
export function takeToken(bucket: Bucket, rate: Rate, now: number): boolean {
  refill(bucket, rate, now)
  if (bucket.tokens < 1) return false
  bucket.tokens -= 1
  return true
}

/** Token buckets by name, each full when it is first asked for. Beyond `max` the one that was used longest ago goes, and is full again. */
export class TokenBuckets {
  readonly #max: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(max: number) {
    this.#max = max
  }

  /** Takes a token; false when there is none. */
  take(name: string, rate: Rate, now: number): boolean {
    const bucket = this.#buckets.get(name) ?? fullBucket(rate, now)
    // In the order of use.
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > this.#max) this.#dropOldest()
    return takeToken(bucket, rate, now)
  }

  #dropOldest(): void {
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}
