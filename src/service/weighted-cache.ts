interface Entry<V> { readonly value: V, readonly weight: number }

/**
 * What is kept in memory as long as all of it together is not too heavy; beyond that what was not used for longest goes. By weight and not
 * by number, because others than the service decide how much there is to one of them. What is heavier than all may be is not kept.
 */
export class WeightedCache<V> {
  readonly #weightMax: number
  readonly #entries = new Map<string, Entry<V>>()
  #weight = 0

  constructor(weightMax: number) {
    this.#weightMax = weightMax
  }

  /** Of all that is kept. */
  get weight(): number {
    return this.#weight
  }

  get size(): number {
    return this.#entries.size
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  get(name: string): V | undefined {
    const entry = this.#entries.get(name)
    if (!entry) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    return entry.value
  }

  set(name: string, value: V, weight: number): void {
    this.delete(name)
    if (weight > this.#weightMax) return
    this.#entries.set(name, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#weightMax) break
      this.delete(oldest)
    }
  }

  delete(name: string): void {
    this.#weight -= this.#entries.get(name)?.weight ?? 0
    this.#entries.delete(name)
  }

  clear(): void {
    this.#entries.clear()
    this.#weight = 0
  }
}
