import pkcs11, { type Handle } from 'pkcs11js'
import { returnValueName } from '../driver/errors.js'
import { readEvidence } from '../driver/evidence.js'
import { search } from '../driver/objects.js'
import { deriveProfile } from '../profiles/derive.js'
import { observeCurves } from '../profiles/observe/curves.js'
import { givesRandom, macs, readsCheckValue, sessionsMax, takesId, takesLabel } from '../profiles/observe/limits.js'
import { firstMade, plansOf } from '../profiles/observe/objects.js'
import { makesSessionKeys, observe, trialKeys } from '../profiles/observe/observe.js'
import { observeOaep } from '../profiles/observe/oaep.js'
import { cbcRoundTrip, observeSealing, roundTrip } from '../profiles/observe/sealing.js'
import { ask, Trial, type Place } from '../profiles/observe/trial.js'
import type { FactName, Profile, SealFacts } from '../profiles/profile.js'
import { factNames } from './facts.js'

export interface FactCheck {
  readonly fact: FactName
  /** `differs`: the profile says something that this device does not do. */
  readonly outcome: 'ok' | 'differs' | 'not checkable'
  /** What the device did, where that says more than the outcome. */
  readonly device: string | null
}

interface Device {
  readonly place: Place
  readonly trial: Trial
  readonly profile: Profile
  /** Not bound to one mechanism. */
  readonly key: Handle | undefined
  readonly macKey: Handle | undefined
}
type Verdict = Omit<FactCheck, 'fact'>
type Check = (device: Device) => Verdict

const ok: Verdict = { outcome: 'ok', device: null }
const notCheckable: Verdict = { outcome: 'not checkable', device: null }
const sessionsAtOnceMax = 16
const plaintext = Buffer.alloc(32, 0x5a)

/**
 * Each statement that can be tried is: with keys and token objects that are destroyed again. A profile that promises less than the
 * device can do is not wrong. Throws what the library throws when the device goes away meanwhile.
 */
export function checkProfile(place: Place, profile: Profile): readonly FactCheck[] {
  return Trial.run(place, trial => {
    const [key, macKey] = trialKeys(trial, { ...profile, allowedMechanisms: false })
    const device = { place, trial, profile, key, macKey }
    return factNames.map(fact => ({ fact, ...(checks[fact] ?? (() => notCheckable))(device) }))
  })
}

/** A profile by what the device itself shows, with a name and a match of its own; for reporting it. */
export function proposeProfile(place: Place, base: Profile, { manufacturer, model }: { manufacturer: string, model: string }): Profile {
  const profile = deriveProfile(base, observe(place, base))
  if (base.match.length > 0) return profile
  const title = `${manufacturer} ${model}`.trim()
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '')
  const sources = { ...profile.sources, match: 'device' } as const
  return { ...profile, name, title, match: [{ manufacturer, model }], sources }
}

const checks: Partial<Readonly<Record<FactName, Check>>> = {
  // Without the right one nobody would be logged in.
  pin: () => ok,
  seal: checkSeal,
  returnValues: checkReturnValues,
  oaep: ({ trial, profile }) => {
    const does = observeOaep(trial)
    return verdict(profile.oaep === 'none' || does === profile.oaep || (does === 'native' && profile.oaep === 'raw'), does)
  },
  edwards: ({ trial, profile }) => {
    const { parameters, prehash } = observeCurves(trial, { ...profile, allowedMechanisms: false }).edwards
    const right = parameters === profile.edwards.parameters && (prehash || !profile.edwards.prehash)
    return verdict(right, `curve by its ${parameters}, ${prehash ? 'with' : 'without'} Ed25519ph`)
  },
  lacks: ({ trial, profile }) => {
    const { lacks } = observeCurves(trial, { ...profile, allowedMechanisms: false })
    return verdict(lacks.every(kind => profile.lacks.includes(kind)), `makes no ${lacks.join(', ')}`)
  },
  macBytesMax: ({ trial, profile, macKey }) => {
    return macKey ? verdict(macs(trial, macKey, profile.macBytesMax), 'refuses so many') : notCheckable
  },
  randomChunkBytes: ({ trial, profile }) => verdict(givesRandom(trial, profile.randomChunkBytes), 'refuses so many'),
  labelBytesMax: ({ trial, profile }) => verdict(takesLabel(trial, profile, profile.labelBytesMax), 'refuses or changes such a label'),
  idBytesMax: ({ trial, profile }) => {
    return verdict(takesId(trial, profile, profile.idBytesMax), 'refuses or changes such an id, or knows keys by it')
  },
  objectsMax: ({ trial, profile }) => profile.objectsMax === null ? notCheckable : { ...ok, device: `${objects(trial)} are in use` },
  template: checkTemplate,
  unreadable: checkEvidence,
  allowedMechanisms: ({ trial, profile }) => {
    if (!profile.allowedMechanisms) return { ...ok, device: 'not asked for' }
    const made = firstMade(trial, 'secret', [profile])
    if (made.ok) trial.discard(...made.value.objects)
    return verdict(made.ok, made.ok ? '' : made.text)
  },
  checkValue: ({ trial, profile, key }) => {
    if (!key) return notCheckable
    const reads = readsCheckValue(trial, key)
    return profile.checkValue ? verdict(reads, 'cannot be read') : { ...ok, device: reads ? 'could be read' : null }
  },
  sessionKeys: ({ trial, profile }) => {
    const makes = makesSessionKeys(trial, { ...profile, allowedMechanisms: false })
    return profile.sessionKeys ? verdict(makes, 'makes none') : { ...ok, device: makes ? 'could make some' : null }
  },
  lanes: checkSessions,
}

