import type { Key, KeyVersionState, KeyView } from '../domain/key.js'
import type { KeyName } from '../ports/keys.js'
import { serviceEvent } from './service-event.js'
import type { Services } from './services.js'

/**
 * Destroys a key whose deletion date has come, or one whose destruction a crash interrupted: rows `destroying`, objects gone, rows
 * `destroyed`. What is left is a tombstone without policy, tags and description. Answers false when it is not due any more.
 */
export async function deleteDueKey({ region, keyId }: KeyName, services: Services): Promise<boolean> {
  const { directory, backingKeys, store, audit, clock } = services
  const destroying = await directory.change(region, keyId, view => {
    if (!isDue(view.key, clock.now())) return undefined
    return { key: { ...view.key, state: 'Destroying' }, versions: allVersions(view, 'destroying') }
  })
  if (destroying.key.state !== 'Destroying') return false
  // The record comes first: nothing is destroyed that the audit log does not tell of. After a crash it may tell it twice.
  await audit.append(serviceEvent('DeleteKey', destroying.key, clock, {
    keyVersions: [...destroying.versions.values()].map(({ version, keyMaterialId }) => ({ keyVersion: version, keyMaterialId })),
  }))
  await store.aliases.removeAllOf(region, keyId)
  directory.forgetAllAliases()
  await backingKeys.destroyObjects(destroying)
  await directory.change(region, keyId, view => {
    const { schedule: _, ...key } = view.key
    return { key: { ...key, state: 'Destroyed', policy: '', tags: [], description: '' }, versions: allVersions(view, 'destroyed') }
  })
  return true
}

function allVersions({ versions }: KeyView, state: KeyVersionState) {
  return [...versions.values()].map(version => ({ ...version, state }))
}

function isDue({ state, deletionDate }: Key, now: number): boolean {
  return state === 'PendingDeletion' && deletionDate !== undefined && deletionDate <= now
}
