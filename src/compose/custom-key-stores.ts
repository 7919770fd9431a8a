import { readFileSync } from 'node:fs'
import type { Config } from '../config.js'
import type { Store } from '../ports/store.js'
import { CustomKeyStoreRegistry, type Cluster } from '../service/custom-key-stores/registry.js'
import { InstallationError, storedInstallation } from '../service/first-start.js'
import type { OpenedKeyStores } from './key-stores.js'

/** Begins to open the key stores beside that of the roots, but for those whose custom key store is disconnected. */
export async function openOtherStores(config: Config, keyStores: OpenedKeyStores, store: Store): Promise<CustomKeyStoreRegistry> {
  // A token that cannot vouch for the database is told of in its own words, and not as a wrong row of a table.
  const installed = await storedInstallation(store)
  if (installed) await store.customKeyStores.adopt(installed.accountId)
  const registry = new CustomKeyStoreRegistry(store, clustersOf(config))
  await registry.load()
  const ofRegions = Object.entries(config.regionKeyStores).map(([region, keyStore]) => [`regionKeyStores.${region}`, keyStore] as const)
  for (const [setting, keyStore] of [['defaultKeyStore', config.defaultKeyStore] as const, ...ofRegions]) {
    const claimed = registry.byKeyStore(keyStore)
    if (!claimed) continue
    throw new InstallationError(`${setting} is "${keyStore}", which is that of the custom key store ${claimed.id} `
      + `("${claimed.name}"): other keys cannot be made there before that is deleted`)
  }
  keyStores.openOthers(name => registry.isWanted(name))
  // What a crash left in any of them can then be cleared before the first call.
  await keyStores.tried()
  return registry
}

function clustersOf({ clusters }: Config): readonly Cluster[] {
  return Object.entries(clusters).map(([keyStore, { clusterId, accountId, trustAnchor }]) => ({
    keyStore, clusterId,
    ...accountId !== undefined && { accountId },
    ...trustAnchor !== undefined && { trustAnchor: readFileSync(trustAnchor, 'utf8') },
  }))
}
