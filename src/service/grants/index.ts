import { grantAllows, type Grant, type GrantUse } from '../../domain/grant.js'
import { slotsOfUse, type Slot } from '../../domain/grant-slots.js'
import type { Key } from '../../domain/key.js'
import type { KeyName } from '../../ports/keys.js'
import type { Store } from '../../ports/store.js'

/** Slots kept in memory, empty ones included; beyond it those of the key go that was first asked for. */
const cachedSlotsMax = 200_000
const cachedKeysMax = 20_000

/** What is known of the grants of one key. */
interface KeyGrants { readonly count: number, readonly slots: Map<string, readonly Grant[]> }

/**
 * The grants that may allow a call, found by whom they are for and what they ask (domain/grant-slots.ts), so that it does not matter how
 * many others a key has. Read once and then remembered, until a grant of the key changes.
 */
export class GrantIndex {
  readonly #store: Store
  readonly #keys = new Map<string, KeyGrants>()
  /** Grants whose MAC was checked. */
  readonly #genuine = new WeakSet<Grant>()
  #generation: number
  #cachedSlots = 0
  /** Counts own writes: what was read before one must not be remembered after it. */
  #writes = 0

  constructor(store: Store) {
    this.#store = store
    this.#generation = store.generation()
  }

  /** A grant that allows the call; one that names the caller before one that names its account. */
  async find(key: Key, use: GrantUse): Promise<Grant | undefined> {
    this.#forgetIfChangedElsewhere()
    const known = this.#keys.get(nameOf(key)) ?? await this.#load(key)
    if (known.count === 0) return undefined
    for (const grants of await this.#inSlots(key, slotsOfUse(use), known)) {
      for (const grant of grants) {
        if (grantAllows(grant, use) && await this.#isGenuine(grant)) return grant
      }
    }
    return undefined
  }

  /** To be called after every write to the grants of a key. */
  forget(key: KeyName): void {
    this.#writes++
    this.#drop(nameOf(key))
  }

  async #inSlots(key: Key, slots: readonly Slot[], known: KeyGrants): Promise<readonly (readonly Grant[])[]> {
    const missing = slots.filter(({ name }) => !known.slots.has(name))
    const found = missing.length > 0 ? await this.#store.grants.inSlots(key.region, key.keyId, missing) : []
    const read = new Map(missing.map(({ name }, at) => [name, found[at] ?? []]))
    // What was read before a write must not be remembered after it.
    if (this.#keys.get(nameOf(key)) === known) {
      for (const [name, grants] of read) {
        if (!known.slots.has(name)) this.#cachedSlots++
        known.slots.set(name, grants)
      }
    }
    return slots.map(({ name }) => read.get(name) ?? known.slots.get(name) ?? [])
  }

  /** What stands in a slot was not checked: the grant is read again, which throws IntegrityError for one that was tampered with. */
  async #isGenuine(grant: Grant): Promise<boolean> {
    if (this.#genuine.has(grant)) return true
    const stored = await this.#store.grants.get(grant.region, grant.keyId, grant.grantId)
    if (stored) this.#genuine.add(grant)
    return stored !== undefined
  }

  async #load(key: Key): Promise<KeyGrants> {
    const writes = this.#writes
    const loaded: KeyGrants = { count: await this.#store.grants.count(key.region, key.keyId), slots: new Map() }
    if (writes !== this.#writes) return loaded
    this.#makeRoom()
    this.#keys.set(nameOf(key), loaded)
    return loaded
  }

  #makeRoom(): void {
    while (this.#cachedSlots >= cachedSlotsMax || this.#keys.size >= cachedKeysMax) {
      const [oldest] = this.#keys.keys()
      if (oldest === undefined) return
      this.#drop(oldest)
    }
  }

  #drop(name: string): void {
    this.#cachedSlots -= this.#keys.get(name)?.slots.size ?? 0
    this.#keys.delete(name)
  }

  #forgetIfChangedElsewhere(): void {
    const generation = this.#store.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#writes++
    this.#keys.clear()
    this.#cachedSlots = 0
  }
}

function nameOf({ region, keyId }: KeyName): string {
  return `${region}/${keyId}`
}
