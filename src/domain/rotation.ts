import { createHash } from 'node:crypto'
import { keyIdBytes } from './key-id.js'
import type { RotationSchedule } from './key.js'

export const dayMs = 86_400_000
/** RotateKeyOnDemand conflicts with a scheduled rotation that is this near (KMS API Reference, ConflictException). */
export const scheduledRotationNearMs = 20 * 60_000

/** The schedule that starts, or starts again, at `now`. */
export function scheduleFrom(now: number, periodInDays: number): RotationSchedule {
  return { periodInDays, nextRotation: now + periodInDays * dayMs }
}

/** The schedule after a scheduled rotation: in step with the old dates, unless those were missed by a whole period. */
export function scheduleAfter(schedule: RotationSchedule, now: number): RotationSchedule {
  const next = schedule.nextRotation + schedule.periodInDays * dayMs
  return next > now ? { ...schedule, nextRotation: next } : scheduleFrom(now, schedule.periodInDays)
}

/**
 * The KeyMaterialId of a version: 64 hex digits, told by key id and version alone, so that it can be found again when only the
 * HSM's objects are left.
 */
export function keyMaterialId(keyId: string, version: number): string {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, version)
  return createHash('sha256').update('claviger key material\0').update(keyIdBytes(keyId)).update(number).digest('hex')
}
