import { timingSafeEqual } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import { CbcHmac } from '../../driver/sealing/cbc-hmac.js'
import { Gcm } from '../../driver/sealing/gcm.js'
import { openSlackBytes, type FreshSeal, type Sealing } from '../../driver/sealing/sealing.js'
import { returnValueOf } from '../../driver/errors.js'
import { additionalDataBytes, gcmTagBytes, view } from '../../driver/operations.js'
import { HsmError } from '../../../../ports/hsm.js'
import type { Log } from '../../../../ports/log.js'
import { sealedBytesMax } from '../parts.js'
import type { Profile, SealFacts } from '../profile.js'
import { ask, type Trial } from './trial.js'

export interface SealObservation {
  /** undefined when no way of sealing works. */
  readonly seal: SealFacts | undefined
  /** What C_Decrypt answered to ciphertexts that were changed. */
  readonly tamper: readonly number[]
  /** Why the ways that were tried did not do, in their order. */
  readonly tried: readonly string[]
}

const plaintextBytes = 32
const plaintext = Buffer.alloc(plaintextBytes, 0x5a)
const additionalData = Buffer.alloc(additionalDataBytes, 0xa5)
const smallerLimits = [sealedBytesMax, 4096, 2048, 1024]
const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** IV rules in the order of being tried: the first that opens again what it sealed is the token's. */
const ivRules: readonly Pick<SealFacts, 'mode' | 'ivBytes' | 'ivBits'>[] = [
  { mode: 'gcm-caller-iv', ivBytes: 12, ivBits: 96 },
  { mode: 'gcm-hsm-iv-writeback', ivBytes: 12, ivBits: 96 }, { mode: 'gcm-hsm-iv-writeback', ivBytes: 12, ivBits: 0 },
  { mode: 'gcm-hsm-iv-suffix', ivBytes: 16, ivBits: 128 }, { mode: 'gcm-hsm-iv-suffix', ivBytes: 16, ivBits: 0 },
  { mode: 'gcm-hsm-iv-suffix', ivBytes: 12, ivBits: 96 }, { mode: 'gcm-hsm-iv-suffix', ivBytes: 12, ivBits: 0 },
  { mode: 'gcm-hsm-iv-prefix', ivBytes: 12, ivBits: 0 }, { mode: 'gcm-hsm-iv-prefix', ivBytes: 12, ivBits: 96 },
]

/** `key` and `macKey` are what the profile's templates make; a `macKey` that cannot be made leaves GCM only. */
export function observeSealing(trial: Trial, base: Profile, key: Handle | undefined, macKey: Handle | undefined): SealObservation {
  if (!key) return { seal: undefined, tamper: [], tried: ['no AES-256 key can be made'] }
  const tried: string[] = []
  for (const rule of candidates(trial, base.seal)) {
    const profile = { ...base, seal: rule }
    const answer = ask(() => roundTrip(trial, profile, key, plaintext))
    if (answer.ok) return { ...found(trial, profile, key), tried }
    tried.push(`${rule.mode} with ulIvBits ${rule.ivBits}: ${answer.text}`)
  }
  return { ...observeCbc(trial, base, key, macKey, tried), tried }
}

/** What the profile says first: a vendor's own mechanism is known to nobody else. */
function candidates(trial: Trial, hint: SealFacts): readonly SealFacts[] {
  const all = [hint, ...ivRules.map(rule => ({ ...hint, gcmMechanism: pkcs11.CKM_AES_GCM, ...rule }))]
  const offered = trial.mechanisms
  return all.filter(({ mode, gcmMechanism }) => mode !== 'cbc-hmac' && offered.includes(gcmMechanism))
    .map(rule => ({ ...rule, outputSlackBytes: 32, emptyPlaintext: true }))
}

/** Throws when it does not work as the profile says. */
export function roundTrip(trial: Trial, profile: Profile, key: Handle, data: Buffer): void {
  let given: Buffer | undefined
  const gcm = new Gcm(trial.lib, profile, target => {
    trial.random(target)
    given = Buffer.from(target)
  })
  const sealed = trial.onSession(session => gcm.encrypt(session, [key], data, additionalData))
  // The buffer is the same one: a token that wrote over it has an IV of its own.
  if (given && !given.equals(sealed.iv)) throw new HsmError('configuration', 'the token wrote an IV of its own over ours')
  requireOpens(trial, gcm, [key], sealed, data)
}

function requireOpens(trial: Trial, sealing: Sealing, keys: readonly Handle[], sealed: FreshSeal, data: Buffer): void {
  const out = Buffer.alloc(sealed.ciphertext.length + openSlackBytes + sealed.iv.length)
  const opened = trial.onSession(session => sealing.decrypt(session, keys, sealed, additionalData, out))
  if (opened?.length === data.length && timingSafeEqual(opened, data)) return
  throw new HsmError('configuration', 'what was sealed does not open to the same')
}

