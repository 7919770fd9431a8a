import * as api from '../api/rotation.js'
import { KmsError } from '../domain/errors.js'
import { checkState, isPendingDeletion } from '../domain/key-state.js'
import { isPermanent, pendingVersion } from '../domain/imported-material.js'
import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import { isSynchronised } from '../domain/multi-region.js'
import { scheduledRotationNearMs, scheduleFrom } from '../domain/rotation.js'
import { changeKey } from './change-key.js'
import { fitsRotation, fitsScheduledRotation, refuseReplica } from './key-fit.js'
import { scheduleOf } from './multi-region.js'
import { onKey } from './operation.js'
import { rotateImported } from './imports/rotate.js'
import type { Services } from './services.js'

export const enableKeyRotation = onKey(api.enableKeyRotation, {
  state: 'schedule-rotation',
  key: input => input.KeyId,
  fits: fitsScheduledRotation,
  async run({ key, input }, services) {
    await changeKey(key, 'schedule-rotation', services, stored => {
      refuseReplica(stored)
      return { ...stored, schedule: scheduleFrom(services.clock.now(), input.RotationPeriodInDays) }
    })
  },
})

export const disableKeyRotation = onKey(api.disableKeyRotation, {
  state: 'schedule-rotation',
  key: input => input.KeyId,
  fits: fitsScheduledRotation,
  async run({ key }, services) {
    await changeKey(key, 'schedule-rotation', services, stored => {
      refuseReplica(stored)
      const { schedule: _, ...rest } = stored
      return rest
    })
  },
})

export const getKeyRotationStatus = onKey(api.getKeyRotationStatus, {
  readOnly: true,
  crossAccount: true,
  state: 'rotation-status',
  key: input => input.KeyId,
  fits: fitsRotation,
  async run({ key: view }, services) {
    const { key } = view
    const { schedule, state } = await scheduleOf(view, services)
    // While deletion is pending the schedule is kept but does not run; cancelling brings it back.
    if (!schedule || isPendingDeletion(key.state) || isPendingDeletion(state)) return { KeyId: key.arn, KeyRotationEnabled: false }
    return {
      KeyId: key.arn,
      KeyRotationEnabled: true,
      RotationPeriodInDays: schedule.periodInDays,
      NextRotationDate: new Date(schedule.nextRotation),
    }
  },
})

export const rotateKeyOnDemand = onKey(api.rotateKeyOnDemand, {
  state: 'rotate',
  key: input => input.KeyId,
  fits(key) {
    fitsRotation(key)
    refuseReplica(key)
  },
  async run({ key: view, used }, services) {
    const { key } = view
    const rotated = key.origin === 'EXTERNAL'
      ? await rotateImported(key, stored => counted(stored, services), services)
      : await services.keyVersions.rotate(key, 'ON_DEMAND', stored => {
        checkState({ ...view, key: stored }, 'rotate')
        refuseNearSchedule(stored, services.clock.now())
        return counted(stored, services)
      })
    const current = rotated.versions.get(rotated.key.currentVersion)
    if (current) used(key, current)
    return { KeyId: key.arn }
  },
  retry: { outcome: ({ KeyId }) => KeyId ?? '', answer: async arn => ({ KeyId: arn }) },
})

export const listKeyRotations = onKey(api.listKeyRotations, {
  readOnly: true,
  state: 'rotations',
  key: input => input.KeyId,
  fits: fitsRotation,
  async run({ key: view, input }, { pages, directory }) {
    const { key, versions } = view
    const listing = `ListKeyRotations ${key.arn} ${input.IncludeKeyMaterial}`
    const after = Number(await pages.after(listing, input.Marker) ?? 0)
    const relatives = key.origin === 'EXTERNAL' ? await directory.relatives(view) : []
    const shown = [...versions.values()]
      .filter(version => isShown(version, key) && version.version > after)
      .filter(version => version.rotation !== undefined || input.IncludeKeyMaterial === 'ALL_KEY_MATERIAL')
      .sort((a, b) => a.version - b.version)
    const { items, end } = await pages.cut(listing, shown, input.Limit, version => String(version.version))
    return { Rotations: items.map(version => entry(version, view, relatives)), ...end }
  },
})

/** One more rotation on demand, if there may be one more. The primary may have become a replica since the call was judged. */
function counted(key: Key, { limits }: Services): Key {
  refuseReplica(key)
  if (key.onDemandRotations >= limits.onDemandRotationsMax) {
    throw new KmsError('LimitExceededException', 'The on-demand rotations limit has been reached for the given keyId. '
      + `No more on-demand rotations can be performed for this key: ${key.arn}`)
  }
  return { ...key, onDemandRotations: key.onDemandRotations + 1 }
}

/** What was never finished is not shown; of imported material also what is not there any more. */
function isShown({ version, state }: KeyVersion, key: Key): boolean {
  if (key.origin !== 'EXTERNAL') return state === 'ready'
  return state === 'ready' || state === 'absent' || (state !== 'destroyed' && isPermanent({ version }, key))
}

function entry(version: KeyVersion, view: KeyView, relatives: readonly KeyView[]) {
  const { keyMaterialId, rotation } = version
  return {
    KeyId: view.key.arn,
    KeyMaterialId: keyMaterialId,
    KeyMaterialState: materialState(version, view, relatives),
    ...rotation && { RotationDate: new Date(rotation.date), RotationType: rotation.type },
    ...version.import && imported(version),
  }
}

function materialState({ version }: KeyVersion, { key }: KeyView, relatives: readonly KeyView[]) {
  if (version === key.currentVersion) return 'CURRENT' as const
  if (isPermanent({ version }, key)) return 'NON_CURRENT' as const
  const lacking = relatives.some(relative => isSynchronised(relative.key) && pendingVersion(relative)?.state !== 'ready')
  return lacking ? 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION' as const : 'PENDING_ROTATION' as const
}

function imported({ state, import: origin }: KeyVersion) {
  const { description, validTo } = origin ?? {}
  const isThere = state === 'ready'
  return {
    ImportState: isThere ? 'IMPORTED' as const : 'PENDING_IMPORT' as const,
    ...description !== undefined && { KeyMaterialDescription: description },
    ...isThere && { ExpirationModel: validTo === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const : 'KEY_MATERIAL_EXPIRES' as const },
    ...isThere && validTo !== undefined && { ValidTo: new Date(validTo) },
  }
}

function refuseNearSchedule({ schedule, arn }: Key, now: number): void {
  if (schedule && schedule.nextRotation - now < scheduledRotationNearMs) {
    throw new KmsError('ConflictException', `A scheduled rotation of ${arn} is due within 20 minutes`)
  }
}
