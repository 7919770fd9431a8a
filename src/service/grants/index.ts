import { grantAllows, type Grant, type GrantUse } from '../../domain/grant.js'
import { choicesOfGrant, placesOfUse, slotOf, type Places, type Slot } from '../../domain/grant-slots.js'
import type { Key } from '../../domain/key.js'
import type { KeyName } from '../../ports/keys.js'
import type { Store } from '../../ports/store.js'

/** Slots kept in memory, empty ones included, and the grants in them: of one key, and of all. Beyond it those of a key go, all at once. */
const cachedPerKeyMax = 20_000
const cachedMax = 200_000
const cachedKeysMax = 20_000

/** What is known of the grants of one key. */
interface KeyGrants {
  /** Whether it has any at all: most keys have none. */
  any: boolean
  /** Counts changes: what was read before one must not be remembered after it. */
  changes: number
  /** What stands in each slot that was looked into: by holder, and then by selector, so that few texts are made and many compared. */
  readonly holders: Map<string, Map<string, readonly Grant[]>>
  /** Slots and grants in there. */
  size: number
}

/**
 * The grants that may allow a call, found by whom they are for and what they ask (domain/grant-slots.ts), so that it does not matter how
 * many others a key has. Read once and then remembered; a change to a grant forgets only where it stands.
 */
export class GrantIndex {
  readonly #store: Store
  readonly #keys = new Map<string, KeyGrants>()
  /** What stands in a slot was not checked; here is the same grant as it was read again, its MAC checked. */
  readonly #genuine = new WeakMap<Grant, Grant>()
  #generation: number
  #cached = 0
  /** Counts changes of any key. */
  #changes = 0

  constructor(store: Store) {
    this.#store = store
    this.#generation = store.generation()
  }

  /**
   * A grant that allows the call; one that names the caller before one that names its account. Throws IntegrityError if what would allow it
   * was tampered with.
   */
  async find(key: Key, use: GrantUse): Promise<Grant | undefined> {
    this.#forgetIfChangedElsewhere()
    const known = this.#keys.get(nameOf(key)) ?? await this.#load(key)
    if (!known.any) return undefined
    const places = placesOfUse(use)
    const found = this.#inMemory(known, places, use)
    if (found !== 'not known') return found
    for (const grants of await this.#standing(key, places, known)) {
      for (const grant of grants) {
        if (!grantAllows(grant, use)) continue
        const genuine = this.#genuine.get(grant) ?? await this.#readAgain(grant)
        // It may have said something else when it was found.
        if (genuine && grantAllows(genuine, use)) return genuine
      }
    }
    return undefined
  }

