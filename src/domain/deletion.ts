import { stateWithMaterial } from './imported-material.js'
import type { Key, KeyView } from './key.js'

/** KMS API Reference, ScheduleKeyDeletion; the model would let 1-365 through. */
export const pendingWindowDays = { min: 7, max: 30 } as const

/** A key whose deletion is given up: it comes back disabled, or still waits for the material that it lacks. */
export function reprieved(view: KeyView): Key {
  const { deletionDate: _, pendingWindowInDays: __, ...key } = view.key
  const lacking = key.origin === 'EXTERNAL' && stateWithMaterial(view) === 'PendingImport'
  return { ...key, state: lacking ? 'PendingImport' : 'Disabled' }
}

/** What is left of a key that is destroyed. */
export function tombstone({ schedule: _, pendingWindowInDays: __, policyBindings: ___, ...key }: Key): Key {
  return { ...key, state: 'Destroyed', policy: '', tags: [], description: '' }
}
