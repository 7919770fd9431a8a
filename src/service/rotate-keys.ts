import { KmsError } from '../domain/errors.js'
import { checkState } from '../domain/key-state.js'
import type { Key, KeyView } from '../domain/key.js'
import { scheduleAfter } from '../domain/rotation.js'
import type { KeyName } from '../ports/keys.js'
import { currentVersion } from './backing-keys.js'
import { serviceEvent } from './service-event.js'
import type { Services } from './services.js'

/** Rotates a key whose scheduled date has come; answers false when it is not due any more. */
export async function rotateDueKey({ region, keyId }: KeyName, services: Services): Promise<boolean> {
  const now = services.clock.now()
  const view = await services.store.keys.get(region, keyId)
  if (!view || !isDue(view.key, now)) return false
  const rotated = await services.keyVersions.rotate(view.key, 'AUTOMATIC', stored => {
    checkState({ ...view, key: stored }, 'rotate')
    if (!stored.schedule || !isDue(stored, now)) throw new KmsError('ConflictException', 'The schedule was changed meanwhile')
    return { ...stored, schedule: scheduleAfter(stored.schedule, now) }
  })
  await recordRotation(rotated, 'schedule', services)
  return true
}

/** Puts a rotation that no caller asked for into the audit log. */
export async function recordRotation(view: KeyView, reason: 'schedule' | 'budget', { audit, clock }: Pick<Services, 'audit' | 'clock'>) {
  const { version, keyMaterialId } = currentVersion(view)
  await audit.append(serviceEvent('RotateKey', view.key, clock, { reason, keyVersion: version, keyMaterialId, rotationType: 'AUTOMATIC' }))
}

function isDue({ state, schedule }: Key, now: number): boolean {
  return state === 'Enabled' && schedule !== undefined && schedule.nextRotation <= now
}