  /** What `find` answers, if that needs nothing to be read: so it is for almost every call. */
  #inMemory({ holders: known }: KeyGrants, { holders, selectors }: Places, use: GrantUse): Grant | undefined | 'not known' {
    for (const holder of holders) {
      const slots = known.get(holder)
      for (const selector of selectors) {
        const grants = slots?.get(selector)
        if (grants === undefined) return 'not known'
        for (const grant of grants) {
          if (!grantAllows(grant, use)) continue
          const genuine = this.#genuine.get(grant)
          if (!genuine) return 'not known'
          if (grantAllows(genuine, use)) return genuine
        }
      }
    }
    return undefined
  }

  /** To be called after a grant was written, and also when that failed: a commit whose answer was lost may still have happened. */
  added(grant: Omit<Grant, 'grantId'>): void {
    const known = this.#changed(grant)
    if (!known) return
    known.any = true
    // Of the slots that it can stand in, the store chose.
    for (const { holder, selector } of choicesOfGrant(grant).flat()) this.#dropSlot(known, holder, selector)
  }

  /** To be called after a grant was removed, and also when that failed. */
  removed({ grantId, ...key }: KeyName & Pick<Grant, 'grantId'>): void {
    const known = this.#changed(key)
    if (!known) return
    for (const [holder, slots] of known.holders) {
      for (const [selector, grants] of slots) if (grants.some(grant => grant.grantId === grantId)) this.#dropSlot(known, holder, selector)
    }
  }

  /** To be called after all grants of a key were removed. */
  forget(key: KeyName): void {
    this.#changed(key)
    this.#dropKey(nameOf(key))
  }

  #changed(key: KeyName): KeyGrants | undefined {
    this.#changes++
    const known = this.#keys.get(nameOf(key))
    if (known) known.changes++
    return known
  }

  /** What stands in the slots of a call, in their order. */
  async #standing(key: Key, places: Places, known: KeyGrants): Promise<readonly (readonly Grant[])[]> {
    const { changes } = known
    const { standing, missing } = placed(known, places)
    if (missing.length === 0) return standing
    const found = await this.#store.grants.inSlots(key.region, key.keyId, missing.map(({ slot }) => slot))
    missing.forEach(({ at }, which) => { standing[at] = found[which] ?? [] })
    if (changes === known.changes) this.#remember(key, known, new Map(missing.map(({ slot }, which) => [slot, found[which] ?? []])))
    return standing
  }

  #remember(key: Key, known: KeyGrants, read: ReadonlyMap<Slot, readonly Grant[]>): void {
    // It may have been dropped meanwhile.
    if (this.#keys.get(nameOf(key)) !== known) return
    for (const [{ holder, selector }, grants] of read) {
      this.#dropSlot(known, holder, selector)
      if (known.size > cachedPerKeyMax) this.#dropSlots(known)
      const slots = known.holders.get(holder) ?? new Map<string, readonly Grant[]>()
      known.holders.set(holder, slots.set(selector, grants))
      known.size += sizeOf(grants)
      this.#cached += sizeOf(grants)
    }
    this.#makeRoom()
  }

  async #readAgain(grant: Grant): Promise<Grant | undefined> {
    const stored = await this.#store.grants.get(grant.region, grant.keyId, grant.grantId)
    if (stored) this.#genuine.set(grant, stored)
    return stored
  }

  async #load(key: Key): Promise<KeyGrants> {
    const changes = this.#changes
    const loaded: KeyGrants = { any: await this.#store.grants.any(key.region, key.keyId), changes: 0, holders: new Map(), size: 0 }
    if (changes !== this.#changes) return loaded
    this.#dropKey(nameOf(key))
    this.#keys.set(nameOf(key), loaded)
    this.#makeRoom()
    return loaded
  }

  #makeRoom(): void {
    while (this.#cached > cachedMax || this.#keys.size > cachedKeysMax) {
      const [oldest] = this.#keys.keys()
      if (oldest === undefined) return
      this.#dropKey(oldest)
    }
  }

  #dropSlot(known: KeyGrants, holder: string, selector: string): void {
    const slots = known.holders.get(holder)
    const grants = slots?.get(selector)
    if (!slots || !grants) return
    slots.delete(selector)
    if (slots.size === 0) known.holders.delete(holder)
    known.size -= sizeOf(grants)
    this.#cached -= sizeOf(grants)
  }

  #dropSlots(known: KeyGrants): void {
    this.#cached -= known.size
    known.size = 0
    known.holders.clear()
  }

  #dropKey(name: string): void {
    const known = this.#keys.get(name)
    if (known) this.#dropSlots(known)
    this.#keys.delete(name)
  }

  #forgetIfChangedElsewhere(): void {
    const generation = this.#store.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#changes++
    this.#keys.clear()
    this.#cached = 0
  }
}

const nothing: readonly Grant[] = []

/** A slot that was not looked into yet, and its place among those of a call. */
interface Missing { readonly slot: Slot, readonly at: number }

function placed({ holders: known }: KeyGrants, { holders, selectors }: Places) {
  const standing: (readonly Grant[])[] = []
  const missing: Missing[] = []
  for (const holder of holders) {
    const slots = known.get(holder)
    for (const selector of selectors) {
      const grants = slots?.get(selector)
      if (grants === undefined) missing.push({ slot: slotOf(holder, selector), at: standing.length })
      standing.push(grants ?? nothing)
    }
  }
  return { standing, missing }
}

function sizeOf(grants: readonly Grant[]): number {
  return 1 + grants.length
}

function nameOf({ region, keyId }: KeyName): string {
  return `${region}/${keyId}`
}
