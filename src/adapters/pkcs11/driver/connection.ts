import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { failureText, hsmError, reactionTo, returnValueOf, type Reaction } from './errors.js'
import { objectPlans, readEvidence, type ObjectPlan } from './evidence.js'
import { findObject, search } from './objects.js'
import { Patience } from './patience.js'
import type { Profile, RecoveryStep } from '../profiles/profile.js'
import type { Token } from '../token/token.js'

/** Cached handles; beyond it the cache starts again. */
const handlesMax = 10_000

interface CachedHandles { readonly kind: MaterialKind, readonly handles: readonly Handle[] }

/**
 * One session and the object handles known through it. After an error nobody expected the session is replaced, because PKCS#11 2.40 has no
 * call that cancels an operation; calls that may be repeated are repeated after what the profile says may help.
 */
export class Connection {
  readonly profile: Profile
  readonly lib: PKCS11
  readonly log: Log
  private readonly token: Token
  /** By name of the material. */
  private readonly handlesOf = new Map<string, CachedHandles>()
  /** When material was made here that other parts of the device may not know yet. */
  private readonly madeAt = new Map<string, number>()
  private handlesOfLogin: number
  private current: Handle | undefined
  /** Which initialisation of the library the session is of: a later one gives its number to others. */
  private generation: number
  private closed = false

  /** The token is acquired by the caller and given back by `close`. */
  constructor(token: Token, log: Log) {
    this.token = token
    this.profile = token.profile
    this.lib = token.lib
    this.log = log
    this.current = token.openSession()
    this.generation = token.generation
    this.handlesOfLogin = token.loginCount
  }

  /** Grows when handles of before may name other objects. */
  get loginCount(): number {
    return this.token.loginCount
  }

  session(): Handle {
    if (this.current && this.generation === this.token.generation) return this.current
    if (this.closed) throw new HsmError('lost', 'the HSM was closed')
    this.current = undefined
    this.current = this.token.openSession()
    this.generation = this.token.generation
    return this.current
  }

  /** Of all objects of the material, in the order of its plans. Looked up, and the objects judged, the first time after each login. */
  handles(material: Material): readonly Handle[] {
    this.session()
    if (this.handlesOfLogin !== this.token.loginCount) this.forgetAll()
    const cached = this.handlesOf.get(material.name)
    return cached?.kind === material.kind ? cached.handles : this.load(material)
  }

  /** Runs searches. Without a login they find nothing and say nothing: it is made before, and must still be the same afterwards. */
  searching<T>(run: (lib: PKCS11, session: Handle) => T): T {
    this.token.ensureLogin(this.session())
    const { loginCount } = this.token
    const found = run(this.lib, this.session())
    this.token.ensureLogin(this.session())
    if (this.token.loginCount === loginCount) return found
    throw new HsmError('lost', 'the login ended during a search', pkcs11.CKR_USER_NOT_LOGGED_IN)
  }

  lookUp(plan: ObjectPlan): Handle | undefined {
    return this.searching((lib, session) => findObject(lib, session, plan))
  }

  /** Every object with a name of the material, of any class; at most `limit` for each name. */
  byName(material: Material, limit?: number): readonly Handle[] {
    const labels = material.macName === undefined ? [material.name] : [material.name, material.macName]
    return this.searching((lib, session) => labels.flatMap(label => search(lib, session, { label }, limit)))
  }

  evidence(plan: ObjectPlan, object: Handle): Evidence {
    return readEvidence(this.lib, this.session(), object, plan, this.profile)
  }

  remember(material: Material, handles: readonly Handle[]): void {
    if (this.handlesOf.size >= handlesMax) this.handlesOf.clear()
    this.handlesOf.set(material.name, { kind: material.kind, handles })
  }

  /** `remember`, of material that was just made. */
  rememberMade(material: Material, handles: readonly Handle[]): void {
    this.remember(material, handles)
    if (this.profile.lanes.settleMs === 0) return
    for (const name of this.madeAt.keys()) if (!this.isYoung(name)) this.madeAt.delete(name)
    this.madeAt.set(material.name, performance.now())
  }

  forget(material: Material): void {
    this.handlesOf.delete(material.name)
    this.madeAt.delete(material.name)
  }

  /** Runs what may be run again, and does so after a failure that may pass. `material` is what it is about, if it is about one. */
  repeatable<T>(doing: string, run: () => T, material?: Material): T {
    try {
      return run()
    } catch (error) {
      return this.persevere(doing, run, error, material)
    }
  }

