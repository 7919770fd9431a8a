import type { Handle, PKCS11 } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { hsmError, reactionTo, returnValueOf } from './errors.js'
import { objectPlans, readEvidence, type ObjectPlan } from './evidence.js'
import { findObject, search } from './objects.js'
import type { Profile } from '../profiles/profile.js'
import type { Token } from '../token/token.js'

/** Cached handles; beyond it the cache starts again. */
const handlesMax = 10_000
const publicSuffix = '\npublic'

interface CachedHandle { readonly kind: MaterialKind, readonly handle: Handle }

/**
 * One session and the object handles known through it. After an error nobody expected the session is replaced, because
 * PKCS#11 2.40 has no call that cancels an operation; calls that may be repeated are repeated once.
 */
export class Connection {
  readonly profile: Profile
  readonly lib: PKCS11
  readonly log: Log
  private readonly token: Token
  /** By name of the material, the public half of a pair behind `publicSuffix`. */
  private readonly handles = new Map<string, CachedHandle>()
  private handlesOfLogin: number
  private current: Handle | undefined
  private closed = false

  /** The token is acquired by the caller and given back by `close`. */
  constructor(token: Token, log: Log) {
    this.token = token
    this.profile = token.profile
    this.lib = token.lib
    this.log = log
    this.current = token.openSession()
    this.handlesOfLogin = token.loginCount
  }

  session(): Handle {
    if (this.current) return this.current
    if (this.closed) throw new HsmError('configuration', 'the HSM was closed')
    this.current = this.token.openSession()
    return this.current
  }

  /** The cached handle; looked up, and its object judged, the first time after each login. */
  handle(material: Material, role?: 'public'): Handle {
    this.session()
    if (this.handlesOfLogin !== this.token.loginCount) this.forgetAll()
    const cached = this.handles.get(role ? material.name + publicSuffix : material.name)
    return cached?.kind === material.kind ? cached.handle : this.load(material, role)
  }

  /** Before every search: without a login it finds nothing and says nothing. */
  requireLogin(): void {
    this.token.ensureLogin(this.session())
  }

  lookUp(material: Material, plan: ObjectPlan): Handle | undefined {
    this.requireLogin()
    return findObject(this.lib, this.session(), material, plan)
  }

  /** Every object of that name, of any class. */
  byName(material: Material, limit?: number): readonly Handle[] {
    this.requireLogin()
    return search(this.lib, this.session(), { label: material.name }, limit)
  }

  evidence(material: Material, plan: ObjectPlan, object: Handle): Evidence {
    return readEvidence(this.lib, this.session(), object, material, plan, this.profile)
  }

  remember(material: Material, plan: ObjectPlan, handle: Handle): void {
    if (this.handles.size >= handlesMax) this.handles.clear()
    this.handles.set(plan.role === 'public' ? material.name + publicSuffix : material.name, { kind: material.kind, handle })
  }

  forget(material: Material): void {
    this.handles.delete(material.name)
    this.handles.delete(material.name + publicSuffix)
  }

  repeatable<T>(doing: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      this.recover(doing, error, true)
    }
    return this.once(doing, run)
  }

  once<T>(doing: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      return this.recover(doing, error, false)
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.handles.clear()
    this.dropSession()
    this.token.release()
  }

  private load(material: Material, role: 'public' | undefined): Handle {
    const plans = objectPlans(material, this.profile)
    const plan = role ? plans.find(each => each.role === role) : plans[0]
    const handle = plan && this.lookUp(material, plan)
    if (!handle) throw new HsmError('missing', `there is no material named ${material.name}`)
    this.evidence(material, plan, handle)
    this.remember(material, plan, handle)
    return handle
  }

  private forgetAll(): void {
    this.handles.clear()
    this.handlesOfLogin = this.token.loginCount
  }

  private dropSession(): void {
    if (this.current) this.token.closeSession(this.current)
    this.current = undefined
  }

  /** Makes the session trustworthy again, then throws; returns only if the call may be repeated. */
  private recover(doing: string, error: unknown, mayRepeat: true): void
  private recover(doing: string, error: unknown, mayRepeat: false): never
  private recover(doing: string, error: unknown, mayRepeat: boolean): void {
    if (error instanceof HsmError) throw error
    const { kind, remedy, repeat } = reactionTo(error, this.profile)
    this.log.warn(`${doing} failed in the HSM`, { returnValue: returnValueOf(error), kind, remedy })
    // The next use opens another session, and logs in again if the login is gone.
    if (remedy !== 'nothing') this.dropSession()
    if (remedy === 'look-up') this.handles.clear()
    if (!mayRepeat || !repeat) throw hsmError(kind, doing, error)
  }
}
