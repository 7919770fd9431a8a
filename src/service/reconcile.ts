import { setImmediate as nextTurn } from 'node:timers/promises'
import { materialOwner } from '../domain/material.js'
import type { ObjectListing } from '../ports/hsm.js'
import type { KeyName } from '../ports/keys.js'
import type { Services } from './services.js'

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
  const { store, backingKeys, clock } = services
  if (backingKeys.isMaking(name)) return 0
  const view = await store.keys.get(name.region, name.keyId)
  let undone = 0
  for (const version of view?.versions.values() ?? []) {
    if (version.state !== 'creating') continue
    const abandoned = alone || version.owner === owner || version.createdAt + abandonedAfterMs < clock.now()
    if (!abandoned) continue
    await backingKeys.undo(version)
    undone++
  }
  return undone
}

/**
 * Logs objects that carry our names but that no row knows. They are never destroyed: after restoring an older database they may be the
 * only copy of a key that is still needed.
 */
export async function reportOrphans({ hsm, store, log }: Services): Promise<readonly string[]> {
  const orphans: string[] = []
  const regions = await store.keys.regions()
  for (const [keyId, objects] of backingKeysById(await hsm.list())) {
    await nextTurn()
    try {
      const views = await Promise.all(regions.map(region => store.keys.get(region, keyId)))
      orphans.push(...objects.filter(({ version }) => !views.some(view => view?.versions.has(version))).map(({ label }) => label))
    } catch (error) {
      log.error('the versions of a key could not be compared with the HSM', { keyId, error })
    }
  }
  if (orphans.length > 0) log.warn('the HSM holds backing keys that no row knows; they were left alone', { objects: orphans })
  return orphans
}

function backingKeysById(listing: readonly ObjectListing[]): ReadonlyMap<string, readonly { label: string, version: number }[]> {
  const byId = new Map<string, { label: string, version: number }[]>()
  for (const { label } of listing) {
    const owner = materialOwner(label)
    if (owner?.kind !== 'backing-key') continue
    const objects = byId.get(owner.keyId) ?? []
    objects.push({ label, version: owner.version })
    byId.set(owner.keyId, objects)
  }
  return byId
}
