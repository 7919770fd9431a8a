import { KmsError } from '../../domain/errors.js'
import { checkState } from '../../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../../domain/key.js'
import { expiredVersions, keyWithout } from '../../domain/imported-material.js'
import type { KeyName } from '../../ports/keys.js'
import { serviceEvent } from '../service-event.js'
import type { Services } from '../services.js'

/*
 * Taking imported material away: rows `destroying`, which nothing uses any more; objects gone; rows `absent`. What a crash leaves in
 * between is `destroying`, and is finished by the job.
 */

/** Deletes one material, the current one unless an id is given; answers its version, and undefined for a key that never had any. */
export async function deleteMaterial(key: Key, keyMaterialId: string | undefined, services: Services): Promise<KeyVersion | undefined> {
  const { directory, keyVersions } = services
  let chosen: KeyVersion | undefined
  await directory.change(key.region, key.keyId, stored => {
    const view = checkState(stored, 'delete-material')
    chosen = choose(view, keyMaterialId)
    return chosen?.state === 'ready' ? removing([chosen], view) : undefined
  })
  if (chosen?.state === 'ready' || chosen?.state === 'destroying') await keyVersions.finishRemoval(key)
  return chosen
}

/** Takes away what has expired, or what a crash has left half taken away; answers false when there is no such thing any more. */
export async function expireMaterial({ region, keyId }: KeyName, services: Services): Promise<boolean> {
  const { directory, keyVersions, store, audit, clock } = services
  const stored = await store.keys.get(region, keyId)
  if (!stored || isGoing(stored.key) || !isDue(stored, clock.now())) return false
  // Neither marked nor recorded again and again while its key store is away; nothing can be done with it meanwhile.
  await keyVersions.reach(stored.key)
  let expired: readonly KeyVersion[] = []
  const { versions } = await directory.change(region, keyId, view => {
    expired = isGoing(view.key) ? [] : expiredVersions(view, clock.now())
    return expired.length > 0 ? removing(expired, view) : undefined
  })
  if (expired.length > 0) {
    const gone = expired.map(({ version, keyMaterialId }) => ({ keyVersion: version, keyMaterialId }))
    await audit.append(serviceEvent('DeleteExpiredKeyMaterial', stored.key, clock, { keyVersions: gone }))
  }
  if (![...versions.values()].some(({ state }) => state === 'destroying')) return false
  await keyVersions.finishRemoval({ region, keyId })
  return true
}

function removing(gone: readonly KeyVersion[], view: KeyView) {
  return { key: keyWithout(gone, view), versions: gone.map(version => ({ ...version, state: 'destroying' as const })) }
}

function choose({ key, versions }: KeyView, keyMaterialId: string | undefined): KeyVersion | undefined {
  if (keyMaterialId === undefined) return versions.get(key.currentVersion)
  const found = [...versions.values()].find(version => version.keyMaterialId === keyMaterialId && version.state !== 'destroyed')
  if (found) return found
  throw new KmsError('NotFoundException', `Key material '${keyMaterialId}' of ${key.arn} does not exist`)
}

function isDue(view: KeyView, now: number): boolean {
  return expiredVersions(view, now).length > 0 || [...view.versions.values()].some(({ state }) => state === 'destroying')
}

/** Its destruction is the business of service/delete-keys.ts. */
function isGoing({ state }: Key): boolean {
  return state === 'Creating' || state === 'Destroying' || state === 'Destroyed'
}
