import { SlotFlag } from 'graphene-pk11'
import pkcs11, { type Handle, type TokenInfo, type Version } from 'pkcs11js'
import type { Log } from '../../../ports/log.js'
import { failureText } from '../driver/errors.js'
import { mechanismSource } from '../driver/kinds.js'
import { loadLibrary, type Library } from '../token/module.js'
import { mechanismName, offersOf, type Offers } from './offers.js'
import { chooseProfile, requireProfile } from '../profiles/choose.js'
import type { Profile } from '../profiles/profile.js'
import { checkProfile, proposeProfile, type FactCheck } from './check.js'
import { factsOf, type FactReport } from './facts.js'
import { selfTest, type SelfTestStep } from './self-test.js'
import type { Pkcs11Config } from '../config.js'
import { acquireToken, type Token } from '../token/token.js'

export type ProbeTarget = Omit<Pkcs11Config, 'verifySeals'>

/** What a module and its tokens are and offer; plain data. */
export interface ProbeReport {
  readonly library: {
    readonly path: string, readonly manufacturer: string, readonly description: string
    readonly version: string, readonly cryptoki: string
  }
  readonly slots: readonly SlotReport[]
  /** null without a PIN, as is `check`. */
  readonly selfTest: SelfTestReport | { readonly failure: string } | null
  readonly check: ProfileReport | { readonly failure: string } | null
}

export interface SelfTestReport {
  readonly token: string
  readonly profile: string
  readonly steps: readonly SelfTestStep[]
}

/** A profile against the device. */
export interface ProfileReport {
  readonly token: string
  readonly profile: string
  readonly facts: readonly FactCheck[]
  /** What the device itself shows; null where the profile has it right. */
  readonly proposal: Profile | null
}

export interface SlotReport {
  readonly slot: string
  readonly description: string
  /** null for an empty slot. */
  readonly token: TokenReport | { readonly failure: string } | null
}

export interface TokenReport extends Offers {
  readonly label: string
  readonly serial: string
  readonly manufacturer: string
  readonly model: string
  readonly firmware: string
  readonly flags: readonly string[]
  /** `generic` when no profile knows this token. */
  readonly profile: string
  readonly facts: readonly FactReport[]
  readonly limits: Limits
  readonly mechanisms: readonly { readonly type: string, readonly name: string | null }[]
}

/** null: the token does not say. */
export type Limit = number | 'unlimited' | null
export interface Limits {
  readonly sessions: Limit
  readonly readWriteSessions: Limit
  readonly pinBytes: { readonly min: number, readonly max: number }
  readonly freePrivateMemory: Limit
  readonly freePublicMemory: Limit
  readonly labelBytes: Limit
  readonly idBytes: Limit
  readonly plaintextBytes: Limit
}

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * Without a PIN only what a token says of itself; with one also its profile is checked and all of it tried, with keys that are destroyed
 * again. Throws if the module does not load.
 */
export async function probeToken(target: ProbeTarget): Promise<ProbeReport> {
  if (typeof target.profile === 'string') requireProfile(target.profile)
  const library = loadLibrary(target.module, target)
  library.prepare(target)
  return { library: libraryReport(library), slots: slotReports(library, target.profile), ...trials(target) }
}

/** Only the trials. Throws HsmError. */
export async function selfTestToken(target: ProbeTarget): Promise<SelfTestReport> {
  return withToken(target, selfTestReport)
}

function libraryReport({ path, module }: Library): ProbeReport['library'] {
  return {
    path,
    manufacturer: module.manufacturerID,
    description: module.libraryDescription,
    version: versionText(module.libraryVersion),
    cryptoki: versionText(module.cryptokiVersion),
  }
}

function slotReports(library: Library, profile: ProbeTarget['profile']): readonly SlotReport[] {
  const { lib } = library
  return lib.C_GetSlotList(false).map(slot => {
    const { slotDescription, flags } = lib.C_GetSlotInfo(slot)
    const present = (flags & SlotFlag.TOKEN_PRESENT) !== 0
    const token = present ? tokenReportOrFailure(library, slot, profile) : null
    return { slot: slotText(slot), description: slotDescription.trimEnd(), token }
  })
}

function tokenReportOrFailure(library: Library, slot: Handle, profile: ProbeTarget['profile']): TokenReport | { failure: string } {
  try {
    return tokenReport(library, slot, profile)
  } catch (error) {
    return { failure: failureText(error) }
  }
}

