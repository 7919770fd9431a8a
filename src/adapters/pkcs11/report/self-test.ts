import { constants, createPublicKey, publicEncrypt, timingSafeEqual, verify } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { failureText, returnValueOf } from '../driver/errors.js'
import { mechanismsOf } from '../driver/mechanisms.js'
import { search } from '../driver/objects.js'
import { additionalDataBytes, digestBytes, hmac, signDigest, view } from '../driver/operations.js'
import { oaepDecrypt } from '../driver/rsa-oaep.js'
import { openSlackBytes, type Sealing } from '../driver/sealing/sealing.js'
import { sealings } from '../driver/sealing/sealings.js'
import { p256PublicKeyInfo } from '../driver/spki.js'
import { firstMade, plansOf } from '../profiles/observe/objects.js'
import { keyObject, rsaPair } from '../profiles/observe/oaep.js'
import { Trial, type Place } from '../profiles/observe/trial.js'
import { suiteOf, type Profile } from '../profiles/profile.js'

export interface SelfTestStep {
  readonly name: string
  readonly outcome: 'ok' | 'failed' | 'not offered'
  /** Of one call, or of one round trip where the step has several. */
  readonly microseconds?: number
  readonly failure?: string
}

/** A step times as many calls as fit into this, and no more than so many. */
const timedMs = 200
const timedCallsMax = 100
const largeBytes = 4096
const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * What symmetric keys and the roots rely on, and RSA-OAEP, with session keys where the token makes them, else with objects: nothing is left
 * in the token. Throws only when no session can be opened.
 */
export function selfTest(place: Place, profile: Profile): readonly SelfTestStep[] {
  return Trial.run(place, trial => {
    trial.sessionKeys = profile.sessionKeys
    return new SelfTest(trial, profile).steps()
  })
}

class SelfTest {
  private readonly trial: Trial
  private readonly profile: Profile
  private readonly sealing: Sealing
  /** The session of the step that runs: opening one for an IV would count into its time. */
  private session: Handle | undefined

  constructor(trial: Trial, profile: Profile) {
    this.trial = trial
    this.profile = profile
    this.sealing = sealings(trial.lib, profile, target => { this.random(target) }, silent)[suiteOf(profile)]
  }

  steps(): readonly SelfTestStep[] {
    const { profile } = this
    const suite = suiteOf(profile)
    const title = suite === 'gcm' ? 'AES-GCM' : 'AES-CBC with HMAC'
    const [seals, macs, signs] = [suite, 'hmac-sha-256', 'ecdsa-p256'].map(kind => this.offers(kind as 'gcm'))
    let keys: readonly Handle[] = []
    const sealed = (bytes: number): SelfTestStep => {
      const name = `${title} round trip, ${bytes === 0 ? 'empty plaintext' : `${bytes} bytes`}`
      return this.step(name, keys.length > 0, () => this.roundTrips(keys, bytes))
    }
    return [
      this.step('random bytes', true, () => this.generator()),
      this.step(suite === 'gcm' ? 'AES-256 key' : 'AES-256 key and HMAC key', true, () => {
        if (!seals) throw wrong('the token does not offer what its profile seals with')
        keys = [this.key('secret'), ...(suite === 'gcm' ? [] : [this.key('mac')])]
      }),
      ...[32, largeBytes, ...(profile.seal.emptyPlaintext ? [0] : [])].map(sealed),
      this.step(`${title} refuses a changed tag`, keys.length > 0, () => { this.tamper(keys) }),
      this.step('HMAC-SHA-256', macs === true, () => this.hmac()),
      this.step('ECDSA P-256 key pair', signs === true, () => { this.trial.discard(...this.pair()) }),
      this.step('ECDSA P-256', signs === true, () => this.ecdsa()),
      this.step(`RSA-OAEP with SHA-256, ${profile.oaep}`, profile.oaep !== 'none', () => this.oaep()),
      this.step('token object made, found and destroyed', seals === true, () => { this.object() }),
    ]
  }

  /** `run` may answer its own time in microseconds. */
  private step(name: string, offered: boolean, run: () => number | undefined | void): SelfTestStep {
    if (!offered) return { name, outcome: 'not offered' }
    const started = process.hrtime.bigint()
    try {
      const own = run()
      return { name, outcome: 'ok', microseconds: own ?? microsecondsSince(started) }
    } catch (error) {
      return { name, outcome: 'failed', failure: failureText(error) }
    }
  }

  private offers(kind: Parameters<typeof mechanismsOf>[0]): boolean {
    return mechanismsOf(kind, this.profile).every(each => this.trial.mechanisms.includes(each))
  }

  private key(role: 'secret' | 'mac'): Handle {
    const made = this.made(role)
    return made[0] as Handle
  }

  /** Private half first. */
  private pair(): readonly [Handle, Handle] {
    const plans = plansOf(this.trial, 'pair', this.profile)
    const made = this.made('pair')
    const of = (role: string): Handle => made[plans.findIndex(plan => plan.role === role)] as Handle
    return [of('private'), of('public')]
  }

  private made(role: 'secret' | 'mac' | 'pair'): readonly Handle[] {
    const made = firstMade(this.trial, role, [this.profile])
    if (!made.ok) throw new HsmError('configuration', `no ${role} key can be made: ${made.text}`, made.returnValue)
    return made.value.objects
  }