function found(trial: Trial, profile: Profile, key: Handle): Pick<SealObservation, 'seal' | 'tamper'> {
  const works = (seal: SealFacts, data: Buffer): boolean => ask(() => roundTrip(trial, { ...profile, seal }, key, data)).ok
  const { seal } = profile
  const largest = smallerLimits.find(bytes => works({ ...seal, plaintextBytesMax: bytes }, Buffer.alloc(bytes, 1)))
  return {
    seal: {
      ...seal,
      plaintextBytesMax: largest ?? plaintextBytes,
      emptyPlaintext: works(seal, view(Buffer.alloc(0))),
      outputSlackBytes: seal.mode === 'gcm-caller-iv' ? 16 : 32,
    },
    tamper: tamperCodes(trial, profile, key),
  }
}

/** Changed in the tag, in the body, in the additional data, and cut off. */
function tamperCodes(trial: Trial, profile: Profile, key: Handle): readonly number[] {
  const gcm = new Gcm(trial.lib, profile, target => { trial.random(target) })
  const { iv, ciphertext } = trial.onSession(session => gcm.encrypt(session, [key], plaintext, additionalData))
  const changed = [
    { ciphertext: flipped(ciphertext, ciphertext.length - 1), aad: additionalData },
    { ciphertext: flipped(ciphertext, 0), aad: additionalData },
    { ciphertext, aad: flipped(additionalData, 0) }, { ciphertext: ciphertext.subarray(0, gcmTagBytes), aad: additionalData },
  ]
  const codes = changed.map(each => decryptCode(trial, profile, key, iv, each.ciphertext, each.aad))
  return [...new Set(codes.filter(code => code !== undefined))].sort((a, b) => a - b)
}

function decryptCode(trial: Trial, { seal }: Profile, key: Handle, iv: Buffer, ciphertext: Buffer, aad: Buffer): number | undefined {
  const inBand = seal.mode === 'gcm-hsm-iv-prefix'
  const parameter = {
    type: pkcs11.CK_PARAMS_AES_GCM_v240, iv: inBand ? Buffer.alloc(0) : iv, aad, ivBits: inBand ? 0 : iv.length * 8,
    tagBits: gcmTagBytes * 8,
  }
  return trial.onSession(session => {
    trial.lib.C_DecryptInit(session, { mechanism: seal.gcmMechanism, parameter }, key)
    try {
      trial.lib.C_Decrypt(session, inBand ? Buffer.concat([iv, ciphertext]) : ciphertext, Buffer.alloc(ciphertext.length + 32))
    } catch (error) {
      return returnValueOf(error)
    }
    throw new HsmError('configuration', 'the token opened a ciphertext that was changed: it must not be used')
  })
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

function observeCbc(
  trial: Trial, base: Profile, key: Handle, macKey: Handle | undefined, tried: string[],
): Pick<SealObservation, 'seal' | 'tamper'> {
  const none = { seal: undefined, tamper: [] }
  const offered = [pkcs11.CKM_AES_CBC, pkcs11.CKM_SHA256_HMAC].every(each => trial.mechanisms.includes(each))
  if (!offered || !macKey) {
    tried.push(`cbc-hmac: ${macKey ? 'its mechanisms are not offered' : 'no HMAC key can be made'}`)
    return none
  }
  const seal: SealFacts = {
    ...base.seal, mode: 'cbc-hmac', gcmMechanism: pkcs11.CKM_AES_GCM, ivBytes: 12, ivBits: 96, outputSlackBytes: 16, emptyPlaintext: true,
  }
  const works = (bytes: number): boolean => {
    const answer = ask(() => { cbcRoundTrip(trial, { ...base, seal: { ...seal, plaintextBytesMax: bytes } }, key, macKey, bytes) })
    if (!answer.ok) tried.push(`cbc-hmac of ${bytes} bytes: ${answer.text}`)
    return answer.ok
  }
  const largest = smallerLimits.find(works)
  return largest === undefined ? none : { seal: { ...seal, plaintextBytesMax: largest }, tamper: [] }
}

export function cbcRoundTrip(trial: Trial, profile: Profile, key: Handle, macKey: Handle, bytes: number): void {
  const cbc = new CbcHmac(trial.lib, profile, target => { trial.random(target) }, silent)
  const data = Buffer.alloc(bytes, 0x5a)
  const sealed = trial.onSession(session => cbc.encrypt(session, [key, macKey], data, additionalData))
  requireOpens(trial, cbc, [key, macKey], sealed, data)
}
