import type { Capacity } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'

/** From here on an operator should make room, or take another store for new keys. */
const nearlyFullPart = 0.9
/** A token whose limit nobody knows is counted in one look of so many: the limit may be learnt, and counting costs the token a search. */
const looksPerCount = 60

/** Looks from time to time how full the tokens are, and warns in good time. */
export class CapacityWatch {
  readonly #keyStores: KeyStores
  readonly #log: Log
  readonly #latest = new Map<string, Capacity>()
  readonly #nearlyFull = new Set<string>()
  #looks = 0

  constructor(keyStores: KeyStores, log: Log) {
    this.#keyStores = keyStores
    this.#log = log
  }

  async look(): Promise<void> {
    const countAll = this.#looks++ % looksPerCount === 0
    for (const name of this.#keyStores.names) {
      const latest = this.#latest.get(name)
      if (latest && latest.max === undefined && !countAll) continue
      try {
        this.#seen(name, await this.#keyStores.get(name).capacity())
      } catch (error) {
        // Why a store does not answer is said where it is noticed.
        this.#log.debug('the objects of a key store could not be counted', { keyStore: name, error })
      }
    }
  }

  /** As of the last look; undefined while there was none. */
  latest(name: string): Capacity | undefined {
    return this.#latest.get(name)
  }

  isNearlyFull(name: string): boolean {
    return this.#nearlyFull.has(name)
  }

  #seen(name: string, capacity: Capacity): void {
    const { used, max } = capacity
    this.#latest.set(name, capacity)
    if (max === undefined || used < max * nearlyFullPart) {
      this.#nearlyFull.delete(name)
      return
    }
    if (!this.#nearlyFull.has(name)) this.#log.warn('the key store is nearly full', { keyStore: name, used, max })
    this.#nearlyFull.add(name)
  }
}