  /** Runs what may not be run again: its outcome is not known when it fails. */
  once<T>(doing: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      this.giveUp(doing, error)
    }
  }

  /** With everything that lives only as long as the session; the next call has another one. */
  endSession(): void {
    this.dropSession()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.handlesOf.clear()
    this.dropSession()
    this.token.release()
  }

  private load(material: Material): readonly Handle[] {
    const plans = objectPlans(material, this.profile)
    const found = plans.map(plan => this.lookUp(plan))
    const [none, some] = [found.every(object => object === undefined), found.includes(undefined)]
    if (none || (some && this.isYoung(material.name))) throw new HsmError('missing', `there is no material named ${material.name}`)
    const handles = completeObjects(plans, found)
    plans.forEach((plan, at) => { this.evidence(plan, handles[at] as Handle) })
    this.remember(material, handles)
    return handles
  }

  private forgetAll(): void {
    this.handlesOf.clear()
    this.handlesOfLogin = this.token.loginCount
  }

  private forgetStale(material: Material | undefined): void {
    if (material) this.handlesOf.delete(material.name)
    else this.handlesOf.clear()
  }

  private dropSession(): void {
    if (this.current) this.token.closeSession(this.current)
    this.current = undefined
  }

  /** One pass, and no more, through everything that may help; each only when what came before did not. */
  private persevere<T>(doing: string, run: () => T, first: unknown, material: Material | undefined): T {
    const patience = new Patience(this.profile)
    for (let failure = first; ;) {
      if (!this.remedied(doing, failure, patience, material)) this.giveUp(doing, failure, material)
      try {
        return run()
      } catch (error) {
        failure = error
      }
    }
  }

  /** Whether something was done that may have helped. */
  private remedied(doing: string, failure: unknown, patience: Patience, material: Material | undefined): boolean {
    const { kind, remedy } = this.reactionTo(failure)
    if (remedy === 'nothing' && failure instanceof HsmError) return false
    this.log[remedy === 'wait' ? 'debug' : 'warn'](`${doing} failed in the HSM`, { returnValue: codeOf(failure), kind, remedy })
    switch (remedy) {
      case 'wait': return patience.wait()
      case 'look-up': return this.lookUpAgain(failure, patience, material)
      case 'recover': return this.recover(patience)
      case 'nothing': case 'new-session': return false
    }
  }

  private reactionTo(failure: unknown): Reaction {
    if (!(failure instanceof HsmError)) return reactionTo(failure, this.profile)
    // A verdict of our own is final. What the token said when it was asked for a session, or a login, is not.
    const ofToken = failure.returnValue !== undefined || (this.current === undefined && !this.closed)
    if (failure.kind === 'lost' && ofToken) return { kind: 'lost', remedy: 'recover' }
    return { kind: failure.kind, remedy: failure.kind === 'missing' ? 'look-up' : 'nothing' }
  }

  /** For a handle that is stale, a login that only the library believes in, and an object that is too new to be known everywhere. */
  private lookUpAgain(failure: unknown, patience: Patience, material: Material | undefined): boolean {
    const unseen = failure instanceof HsmError
    if (!unseen) this.forgetStale(material)
    if (unseen ? patience.mayDoubtLogin() && this.seesNothing() && this.take('login-again') : patience.mayLookUp()) return true
    if (material && this.isYoung(material.name)) return patience.wait()
    // An object that a search finds and no use knows is no missing one.
    return !unseen && this.recover(patience)
  }

  private recover(patience: Patience): boolean {
    for (let step = patience.nextStep(); step; step = patience.nextStep()) {
      if (this.take(step)) return true
    }
    return false
  }

  /** Whether the step could be taken. Throws kind `login` and nothing else: a refused PIN ends everything. */
  private take(step: RecoveryStep): boolean {
    try {
      return this.taken(step)
    } catch (error) {
      if (error instanceof HsmError && error.kind === 'login') throw error
      this.log.warn('a step to recover the HSM failed', { step, failure: failureText(error) })
      return false
    }
  }

  private taken(step: RecoveryStep): boolean {
    const { loginCount, generation } = this.token
    switch (step) {
      case 'new-session':
        this.dropSession()
        this.session()
        return true
      case 'login-again':
        if (!this.current) return false
        this.token.loginAgain(this.current)
        return this.token.loginCount !== loginCount
      case 'reinitialise':
        this.token.reinitialise()
        if (this.token.generation === generation) return false
        this.session()
        return true
      case 'new-process':
        return false
    }
  }

  /** Leaves a session that can be trusted, or none. */
  private giveUp(doing: string, failure: unknown, material?: Material): never {
    const { kind, remedy } = this.reactionTo(failure)
    if (remedy === 'recover' || remedy === 'new-session') this.dropSession()
    if (remedy === 'look-up' && !(failure instanceof HsmError)) this.forgetStale(material)
    if (remedy === 'look-up' && material && this.isYoung(material.name)) {
      throw new HsmError('busy', `material ${material.name} was just made and is not known everywhere yet`, codeOf(failure))
    }
    throw failure instanceof HsmError ? failure : hsmError(kind, doing, failure)
  }

  /** A search that finds nothing at all, in a token that is in use, is none. */
  private seesNothing(): boolean {
    try {
      return search(this.lib, this.session(), { private: true }, 1).length === 0
    } catch {
      return false
    }
  }

  private isYoung(name: string): boolean {
    const madeAt = this.madeAt.get(name)
    return madeAt !== undefined && performance.now() - madeAt < this.profile.lanes.settleMs
  }
}

/** Throws kind `evidence` if some objects of the material are there and some are not. */
export function completeObjects(plans: readonly ObjectPlan[], found: readonly (Handle | undefined)[]): readonly Handle[] {
  return plans.map(({ role, label }, at) => {
    const handle = found[at]
    if (!handle) throw new HsmError('evidence', `there is no ${role} object ${label}, but its other half`)
    return handle
  })
}

function codeOf(failure: unknown): number | undefined {
  return failure instanceof HsmError ? failure.returnValue : returnValueOf(failure)
}
