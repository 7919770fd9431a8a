import { createHash } from 'node:crypto'
import { keyIdBytes } from './key-id.js'
import type { Key, KeyVersion, KeyView } from './key.js'

/** What the state of an EXTERNAL key must be: it is of use only while all material that belongs to it for good is there. */
export function stateWithMaterial({ key, versions }: KeyView): 'Enabled' | 'PendingImport' {
  const permanent = [...versions.values()].filter(version => isPermanent(version, key))
  return permanent.length > 0 && permanent.every(({ state }) => state === 'ready') ? 'Enabled' : 'PendingImport'
}

/** Material belongs to a key for good once it was current. What waits for its rotation may go without harm. */
export function isPermanent({ version }: Pick<KeyVersion, 'version'>, { currentVersion }: Pick<Key, 'currentVersion'>): boolean {
  return version <= currentVersion
}

/** The material that waits to become current, whether or not it is there; undefined if there is none. */
export function pendingVersion({ key, versions }: KeyView): KeyVersion | undefined {
  return [...versions.values()].find(version => !isPermanent(version, key) && (version.state === 'ready' || version.state === 'absent'))
}

/** The KeyMaterialId of imported material: told by key and material, so that the same material has the same again. */
export function importedMaterialId(keyId: string, fingerprint: Uint8Array): string {
  return createHash('sha256').update('claviger imported key material\0').update(keyIdBytes(keyId)).update(fingerprint).digest('hex')
}

/** The ready versions of a key whose time has run out. */
export function expiredVersions({ versions }: KeyView, now: number): readonly KeyVersion[] {
  return [...versions.values()].filter(({ state, import: imported }) => {
    return state === 'ready' && imported?.validTo !== undefined && imported.validTo <= now
  })
}

/** The key once these versions have not got their material any more. */
export function keyWithout(gone: readonly KeyVersion[], { key }: KeyView): Key {
  const matters = gone.some(version => isPermanent(version, key)) && (key.state === 'Enabled' || key.state === 'Disabled')
  return matters ? { ...key, state: 'PendingImport' } : key
}

/** A view is judged for every call: when its next material expires is worked out once. */
const nextExpiries = new WeakMap<KeyView, number>()

/** The key as it must be taken at `now`: what has expired is gone, also where the job that takes it away has not come by yet. */
export function atTime(view: KeyView, now: number): KeyView {
  if (view.key.origin !== 'EXTERNAL' || now < nextExpiry(view)) return view
  const gone = expiredVersions(view, now)
  return {
    key: keyWithout(gone, view),
    versions: new Map([...view.versions, ...gone.map(version => [version.version, { ...version, state: 'absent' as const }] as const)]),
  }
}

function nextExpiry(view: KeyView): number {
  const known = nextExpiries.get(view)
  if (known !== undefined) return known
  const ready = [...view.versions.values()].filter(({ state }) => state === 'ready')
  const times = ready.map(({ import: imported }) => imported?.validTo ?? Infinity)
  const next = Math.min(Infinity, ...times)
  nextExpiries.set(view, next)
  return next
}
