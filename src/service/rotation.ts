import * as api from '../api/rotation.js'
import { KmsError } from '../domain/errors.js'
import { checkState } from '../domain/key-state.js'
import type { Key, KeyVersion } from '../domain/key.js'
import { scheduledRotationNearMs, scheduleFrom } from '../domain/rotation.js'
import { changeKey } from './change-key.js'
import { onKey } from './operation.js'

const rotationPageDefault = 100

export const enableKeyRotation = onKey(api.enableKeyRotation, {
  state: 'rotate',
  key: input => input.KeyId,
  async run({ key, input }, services) {
    await changeKey(key, 'rotate', services, stored => ({
      ...stored, schedule: scheduleFrom(services.clock.now(), input.RotationPeriodInDays),
    }))
  },
})

export const disableKeyRotation = onKey(api.disableKeyRotation, {
  state: 'rotate',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'rotate', services, ({ schedule: _, ...rest }) => rest)
  },
})

export const getKeyRotationStatus = onKey(api.getKeyRotationStatus, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  async run({ key: { key } }) {
    // While deletion is pending the schedule is kept but does not run; cancelling brings it back.
    if (!key.schedule || key.state === 'PendingDeletion') return { KeyId: key.arn, KeyRotationEnabled: false }
    return {
      KeyId: key.arn,
      KeyRotationEnabled: true,
      RotationPeriodInDays: key.schedule.periodInDays,
      NextRotationDate: new Date(key.schedule.nextRotation),
    }
  },
})

export const rotateKeyOnDemand = onKey(api.rotateKeyOnDemand, {
  state: 'rotate',
  key: input => input.KeyId,
  async run({ key: view, used }, { backingKeys, clock, limits }) {
    const { key } = view
    const rotated = await backingKeys.rotate(key, 'ON_DEMAND', stored => {
      checkState({ ...view, key: stored }, 'rotate')
      refuseNearSchedule(stored, clock.now())
      if (stored.onDemandRotations >= limits.onDemandRotationsMax) {
        throw new KmsError('LimitExceededException', 'The on-demand rotations limit has been reached for the given keyId. '
          + `No more on-demand rotations can be performed for this key: ${key.arn}`)
      }
      return { ...stored, onDemandRotations: stored.onDemandRotations + 1 }
    })
    const current = rotated.versions.get(rotated.key.currentVersion)
    if (current) used(key.arn, current.version, current.keyMaterialId)
    return { KeyId: key.arn }
  },
})

export const listKeyRotations = onKey(api.listKeyRotations, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  async run({ key: { key, versions }, input }, { pages }) {
    const listing = `ListKeyRotations ${key.arn} ${input.IncludeKeyMaterial}`
    const after = Number(await pages.after(listing, input.Marker) ?? 0)
    const shown = [...versions.values()]
      .filter(version => version.state === 'ready' && version.version > after)
      .filter(version => version.rotation !== undefined || input.IncludeKeyMaterial === 'ALL_KEY_MATERIAL')
      .sort((a, b) => a.version - b.version)
    const { items, end } = await pages.cut(listing, shown, input.Limit ?? rotationPageDefault, version => String(version.version))
    return { Rotations: items.map(version => entry(version, key)), ...end }
  },
})

function entry({ version, keyMaterialId, rotation }: KeyVersion, key: Key) {
  return {
    KeyId: key.arn,
    KeyMaterialId: keyMaterialId,
    KeyMaterialState: version === key.currentVersion ? 'CURRENT' as const : 'NON_CURRENT' as const,
    ...rotation && { RotationDate: new Date(rotation.date), RotationType: rotation.type },
  }
}

function refuseNearSchedule({ schedule, arn }: Key, now: number): void {
  if (schedule && schedule.nextRotation - now < scheduledRotationNearMs) {
    throw new KmsError('ConflictException', `A scheduled rotation of ${arn} is due within 20 minutes`)
  }
}