function checkSeal(device: Device): Verdict {
  const { trial, profile, key, macKey } = device
  const { seal } = profile
  if (!key) return { outcome: 'differs', device: 'no key can be made by this template' }
  const fault = seal.mode === 'cbc-hmac' ? cbcFault(device) : gcmFault(trial, profile, key)
  if (fault === undefined) return ok
  const seen = observeSealing(trial, profile, key, macKey)
  return { outcome: 'differs', device: `${fault}; the device does ${seen.seal ? sealText(seen.seal) : 'nothing that is known here'}` }
}

function gcmFault(trial: Trial, profile: Profile, key: Handle): string | undefined {
  const { plaintextBytesMax, emptyPlaintext } = profile.seal
  const sizes = [plaintext, Buffer.alloc(plaintextBytesMax, 1), ...(emptyPlaintext ? [plaintext.subarray(0, 0)] : [])]
  for (const data of sizes) {
    const answer = ask(() => { roundTrip(trial, profile, key, data) })
    if (!answer.ok) return `${data.length} bytes: ${answer.text}`
  }
  return undefined
}

function cbcFault({ trial, profile, key, macKey }: Device): string | undefined {
  if (!key || !macKey) return 'no HMAC key can be made'
  for (const bytes of [0, plaintext.length, profile.seal.plaintextBytesMax]) {
    const answer = ask(() => { cbcRoundTrip(trial, profile, key, macKey, bytes) })
    if (!answer.ok) return `${bytes} bytes: ${answer.text}`
  }
  return undefined
}

function sealText({ mode, ivBytes, ivBits }: SealFacts): string {
  return mode === 'cbc-hmac' ? mode : `${mode}, IV of ${ivBytes} bytes, ulIvBits ${ivBits}`
}

/** What C_Decrypt says to changed ciphertexts. In `cbc-hmac` the token sees none. */
function checkReturnValues({ trial, profile, key, macKey }: Device): Verdict {
  if (profile.seal.mode === 'cbc-hmac' || !key) return notCheckable
  const { tamper } = observeSealing(trial, profile, key, macKey)
  if (tamper.length === 0) return notCheckable
  const known = [...profile.returnValues.ciphertextInvalid, ...profile.returnValues.ambiguous, ...standardCodes]
  return verdict(tamper.every(code => known.includes(code)), `a changed ciphertext: ${tamper.map(returnValueName).join(', ')}`, true)
}

const standardCodes: readonly number[] = [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, 0x42]

const roles = ['secret', 'mac', 'pair'] as const

function checkTemplate({ trial, profile }: Device): Verdict {
  const faults = roles.flatMap(role => {
    if (!offered(trial, role, profile)) return []
    const made = firstMade(trial, role, [{ ...profile, allowedMechanisms: false }])
    if (made.ok) trial.discard(...made.value.objects)
    return made.ok ? [] : [`${role}: ${made.text}`]
  })
  return verdict(faults.length === 0, faults.join('; '))
}

function checkEvidence({ trial, profile }: Device): Verdict {
  const faults = roles.flatMap(role => {
    const made = offered(trial, role, profile) ? firstMade(trial, role, [profile]) : undefined
    if (!made?.ok) return []
    const keys = made.value.objects
    const told = plansOf(trial, role, profile).map((plan, at) => ask(
      () => trial.reading(session => readEvidence(trial.lib, session, keys[at] as Handle, plan, profile))))
    trial.discard(...keys)
    return told.flatMap(each => each.ok ? [] : [each.text])
  })
  return verdict(faults.length === 0, faults.join('; '))
}

/** Not every token makes every kind. */
function offered(trial: Trial, role: (typeof roles)[number], profile: Profile): boolean {
  return plansOf(trial, role, profile).every(({ generate }) => trial.mechanisms.includes(generate))
}

/** As many sessions as there would be lanes, all at once; and no more than the token says it has. */
function checkSessions({ place, trial, profile }: Device): Verdict {
  const told = sessionsMax(place)
  const count = Math.min(profile.lanes.count, sessionsAtOnceMax)
  const open = (left: number): boolean => left === 0 || trial.onSession(() => open(left - 1))
  const answer = ask(() => open(count))
  if (!answer.ok) return { outcome: 'differs', device: `${count} sessions at once: ${answer.text}` }
  if (told !== null && profile.lanes.maxSessions !== null && told < profile.lanes.maxSessions) {
    return { outcome: 'differs', device: `the token says it has ${told} sessions` }
  }
  return { ...ok, device: `${count} sessions at once${told === null ? '' : `; it says it has ${told}`}` }
}

function objects(trial: Trial): number {
  return trial.onSession(session => {
    return search(trial.lib, session, {}).length
  })
}

/** `always`: the device's way is worth showing also where the profile has it right. */
function verdict(right: boolean, device: string, always = false): Verdict {
  return { outcome: right ? 'ok' : 'differs', device: right && !always ? null : device }
}
