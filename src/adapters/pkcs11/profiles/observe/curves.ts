import type { Handle } from 'pkcs11js'
import type { MaterialKind } from '../../../../domain/material.js'
import { objectPlans } from '../../driver/evidence.js'
import { mechanismsOf } from '../../driver/mechanisms.js'
import { signWith, verifiesWith } from '../../driver/operations.js'
import { prehashEdwards, pureEdwards } from '../../driver/signing.js'
import type { EdwardsFacts, Profile } from '../profile.js'
import { make } from './objects.js'
import { ask, type Trial } from './trial.js'

export interface CurveObservation {
  readonly edwards: EdwardsFacts
  readonly lacks: readonly MaterialKind[]
}

const kinds = [
  'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ecdsa-secp256k1', 'ecdh-p256', 'ecdh-p384', 'ecdh-p521',
] as const satisfies readonly MaterialKind[]
const text = Buffer.alloc(64, 0x5a)
const edwardsSignatureBytes = 64

/** Which curves there are: a list of mechanisms does not say. */
export function observeCurves(trial: Trial, profile: Profile): CurveObservation {
  const lacks: MaterialKind[] = kinds.filter(kind => offered(trial, kind, profile) && !withPair(trial, kind, profile, () => true))
  let edwards: EdwardsFacts = profile.edwards
  if (offered(trial, 'ed25519', profile)) {
    const { parameters: first } = profile.edwards
    const found = ([first, first === 'oid' ? 'name' : 'oid'] as const)
      .map(parameters => ({ ...profile, edwards: { parameters, prehash: false } }))
      .find(each => withPair(trial, 'ed25519', each, () => true))
    if (found) edwards = { ...found.edwards, prehash: withPair(trial, 'ed25519', found, (...pair) => doesPrehash(trial, ...pair)) }
    else lacks.push('ed25519')
  }
  return { edwards, lacks }
}

function offered(trial: Trial, kind: MaterialKind, profile: Profile): boolean {
  return mechanismsOf(kind, profile).every(each => trial.mechanisms.includes(each))
}

/** false, too, when no such pair can be made. */
function withPair(trial: Trial, kind: MaterialKind, profile: Profile, use: (privateKey: Handle, publicKey: Handle) => boolean): boolean {
  const answer = ask(() => {
    const [privateKey, publicKey] = make(trial, objectPlans({ name: trial.label, id: new Uint8Array(), kind }, profile))
    try {
      return use(privateKey as Handle, publicKey as Handle)
    } finally {
      trial.discard(privateKey as Handle, publicKey as Handle)
    }
  })
  return answer.ok && answer.value
}

/** Some tokens do not heed the parameter, and sign plainly. */
function doesPrehash(trial: Trial, privateKey: Handle, publicKey: Handle): boolean {
  const { lib } = trial
  const signature = trial.onSession(session => signWith(lib, session, prehashEdwards, privateKey, text, edwardsSignatureBytes))
  const verifies = (mechanism: typeof pureEdwards): boolean =>
    trial.onSession(session => verifiesWith(lib, session, mechanism, publicKey, text, signature))
  return verifies(prehashEdwards) && !verifies(pureEdwards)
}
