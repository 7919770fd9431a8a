import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeyName } from '../ports/keys.js'
import type { Services } from './services.js'
import { tokenObjects } from './token-objects.js'

/** A half-made row of another process is left alone for this long: that process may still be at work. */
const abandonedAfterMs = 5 * 60_000
const batchMax = 100

export interface Reconciled { readonly undone: number }

/**
 * Takes back what a crash left half-made: the object first, then the row. `alone` says that no other process uses the store, so that
 * whatever is half-made and not ours is abandoned. Destruction that was begun is finished by service/delete-keys.ts.
 */
export async function reconcile(services: Services, owner: string, alone: boolean): Promise<Reconciled> {
  let undone = 0
  for (const name of await services.store.keys.unsettled(batchMax)) {
    // Store and HSM may answer without ever letting the event loop turn; requests must not wait for the whole batch.
    await nextTurn()
    // A key that fails does not hold up the others.
    undone += await undoHalfMade(name, services, owner, alone).catch((error: unknown) => {
      services.log.error('could not take back what a crash had left half-made', { ...name, error })
      return 0
    })
  }
  if (undone > 0) services.log.info('took back key versions that a crash had left half-made', { undone })
  return { undone }
}

async function undoHalfMade(name: KeyName, services: Services, owner: string, alone: boolean): Promise<number> {
  const { store, keyVersions, customKeyStores, clock } = services
  if (keyVersions.isMaking(name)) return 0
  const view = await store.keys.get(name.region, name.keyId)
  // It waits, and quietly, until its custom key store is connected again.
  if (view && !customKeyStores.isConnected(view.key)) return 0
  let undone = 0
  for (const version of view?.versions.values() ?? []) {
    if (version.state !== 'creating') continue
    const abandoned = alone || version.owner === owner || version.createdAt + abandonedAfterMs < clock.now()
    if (!abandoned) continue
    await keyVersions.undo(version)
    undone++
  }
  // A replica that was begun has no version yet.
  if (undone > 0 || view?.key.state !== 'Creating' || !alone && view.key.createdAt + abandonedAfterMs >= clock.now()) return undone
  await keyVersions.whenIdle(view.key, () => keyVersions.removeUnfinished(name))
  return 1
}

/**
 * Logs objects that carry our names but that no row of this key store knows. They are never destroyed: after restoring an older database
 * they may be the only copy of a key that is still needed.
 */
export async function reportOrphans({ keyStores, store, log }: Services, keyStore: string): Promise<readonly string[]> {
  const objects = await tokenObjects(await keyStores.get(keyStore).list(), keyStore, store)
  const unreadable = objects.filter(({ standing }) => standing === 'unreadable')
  if (unreadable.length > 0) {
    const [{ failure: error } = { failure: undefined }] = unreadable
    const keyIds = new Set(unreadable.map(({ owner }) => owner?.kind === 'backing-key' ? owner.keyId : ''))
    log.error('the versions of some keys could not be compared with the HSM', { keyStore, keyIds: [...keyIds], error })
  }
  const orphans = objects.filter(({ standing }) => standing === 'orphan').map(({ label }) => label)
  if (orphans.length > 0) log.warn('the HSM holds backing keys that no row knows; they were left alone', { keyStore, objects: orphans })
  return orphans
}

/** Logs the regions that have keys and are not served (any more). */
export async function reportKeysWithoutRegion({ regions, store, log }: Services): Promise<readonly string[]> {
  const missing: string[] = []
  for (const region of await store.keys.regions()) {
    if (!regions.includes(region) && (await store.keys.list(undefined, region, undefined, 1)).length > 0) missing.push(region)
  }
  if (missing.length > 0) log.error('keys cannot be used: the configuration does not have their regions', { regions: missing })
  return missing
}

/** Logs how many keys cannot be used because the configuration does not have their key store any more. */
export async function reportKeysWithoutStore({ keyStores, store, log }: Services): Promise<readonly string[]> {
  const counts = await store.keys.countByKeyStore()
  const missing = [...counts].filter(([name]) => !keyStores.names.includes(name))
  for (const [keyStore, keys] of missing) {
    log.error('keys cannot be used: the configuration does not have their key store', { keyStore, keys })
  }
  return missing.map(([name]) => name)
}