function tokenReport({ lib, module }: Library, slot: Handle, forced: ProbeTarget['profile']): TokenReport {
  const info = lib.C_GetTokenInfo(slot)
  const mechanisms = lib.C_GetMechanismList(slot)
  const [manufacturer, model] = [info.manufacturerID.trimEnd(), info.model.trimEnd()]
  const identity = { manufacturer, model, libraryDescription: module.libraryDescription }
  const profile = typeof forced === 'object' ? forced : chooseProfile(identity, forced)
  return {
    label: info.label.trimEnd(),
    serial: info.serialNumber.trimEnd(),
    manufacturer,
    model,
    firmware: versionText(info.firmwareVersion),
    flags: flagNames(info.flags),
    profile: profile.name,
    facts: factsOf(profile),
    limits: {
      ...tokenLimits(info),
      labelBytes: profile.labelBytesMax,
      idBytes: profile.idBytesMax,
      plaintextBytes: profile.seal.plaintextBytesMax,
    },
    mechanisms: mechanisms.map(type => ({ type: `0x${type.toString(16)}`, name: mechanismName(type) ?? null })),
    ...offersOf(mechanismSource(lib, slot), profile, (info.flags & pkcs11.CKF_RNG) !== 0),
  }
}

function tokenLimits(info: TokenInfo): Omit<Limits, 'labelBytes' | 'idBytes' | 'plaintextBytes'> {
  return {
    sessions: sessionLimit(info.maxSessionCount),
    readWriteSessions: sessionLimit(info.maxRwSessionCount),
    pinBytes: { min: info.minPinLen, max: info.maxPinLen },
    freePrivateMemory: said(info.freePrivateMemory),
    freePublicMemory: said(info.freePublicMemory),
  }
}

function trials(target: ProbeTarget): Pick<ProbeReport, 'selfTest' | 'check'> {
  if (target.pin === undefined) return { selfTest: null, check: null }
  try {
    return withToken(target, token => ({ check: orFailure(() => profileReport(token)), selfTest: orFailure(() => selfTestReport(token)) }))
  } catch (error) {
    const failure = failureText(error)
    return { selfTest: { failure }, check: { failure } }
  }
}

function withToken<T>(target: ProbeTarget, use: (token: Token) => T): T {
  const token = acquireToken({ ...target, verifySeals: false }, silent)
  try {
    return use(token)
  } finally {
    token.release()
  }
}

function orFailure<T>(run: () => T): T | { readonly failure: string } {
  try {
    return run()
  } catch (error) {
    return { failure: failureText(error) }
  }
}

function selfTestReport({ place, profile, info }: Token): SelfTestReport {
  return { token: info.label, profile: profile.name, steps: selfTest(place, profile) }
}

function profileReport({ place, profile, info }: Token): ProfileReport {
  const facts = checkProfile(place, profile)
  const wanting = profile.match.length === 0 || facts.some(({ outcome }) => outcome === 'differs')
  return { token: info.label, profile: profile.name, facts, proposal: wanting ? proposeProfile(place, profile, info) : null }
}

// CK_EFFECTIVELY_INFINITE is 0 and CK_UNAVAILABLE_INFORMATION all ones (PKCS#11 2.40, section 3.2); the binding gives
// counts as 32 bits and memory sizes as numbers or bigints.
function sessionLimit(count: number): Limit {
  return count === 0 ? 'unlimited' : said(count)
}

function said(count: number | bigint): Limit {
  return count === 0xffffffff || count > Number.MAX_SAFE_INTEGER ? null : Number(count)
}

function flagNames(flags: number): readonly string[] {
  return tokenFlags.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name)
}

const tokenFlags = [
  [pkcs11.CKF_RNG, 'generator'], [pkcs11.CKF_WRITE_PROTECTED, 'write protected'], [pkcs11.CKF_LOGIN_REQUIRED, 'login required'],
  [pkcs11.CKF_USER_PIN_INITIALIZED, 'user PIN set'], [pkcs11.CKF_TOKEN_INITIALIZED, 'initialised'],
  [pkcs11.CKF_USER_PIN_COUNT_LOW, 'user PIN was wrong'], [pkcs11.CKF_USER_PIN_FINAL_TRY, 'last try for the user PIN'],
  [pkcs11.CKF_USER_PIN_LOCKED, 'user PIN locked'], [pkcs11.CKF_USER_PIN_TO_BE_CHANGED, 'user PIN must be changed'],
  [pkcs11.CKF_ERROR_STATE, 'error state'],
] as const

function slotText(slot: Handle): string {
  return slot.length === 8 ? slot.readBigUInt64LE().toString() : slot.readUInt32LE().toString()
}

function versionText({ major, minor }: Version): string {
  return `${major}.${minor}`
}