  private random(target: Buffer): void {
    if (this.session) this.trial.lib.C_GenerateRandom(this.session, target)
    else this.trial.random(target)
  }

  private onSession<T>(run: (session: Handle) => T): T {
    return this.trial.onSession(session => {
      this.session = session
      try {
        return run(session)
      } finally {
        this.session = undefined
      }
    })
  }

  private generator(): number {
    const bytes = () => this.onSession(session => this.trial.lib.C_GenerateRandom(session, Buffer.alloc(digestBytes)))
    if (bytes().equals(bytes())) throw wrong('the generator repeats itself')
    return this.onSession(session => timed(() => { this.trial.lib.C_GenerateRandom(session, Buffer.alloc(digestBytes)) }))
  }

  private roundTrips(keys: readonly Handle[], length: number): number {
    const plaintext = view(Buffer.alloc(length, 0x5a))
    const additionalData = Buffer.alloc(additionalDataBytes, 0xa5)
    return this.onSession(session => timed(() => {
      const sealed = this.sealing.encrypt(session, keys, plaintext, additionalData)
      const out = Buffer.alloc(sealed.ciphertext.length + openSlackBytes)
      const opened = this.sealing.decrypt(session, keys, sealed, additionalData, out)
      if (opened?.length !== length || !timingSafeEqual(opened, plaintext)) throw wrong('what was sealed does not open')
    }))
  }

  private tamper(keys: readonly Handle[]): void {
    const additionalData = Buffer.alloc(additionalDataBytes)
    const { iv, ciphertext } = this.onSession(session => this.sealing.encrypt(session, keys, Buffer.alloc(digestBytes), additionalData))
    const last = ciphertext.length - 1
    ciphertext[last] = (ciphertext[last] ?? 0) ^ 1
    if (this.opens(keys, { iv, ciphertext }, additionalData)) throw wrong('a ciphertext with a wrong tag opened')
  }

  private opens(keys: readonly Handle[], sealed: { iv: Buffer, ciphertext: Buffer }, additionalData: Buffer): boolean {
    const out = Buffer.alloc(sealed.ciphertext.length + openSlackBytes)
    try {
      return this.onSession(session => this.sealing.decrypt(session, keys, sealed, additionalData, out)) !== undefined
    } catch (error) {
      if (this.profile.returnValues.ambiguous.includes(returnValueOf(error) ?? 0)) return false
      throw error
    }
  }

  private hmac(): number {
    const key = this.key('mac')
    const data = Buffer.alloc(digestBytes)
    const macs = () => this.onSession(session => hmac(this.trial.lib, session, key, data))
    if (!timingSafeEqual(macs(), macs())) throw wrong('the same data has two MACs')
    return this.onSession(session => timed(() => { hmac(this.trial.lib, session, key, data) }))
  }

  private ecdsa(): number {
    const { lib } = this.trial
    const [privateKey, publicKey] = this.pair()
    const [point] = this.trial.reading(session => lib.C_GetAttributeValue(session, publicKey, [{ type: pkcs11.CKA_EC_POINT }]))
    const key = createPublicKey({ key: Buffer.from(p256PublicKeyInfo(point?.value ?? Buffer.alloc(0))), format: 'der', type: 'spki' })
    const signature = this.onSession(session => signDigest(lib, session, privateKey, sha256OfNothing))
    if (!verify('sha256', Buffer.alloc(0), { key, dsaEncoding: 'ieee-p1363' }, signature)) throw wrong('the signature does not verify')
    return this.onSession(session => timed(() => { signDigest(lib, session, privateKey, sha256OfNothing) }))
  }

  private oaep(): number {
    const { trial } = this
    const mode = this.profile.oaep === 'native' ? 'native' : 'raw'
    const pair = rsaPair(trial)
    const key = keyObject(trial, pair.publicKey)
    const secret = Buffer.alloc(digestBytes, 0x5a)
    const ciphertext = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, secret)
    const choice = { hash: 'sha256', mode, modulusBytes: ciphertext.length } as const
    const microseconds = this.onSession(session => timed(() => {
      if (!oaepDecrypt(trial.lib, session, pair.privateKey, ciphertext, choice).equals(secret)) throw wrong('RSA-OAEP decrypts wrongly')
    }))
    trial.discard(pair.publicKey, pair.privateKey)
    return microseconds
  }

  private object(): void {
    const { trial } = this
    const { sessionKeys } = trial
    trial.sessionKeys = false
    try {
      const key = this.key('secret')
      const [plan] = plansOf(trial, 'secret', this.profile)
      const find = () => this.onSession(session => search(trial.lib, session, { label: plan?.label ?? '', token: true }))
      if (find().length === 0) throw wrong('a new object is not found by its label')
      trial.discard(key)
      if (find().some(each => each.equals(key))) throw wrong('a destroyed object is still there')
    } finally {
      trial.sessionKeys = sessionKeys
    }
  }
}

const sha256OfNothing = Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex')

/** Microseconds of one call, over as many as there is time for. */
function timed(call: () => void): number {
  const started = process.hrtime.bigint()
  let calls = 0
  do {
    call()
    calls += 1
  } while (calls < timedCallsMax && microsecondsSince(started) < timedMs * 1000)
  return Math.round(microsecondsSince(started) / calls)
}

function wrong(what: string): HsmError {
  return new HsmError('configuration', what)
}

function microsecondsSince(started: bigint): number {
  return Number((process.hrtime.bigint() - started) / 1000n)
}
