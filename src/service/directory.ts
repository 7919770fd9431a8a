import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import type { Scope } from '../domain/key-ref.js'
import type { Alias } from '../ports/aliases.js'
import { StaleWriteError } from '../ports/keys.js'
import type { Store } from '../ports/store.js'
import { WeightedCache } from './weighted-cache.js'
import { keyWeight } from './weights.js'

/** Kept in memory (weights.ts): some 9,000 usual keys, or 250 that are as heavy as can be; and 10,000 aliases. */
const cachedKeysWeightMax = 16 * 1024 * 1024
const cachedAliasesMax = 10_000
/** How often a change is decided anew because another came first. */
const changeAttemptsMax = 10

export interface Change { readonly key: Key, readonly versions?: readonly KeyVersion[] }

/**
 * Keys and aliases by name, read once and then remembered. Every write to a key goes through `change`, so that a copy in memory
 * never outlives what it was copied from; writes of other processes show in `Store.generation`.
 */
export class Directory {
  readonly #store: Store
  readonly #keys: WeightedCache<KeyView>
  readonly #aliases = new WeightedCache<Alias>(cachedAliasesMax)
  #generation: number
  /** Counts own writes: what was read before one must not be remembered after it. */
  #writes = 0

  constructor(store: Store, keysWeightMax = cachedKeysWeightMax) {
    this.#store = store
    this.#keys = new WeightedCache(keysWeightMax)
    this.#generation = store.generation()
  }

  async key(region: string, keyId: string): Promise<KeyView | undefined> {
    this.#forgetIfChangedElsewhere()
    const name = `${region}/${keyId}`
    return this.#keys.get(name)
      ?? this.#remember(this.#keys, keyWeight, name, () => this.#store.keys.get(region, keyId))
  }

  async alias(accountId: string, region: string, aliasName: string): Promise<Alias | undefined> {
    this.#forgetIfChangedElsewhere()
    const name = `${accountId}/${region}/${aliasName}`
    return this.#aliases.get(name)
      ?? this.#remember(this.#aliases, () => 1, name, () => this.#store.aliases.get(accountId, region, aliasName))
  }

  /**
   * Reads the key as it is stored now, lets `decide` say what becomes of it, and writes that; again from the start if another write
   * came between. Answers the key as written, or as it was if `decide` answers undefined (nothing to do).
   */
  async change(region: string, keyId: string, decide: (view: KeyView) => Change | undefined): Promise<KeyView> {
    return this.#decided(async () => {
      const view = await this.#stored(region, keyId)
      const change = decide(view)
      return change ? this.#write([change], view) : view
    })
  }

  /**
   * `change` of a multi-Region key together with its relatives: those in other regions that are not destroyed. What `decide` answers is
   * written all or none, and has the key itself first: a relative that is added meanwhile changes it, and then all is decided anew.
   * Answers the key itself.
   */
  async changeAll(
    region: string, keyId: string, decide: (view: KeyView, relatives: readonly KeyView[]) => readonly [Change, ...Change[]] | undefined,
  ): Promise<KeyView> {
    return this.#decided(async () => {
      const view = await this.#stored(region, keyId)
      const relatives = await this.relatives(view)
      const changes = decide(view, relatives)
      return changes ? this.#write(changes, view) : view
    })
  }

  /** The keys of the same id in other regions, as they are stored now; not those that are destroyed. */
  async relatives({ key: { region, keyId, multiRegion } }: KeyView): Promise<readonly KeyView[]> {
    if (!multiRegion) return []
    const regions = (await this.#store.keys.regionsOf(keyId)).filter(other => other !== region)
    const views = await Promise.all(regions.map(other => this.#store.keys.get(other, keyId)))
    return views.filter(view => view !== undefined)
  }

  /** To be called after every write that does not go through `change`. */
  forgetKey(region: string, keyId: string): void {
    this.#writes++
    this.#keys.delete(`${region}/${keyId}`)
  }

  forgetAlias({ accountId, region }: Scope, aliasName: string): void {
    this.#writes++
    this.#aliases.delete(`${accountId}/${region}/${aliasName}`)
  }

  forgetAllAliases(): void {
    this.#writes++
    this.#aliases.clear()
  }

  async #stored(region: string, keyId: string): Promise<KeyView> {
    const view = await this.#store.keys.get(region, keyId)
    if (!view) throw new Error(`key ${keyId} is not in the store`)
    return view
  }

  async #decided<T>(attempt: () => Promise<T>): Promise<T> {
    for (let count = 1; ; count++) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof StaleWriteError) || count >= changeAttemptsMax) throw error
      }
    }
  }

  async #write(changes: readonly [Change, ...Change[]], before: KeyView): Promise<KeyView> {
    try {
      const [{ key, versions = [] }] = changes
      const { keys } = this.#store
      const [written = key] = changes.length === 1 ? [await keys.update(key, versions)] : await keys.updateAll(changes)
      return { key: written, versions: new Map([...before.versions, ...versions.map(version => [version.version, version] as const)]) }
    } finally {
      // Also when it failed: a commit whose answer was lost may still have happened.
      for (const { key } of changes) this.forgetKey(key.region, key.keyId)
    }
  }

  async #remember<T>(
    cache: WeightedCache<T>, weightOf: (value: T) => number, name: string, read: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const writes = this.#writes
    const value = await read()
    if (value === undefined || writes !== this.#writes) return value
    cache.set(name, value, weightOf(value))
    return value
  }

  #forgetIfChangedElsewhere(): void {
    const generation = this.#store.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#writes++
    this.#keys.clear()
    this.#aliases.clear()
  }
}
