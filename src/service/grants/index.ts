import { grantAllows, type Grant, type GrantUse } from '../../domain/grant.js'
import { choicesOfGrant, placesOfUse, slotOf, type Places, type Slot } from '../../domain/grant-slots.js'
import type { Key } from '../../domain/key.js'
import type { KeyName } from '../../ports/keys.js'
import type { Store } from '../../ports/store.js'

/** Slots kept in memory, empty ones included, and the grants in them: of one key, and of all. Beyond it those of a key go, all at once. */
const cachedPerKeyMax = 20_000
const cachedMax = 200_000
const cachedKeysMax = 20_000
/** Slots of one holder, which its calls choose: beyond it go its own, and no others. */
const cachedPerHolderMax = 2_000
/** Holders known to have no grant: of one key, where the oldest goes, and of all. Anybody can be one, of any account. */
const strangersPerKeyMax = 1_000
const strangersMax = 100_000

/** What is known of the grants of one key. */
interface KeyGrants {
  /** Whether it has any at all: most keys have none. */
  any: boolean
  /** Counts changes: what was read before one must not be remembered after it. */
  changes: number
  /**
   * What stands in each slot that was looked into: by holder, and then by selector, so that few texts are made and many compared. Only of
   * holders that have a grant on the key.
   */
  readonly holders: Map<string, Map<string, readonly Grant[]>>
  /** Holders that have none: so whoever was given nothing leaves one word here, however many contexts it thinks of. */
  readonly strangers: Set<string>
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
  #strangers = 0
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
  #inMemory({ holders: known, strangers }: KeyGrants, { holders, selectors }: Places, use: GrantUse): Grant | undefined | 'not known' {
    for (const holder of holders) {
      const slots = known.get(holder)
      if (!slots) {
        if (strangers.has(holder)) continue
        return 'not known'
      }
      for (const selector of selectors) {
        const grants = slots.get(selector)
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
    for (const { holder, selector } of choicesOfGrant(grant).flat()) {
      if (known.strangers.delete(holder)) this.#strangers--
      this.#dropSlot(known, holder, selector)
    }
  }

  /** To be called after a grant was removed, and also when that failed. */
  removed({ grantId, ...key }: KeyName & Pick<Grant, 'grantId'>): void {
    const known = this.#changed(key)
    if (!known) return
    for (const [holder, slots] of known.holders) {
      // It may have been the last one of its holder.
      if ([...slots.values()].some(grants => grants.some(grant => grant.grantId === grantId))) this.#dropHolder(known, holder)
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

  /** What stands in the slots of a call, in their order; only of holders that have a grant. */
  async #standing(key: Key, { holders, selectors }: Places, known: KeyGrants): Promise<readonly (readonly Grant[])[]> {
    const { changes } = known
    const isCurrent = () => changes === known.changes && this.#keys.get(nameOf(key)) === known
    const asked = holders.filter(holder => !known.strangers.has(holder))
    const unknown = asked.filter(holder => !known.holders.has(holder))
    const holding = await this.#store.grants.holding(key.region, key.keyId, unknown)
    if (isCurrent()) for (const holder of unknown) if (!holding.has(holder)) this.#rememberStranger(known, holder)
    const { standing, missing } = placed(known, { selectors, holders: asked.filter(one => holding.has(one) || !unknown.includes(one)) })
    if (missing.length === 0) return standing
    const found = await this.#store.grants.inSlots(key.region, key.keyId, missing.map(({ slot }) => slot))
    missing.forEach(({ at }, which) => { standing[at] = found[which] ?? [] })
    if (isCurrent()) this.#remember(known, new Map(missing.map(({ slot }, which) => [slot, found[which] ?? []])))
    return standing
  }

  #remember(known: KeyGrants, read: ReadonlyMap<Slot, readonly Grant[]>): void {
    for (const [{ holder, selector }, grants] of read) {
      this.#dropSlot(known, holder, selector)
      if ((known.holders.get(holder)?.size ?? 0) >= cachedPerHolderMax) this.#dropHolder(known, holder)
      if (known.size > cachedPerKeyMax) this.#dropSlots(known)
      const slots = known.holders.get(holder) ?? new Map<string, readonly Grant[]>()
      known.holders.set(holder, slots.set(selector, grants))
      known.size += sizeOf(grants)
      this.#cached += sizeOf(grants)
    }
    this.#makeRoom()
  }

  #rememberStranger(known: KeyGrants, holder: string): void {
    const { strangers } = known
    const [oldest] = strangers
    if (strangers.size >= strangersPerKeyMax && oldest !== undefined && strangers.delete(oldest)) this.#strangers--
    if (this.#strangers >= strangersMax) for (const one of this.#keys.values()) this.#dropStrangers(one)
    strangers.add(holder)
    this.#strangers++
  }

  async #readAgain(grant: Grant): Promise<Grant | undefined> {
    const stored = await this.#store.grants.get(grant.region, grant.keyId, grant.grantId)
    if (stored) this.#genuine.set(grant, stored)
    return stored
  }

  async #load(key: Key): Promise<KeyGrants> {
    const changes = this.#changes
    const any = await this.#store.grants.any(key.region, key.keyId)
    const loaded: KeyGrants = { any, changes: 0, holders: new Map(), strangers: new Set(), size: 0 }
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
    known.size -= sizeOf(grants)
    this.#cached -= sizeOf(grants)
  }

  /** So that it is asked anew whether it has any grant. */
  #dropHolder(known: KeyGrants, holder: string): void {
    for (const selector of known.holders.get(holder)?.keys() ?? []) this.#dropSlot(known, holder, selector)
    known.holders.delete(holder)
  }

  #dropSlots(known: KeyGrants): void {
    this.#cached -= known.size
    known.size = 0
    known.holders.clear()
  }

  #dropStrangers({ strangers }: KeyGrants): void {
    this.#strangers -= strangers.size
    strangers.clear()
  }

  #dropKey(name: string): void {
    const known = this.#keys.get(name)
    if (known) {
      this.#dropSlots(known)
      this.#dropStrangers(known)
    }
    this.#keys.delete(name)
  }

  #forgetIfChangedElsewhere(): void {
    const generation = this.#store.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#changes++
    this.#keys.clear()
    this.#cached = this.#strangers = 0
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
