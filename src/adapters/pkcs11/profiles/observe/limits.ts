import pkcs11, { type Handle } from 'pkcs11js'
import { readAttribute, type ObjectPlan } from '../../driver/evidence.js'
import { hmac } from '../../driver/operations.js'
import type { Profile } from '../profile.js'
import { plansOf } from './objects.js'
import { ask, type Place, type Trial } from './trial.js'

/** The largest of some sizes that worked; 0 when none did. */
export interface NameObservation {
  readonly labelBytes: number
  readonly idBytes: number
}
export interface LimitObservation {
  readonly randomChunkBytes: number
  readonly macBytes: number
}

const labelSizes = [255, 64, 40]
const idSizes = [64, 20]
/** domain/material.ts. */
const ourIdBytes = 20
const randomSizes = [4096, 2000, 1024, 256]
const macSizes = [1024 * 1024, 65_536, 16_288, 8192, 4096, 2048, 1024]

/** By token objects: session keys may have names that no object can keep. */
export function observeNames(trial: Trial, profile: Profile): NameObservation {
  return {
    labelBytes: labelSizes.find(bytes => takesLabel(trial, profile, bytes)) ?? 0,
    idBytes: idSizes.find(bytes => takesId(trial, profile, bytes)) ?? 0,
  }
}

export function observeLimits(trial: Trial, macKey: Handle | undefined): LimitObservation {
  return {
    randomChunkBytes: randomSizes.find(bytes => givesRandom(trial, bytes)) ?? 0,
    macBytes: macSizes.find(bytes => macKey && macs(trial, macKey, bytes)) ?? 0,
  }
}

/** The trial's own label in front, so that whatever is left of it can be recognised. */
export function takesLabel(trial: Trial, profile: Profile, bytes: number): boolean {
  const label = trial.label.padEnd(bytes, 'x').slice(0, bytes)
  return takes(trial, profile, { label }, (session, key) => readAttribute(trial.lib, session, key, 'label') === label)
}

/**
 * Also, for an id as long as ours, whether two keys may have it, as the two of `cbc-hmac` do: to some tokens the id is what a key is known
 * by, and the second takes the place of the first.
 */
export function takesId(trial: Trial, profile: Profile, bytes: number): boolean {
  if (bytes === 0) return true
  const id = Buffer.alloc(bytes, 0xc7)
  const reads = (session: Handle, key: Handle): boolean => readAttribute(trial.lib, session, key, 'id') === id.toString('hex')
  return takes(trial, profile, { id }, (session, first) => reads(session, first) && (bytes < ourIdBytes
    || takes(trial, profile, { id, label: `${trial.label}-2` }, (_session, second) => !second.equals(first) && reads(session, first))))
}

function takes(trial: Trial, profile: Profile, extra: ObjectPlan['wanted'], right: (session: Handle, key: Handle) => boolean): boolean {
  const [plan] = plansOf(trial, 'secret', profile)
  if (!plan) return false
  const answer = ask(() => {
    const key = trial.key(plan.generate, { ...plan.wanted, ...extra })
    try {
      return trial.reading(session => right(session, key))
    } finally {
      trial.discard(key)
    }
  })
  return answer.ok && answer.value
}

export function givesRandom(trial: Trial, bytes: number): boolean {
  const answer = ask(() => trial.onSession(session => trial.lib.C_GenerateRandom(session, Buffer.alloc(bytes))))
  return answer.ok && answer.value.some(byte => byte !== 0)
}

export function macs(trial: Trial, key: Handle, bytes: number): boolean {
  return ask(() => trial.onSession(session => hmac(trial.lib, session, key, Buffer.alloc(bytes, 1)))).ok
}

export function readsCheckValue(trial: Trial, key: Handle): boolean {
  const answer = ask(() => trial.reading(session => trial.lib.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_CHECK_VALUE }])))
  return answer.ok && (answer.value[0]?.value?.length ?? 0) > 0
}

/** Most sessions that the token says it has; null when it does not say, or says there is no limit. */
export function sessionsMax({ lib, slot }: Place): number | null {
  const { maxSessionCount, maxRwSessionCount } = lib.C_GetTokenInfo(slot)
  // CK_EFFECTIVELY_INFINITE is 0, CK_UNAVAILABLE_INFORMATION all ones; the binding gives 32 bits, and some say "nearly all ones".
  const told = [maxSessionCount, maxRwSessionCount].filter(count => count > 0 && count < 0x7fffffff)
  return told.length > 0 ? Math.min(...told) : null
}
