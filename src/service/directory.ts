import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import type { Alias } from '../ports/aliases.js'
import { StaleWriteError } from '../ports/keys.js'
import type { Store } from '../ports/store.js'

/** Views kept in memory; beyond it the oldest goes. */
const cachedKeysMax = 10_000
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
  readonly #keys = new Map<string, KeyView>()
  readonly #aliases = new Map<string, Alias>()
  #generation: number
  /** Counts own writes: what was read before one must not be remembered after it. */
  #writes = 0

  constructor(store: Store) {
    this.#store = store
    this.#generation = store.generation()
  }

  async key(region: string, keyId: string): Promise<KeyView | undefined> {
    this.#forgetIfChangedElsewhere()
    const name = `${region}/${keyId}`
    return this.#keys.get(name)
      ?? this.#remember(this.#keys, cachedKeysMax, name, () => this.#store.keys.get(region, keyId))
  }

  async alias(region: string, aliasName: string): Promise<Alias | undefined> {
    this.#forgetIfChangedElsewhere()
    const name = `${region}/${aliasName}`
    return this.#aliases.get(name)
      ?? this.#remember(this.#aliases, cachedAliasesMax, name, () => this.#store.aliases.get(region, aliasName))
  }

  /**
   * Reads the key as it is stored now, lets `decide` say what becomes of it, and writes that; again from the start if another write
   * came between. Answers the key as written, or as it was if `decide` answers undefined (nothing to do).
   */
  async change(region: string, keyId: string, decide: (view: KeyView) => Change | undefined): Promise<KeyView> {
    for (let attempt = 1; ; attempt++) {
      const view = await this.#store.keys.get(region, keyId)
      if (!view) throw new Error(`key ${keyId} is not in the store`)
      const change = decide(view)
      if (!change) return view
      try {
        return await this.#write(change, view)
      } catch (error) {
        if (!(error instanceof StaleWriteError) || attempt >= changeAttemptsMax) throw error
      }
    }
  }

  /** To be called after every write that does not go through `change`. */
  forgetKey(region: string, keyId: string): void {
    this.#writes++
    this.#keys.delete(`${region}/${keyId}`)
  }

  forgetAlias(region: string, aliasName: string): void {
    this.#writes++
    this.#aliases.delete(`${region}/${aliasName}`)
  }

  forgetAllAliases(): void {
    this.#writes++
    this.#aliases.clear()
  }

  async #write({ key, versions = [] }: Change, before: KeyView): Promise<KeyView> {
    try {
      const written = await this.#store.keys.update(key, versions)
      return { key: written, versions: new Map([...before.versions, ...versions.map(version => [version.version, version] as const)]) }
    } finally {
      // Also when it failed: a commit whose answer was lost may still have happened.
      this.forgetKey(key.region, key.keyId)
    }
  }

  async #remember<T>(cache: Map<string, T>, max: number, name: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    const writes = this.#writes
    const value = await read()
    if (value === undefined || writes !== this.#writes) return value
    const [oldest] = cache.keys()
    if (cache.size >= max && oldest !== undefined) cache.delete(oldest)
    cache.set(name, value)
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
