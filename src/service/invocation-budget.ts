import type { KeyVersion } from '../domain/key.js'
import { isMultiRegionId, relatedKeysMax } from '../domain/multi-region.js'
import type { Keys } from '../ports/keys.js'

/** Seals that a process sets aside at once: one write to the store for this many; a crash wastes what is left of them. */
const reservationMax = 65_536
/** A reservation is at most this part of the cap, so that a small cap is not wasted by a few restarts. */
const reservationsPerCapMin = 16
/** From here on the version should be replaced, although it may still be used. */
const replaceAtPart = 7 / 8

/**
 * How often each version may still seal (SP 800-38D section 8.3: at most 2^32 GCM calls with random IVs under one key). The store
 * counts what was handed out to processes, memory counts what is left of this process's share; the HSM is asked only for calls taken here.
 */
export class InvocationBudget {
  readonly #keys: Keys
  readonly #cap: number
  readonly #left = new Map<string, number>()
  readonly #reservations = new Map<string, Promise<number>>()

  constructor(keys: Keys, cap: number) {
    this.#keys = keys
    this.#cap = cap
  }

  /** Takes one seal. `spent`: the version must not seal any more. `nearly-spent`: taken, but rotate soon. */
  async take(version: KeyVersion): Promise<'taken' | 'nearly-spent' | 'spent'> {
    const name = nameOf(version)
    if (this.#takeFromMemory(name)) return 'taken'
    // Others that waited for the same reservation may have used it up: then there is more to reserve.
    while (await this.#reserveOnce(name, version) > 0) {
      if (this.#takeFromMemory(name)) return await this.#isNearlySpent(version) ? 'nearly-spent' : 'taken'
    }
    return 'spent'
  }

  #takeFromMemory(name: string): boolean {
    const left = this.#left.get(name) ?? 0
    if (left === 0) return false
    this.#left.set(name, left - 1)
    return true
  }

  /** Calls that find the share used up at the same time wait for one reservation together. Answers how many it got. */
  #reserveOnce(name: string, version: KeyVersion): Promise<number> {
    const running = this.#reservations.get(name)
    if (running) return running
    const reservation = this.#reserve(name, version).finally(() => this.#reservations.delete(name))
    this.#reservations.set(name, reservation)
    return reservation
  }

  async #reserve(name: string, { region, keyId, version }: KeyVersion): Promise<number> {
    const cap = this.#capOf(keyId)
    const wanted = Math.max(1, Math.min(reservationMax, Math.floor(cap / reservationsPerCapMin)))
    const granted = await this.#keys.reserveSeals(region, keyId, version, wanted, cap)
    this.#left.set(name, (this.#left.get(name) ?? 0) + granted)
    return granted
  }

  async #isNearlySpent({ region, keyId, version }: KeyVersion): Promise<boolean> {
    return await this.#keys.sealsReserved(region, keyId, version) >= this.#capOf(keyId) * replaceAtPart
  }

  /** Relatives of a multi-Region key count apart, under the same material. */
  #capOf(keyId: string): number {
    return isMultiRegionId(keyId) ? Math.max(1, Math.floor(this.#cap / relatedKeysMax)) : this.#cap
  }
}

function nameOf({ region, keyId, version }: KeyVersion): string {
  return `${region}/${keyId}/${version}`
}
