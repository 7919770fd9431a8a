import type { Handle } from 'pkcs11js'
import type { Profile } from '../profile.js'
import { observeCurves, type CurveObservation } from './curves.js'
import { observeLimits, observeNames, readsCheckValue, sessionsMax, type LimitObservation, type NameObservation } from './limits.js'
import { observeRsa } from './oaep.js'
import { firstMade, observeObjects, type ObjectObservation } from './objects.js'
import { observeSealing, type SealObservation } from './sealing.js'
import { Trial, type Place } from './trial.js'

/** What a token showed of itself in trials with keys of our own; nothing of them is left in it. */
export interface Observations extends LimitObservation, NameObservation, ObjectObservation, SealObservation, CurveObservation {
  readonly sessionKeys: boolean
  readonly checkValue: boolean
  readonly oaep: Profile['oaep']
  readonly sessionsMax: number | null
}

/** Throws what the library throws when the device goes away meanwhile. */
export function observe(place: Place, base: Profile): Observations {
  return Trial.run(place, trial => {
    const objects = observeObjects(trial, base)
    // A key bound to one mechanism could not be tried with others.
    const profile = { ...base, template: { ...base.template, ...objects.template }, allowedMechanisms: false, idBytesMax: 0 }
    const names = observeNames(trial, profile)
    trial.sessionKeys = makesSessionKeys(trial, profile)
    const [key, macKey] = trialKeys(trial, profile)
    const rsa = observeRsa(trial)
    return {
      ...objects,
      ...names,
      ...observeCurves(trial, profile),
      ...observeSealing(trial, profile, key, macKey),
      ...observeLimits(trial, macKey),
      checkValue: key !== undefined && readsCheckValue(trial, key),
      oaep: rsa.oaep,
      unreadable: [...objects.unreadable, ...rsa.unreadable],
      sessionKeys: trial.sessionKeys,
      sessionsMax: sessionsMax(place),
    }
  })
}

/** Only which way of sealing works, with keys as the profile makes them. */
export function observeSeal(place: Place, profile: Profile): SealObservation {
  return Trial.run(place, trial => {
    trial.sessionKeys = profile.sessionKeys
    const unbound = { ...profile, allowedMechanisms: false }
    return observeSealing(trial, unbound, ...trialKeys(trial, unbound))
  })
}

/** Keys with CKA_TOKEN false; leaves none behind. */
export function makesSessionKeys(trial: Trial, profile: Profile): boolean {
  const before = trial.sessionKeys
  trial.sessionKeys = true
  const made = firstMade(trial, 'secret', [profile])
  if (made.ok) trial.discard(...made.value.objects)
  trial.sessionKeys = before
  return made.ok
}

export function trialKeys(trial: Trial, profile: Profile): [key: Handle | undefined, macKey: Handle | undefined] {
  const one = (role: 'secret' | 'mac'): Handle | undefined => {
    const made = firstMade(trial, role, [profile])
    return made.ok ? made.value.objects[0] : undefined
  }
  return [one('secret'), one('mac')]
}
