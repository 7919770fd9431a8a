import pkcs11 from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { hsmError, reactionTo } from '../driver/errors.js'
import { observe, observeSeal, type Observations } from './observe/observe.js'
import type { SealObservation } from './observe/sealing.js'
import type { Place } from './observe/trial.js'
import type { FactName, Profile, ReturnValueFacts, Source } from './profile.js'

/** C_Decrypt's ways to say that a ciphertext does not verify; every other return value may as well mean that the device fails. */
const plain: readonly number[] = [
  pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE, 0x42,
]

/**
 * The profile to work with, after the first login: where it leaves something open, that was found out with keys made for it and destroyed
 * again. Throws HsmError.
 */
export function resolveProfile(place: Place, profile: Profile, log: Log): Profile {
  if (profile.probeAtStart === 'nothing') return profile
  try {
    const resolved = profile.probeAtStart === 'everything' ? derived(place, profile, log) : withSeal(profile, observeSeal(place, profile))
    log.info('the HSM was asked how it works', { profile: resolved.name, seal: resolved.seal.mode })
    return resolved
  } catch (error) {
    throw error instanceof HsmError ? error : hsmError(reactionTo(error, profile).kind, 'finding out how the token works', error)
  }
}

function derived(place: Place, base: Profile, log: Log): Profile {
  const observations = observe(place, base)
  for (const fault of observations.faults) log.warn('the HSM makes keys that will be refused', { fault })
  return deriveProfile(base, observations)
}

/** `base` with everything that was seen in the place of what it said. Throws kind `configuration` when nothing can be sealed. */
export function deriveProfile(base: Profile, seen: Observations): Profile {
  const sealing = withSeal(base, seen)
  if (seen.randomChunkBytes === 0) throw new HsmError('configuration', 'this token gives no random bytes')
  const facts = ([
    'seal', 'oaep', 'edwards', 'lacks', 'macBytesMax', 'randomChunkBytes', 'labelBytesMax', 'idBytesMax', 'template',
    'allowedMechanisms', 'checkValue', 'sessionKeys', 'unreadable', ...(seen.tamper.length > 0 ? ['returnValues'] as const : []),
  ] as const)
  return {
    ...sealing,
    oaep: seen.oaep,
    edwards: seen.edwards,
    lacks: seen.lacks,
    macBytesMax: seen.macBytes,
    randomChunkBytes: seen.randomChunkBytes,
    labelBytesMax: seen.labelBytes,
    idBytesMax: seen.idBytes,
    template: { ...base.template, ...seen.template },
    allowedMechanisms: seen.allowedMechanisms,
    checkValue: seen.checkValue,
    sessionKeys: seen.sessionKeys,
    unreadable: seen.unreadable,
    returnValues: { ...base.returnValues, ...decryptCodes(seen.tamper, base.returnValues) },
    lanes: { ...base.lanes, maxSessions: seen.sessionsMax },
    sources: { ...base.sources, ...seenOnDevice(facts) },
  }
}

function withSeal(base: Profile, { seal, tamper, tried }: SealObservation): Profile {
  if (!seal) throw new HsmError('configuration',
  `this token seals in no way that is known here (${tried.join('; ') || 'no mechanism for it'})`)
  const { ciphertextInvalid, ambiguous } = base.returnValues
  const added = decryptCodes(tamper, { ciphertextInvalid, ambiguous: [] })
  const returnValues = {
    ...base.returnValues, ciphertextInvalid: added.ciphertextInvalid, ambiguous: [...new Set([...ambiguous, ...added.ambiguous])],
  }
  return { ...base, probeAtStart: 'nothing', seal, returnValues, sources: { ...base.sources, ...seenOnDevice(['seal']) } }
}

function decryptCodes(
  tamper: readonly number[], base: Pick<ReturnValueFacts, 'ciphertextInvalid' | 'ambiguous'>,
): Pick<ReturnValueFacts, 'ciphertextInvalid' | 'ambiguous'> {
  if (tamper.length === 0) return { ciphertextInvalid: base.ciphertextInvalid, ambiguous: base.ambiguous }
  const said = tamper.filter(code => plain.includes(code))
  return {
    ciphertextInvalid: [...new Set([...base.ciphertextInvalid, ...said])],
    ambiguous: tamper.filter(code => !plain.includes(code) && !base.ciphertextInvalid.includes(code)),
  }
}

function seenOnDevice(facts: readonly FactName[]): Partial<Record<FactName, Source>> {
  return Object.fromEntries(facts.map(fact => [fact, 'device' as const]))
}
