import type { Scope } from '../../domain/key-ref.js'
import type { Key } from '../../domain/key.js'
import type { CustomKeyStore } from '../../ports/custom-key-stores.js'
import type { Store } from '../../ports/store.js'

/** A configured key store as CreateCustomKeyStore can claim it: what a CloudHSM cluster is to AWS. */
export interface Cluster {
  readonly clusterId: string
  readonly keyStore: string
  /** Whose token it is; without it, that of the installation. */
  readonly accountId?: string
  /** PEM. Without it, whoever claims the store may show any certificate. */
  readonly trustAnchor?: string
}

/** The custom key stores in memory: every call asks whether that of its key is connected. */
export class CustomKeyStoreRegistry {
  readonly #store: Store
  readonly #clusters: ReadonlyMap<string, Cluster>
  #byId: ReadonlyMap<string, CustomKeyStore> = new Map()

  constructor(store: Store, clusters: readonly Cluster[] = []) {
    this.#store = store
    this.#clusters = new Map(clusters.map(cluster => [cluster.clusterId, cluster]))
  }

  /** To be called at start and after every write. */
  async load(): Promise<void> {
    this.#byId = new Map((await this.#store.customKeyStores.all()).map(one => [one.id, one]))
  }

  get(id: string): CustomKeyStore | undefined {
    return this.#byId.get(id)
  }

  /** Those of an account in a region, ascending by id. */
  list({ accountId, region }: Scope): readonly CustomKeyStore[] {
    return [...this.#byId.values()].filter(one => one.accountId === accountId && one.region === region).sort((a, b) => a.id < b.id ? -1 : 1)
  }

  /** Whose token a configured key store is. */
  byKeyStore(keyStore: string): CustomKeyStore | undefined {
    return [...this.#byId.values()].find(one => one.keyStore === keyStore)
  }

  /** true for a key that is in no custom key store. */
  isConnected({ customKeyStoreId }: Pick<Key, 'customKeyStoreId'>): boolean {
    return customKeyStoreId === undefined || (this.#byId.get(customKeyStoreId)?.connected ?? false)
  }

  /** false for the token of a custom key store that is disconnected: nobody may log in to it. */
  isWanted(keyStore: string): boolean {
    return this.byKeyStore(keyStore)?.connected ?? true
  }

  /** By its id; also one that is claimed already. */
  cluster(clusterId: string): Cluster | undefined {
    return this.#clusters.get(clusterId)
  }
}
