import { pendingWindowDays, tombstone } from '../domain/deletion.js'
import type { Key, KeyVersionState, KeyView } from '../domain/key.js'
import { versionMaterial, type Material } from '../domain/material.js'
import { dayMs } from '../domain/rotation.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyName } from '../ports/keys.js'
import { serviceEvent } from './service-event.js'
import type { Services } from './services.js'
import { tokenObjects } from './token-objects.js'

/**
 * Destroys a key whose deletion date has come, or one whose destruction a crash interrupted: rows `destroying`, objects gone, rows
 * `destroyed`. What is left is a tombstone without policy, tags and description. Answers false when it is not due any more. Of a primary
 * whose last replica is gone it starts the wait.
 */
export async function deleteDueKey({ region, keyId }: KeyName, services: Services): Promise<boolean> {
  const { directory, keyVersions, store, audit, clock, grantIndex } = services
  const stored = await store.keys.get(region, keyId)
  if (stored?.key.state === 'PendingReplicaDeletion') {
    await startWindow(stored.key, services)
    return false
  }
  // Neither marked nor recorded again and again while its key store is away.
  if (stored) await keyVersions.reach(stored.key)
  if (stored && isDue(stored.key, clock.now())) await refuseWrongToken(stored, services)
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
  await store.grants.removeAllOf(region, keyId)
  grantIndex.forget({ region, keyId })
  await keyVersions.destroyObjects(destroying)
  const destroyed = await directory.change(region, keyId, view => ({ key: tombstone(view.key), versions: allVersions(view, 'destroyed') }))
  for (const { key: relative } of await directory.relatives(destroyed)) await startWindow(relative, services)
  return true
}

/** Once the last replica of a primary is gone, its own wait begins. */
async function startWindow({ region, keyId }: KeyName, { directory, clock }: Services): Promise<void> {
  await directory.changeAll(region, keyId, ({ key: { pendingWindowInDays: days = pendingWindowDays.max, ...key } }, relatives) => {
    if (key.state !== 'PendingReplicaDeletion' || relatives.length > 0) return undefined
    return [{ key: { ...key, state: 'PendingDeletion', deletionDate: clock.now() + days * dayMs } }]
  })
}

function allVersions({ versions }: KeyView, state: KeyVersionState) {
  return [...versions.values()].map(version => ({ ...version, state }))
}

function isDue({ state, deletionDate }: Key, now: number): boolean {
  return state === 'PendingDeletion' && deletionDate !== undefined && deletionDate <= now
}

/**
 * A token that is another one, or does not show its objects, would be told to destroy nothing: the key would be `Destroyed`, and live on
 * in the right token. So objects that are not there are believed to be lost only by a token that has others of this key store.
 */
async function refuseWrongToken({ key, versions }: KeyView, { keyStores, store, log }: Services): Promise<void> {
  const hsm = keyStores.get(key.keyStore)
  const missing: string[] = []
  for (const version of versions.values()) {
    const material = versionMaterial(version)
    if (version.state === 'ready' && !await isThere(hsm, material)) missing.push(material.name)
  }
  if (missing.length === 0) return
  const { keyId, keyStore } = key
  const objects = await tokenObjects(await hsm.list(), keyStore, store)
  const ours = objects.some(object => object.standing === 'known' && (object.key !== undefined || hsm === keyStores.roots))
  if (!ours) throw new HsmError('missing', `the token of key store ${keyStore} has no key of it: is it the right token?`)
  log.warn('a key is deleted whose objects are not in the HSM', { keyStore, keyId, objects: missing })
}

/** An object that is not as it should be is there, and is destroyed. */
async function isThere(hsm: Hsm, material: Material): Promise<boolean> {
  try {
    return await hsm.find(material) !== undefined
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'evidence') return true
    throw error
  }
}
