import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Pkcs11Config } from '../config.js'
import { hsmError, reactionTo, returnValueOf } from '../driver/errors.js'
import { loadLibrary, readTokenInfo, type Library, type TokenInfo } from './module.js'
import { readPin } from './pin.js'
import { chooseProfile } from '../profiles/choose.js'
import type { Profile } from '../profiles/profile.js'

// RW: some vendors refuse read-only sessions. SERIAL: the standard asks for it.
const sessionFlags = pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION
const stateUserLoggedIn = 3
const tokens = new Map<string, Token>()

/** The token of a configuration, logged in; shared by all of this process that open it. Give it back with `release`. */
export function acquireToken(config: Pkcs11Config, log: Log): Token {
  const library = loadLibrary(config.module)
  const slot = library.acquire(config.environment ?? {}, config)
  const name = `${library.path} ${slot.toString('hex')}`
  try {
    const token = tokens.get(name) ?? new Token(library, slot, config, log, () => tokens.delete(name))
    token.acquire()
    tokens.set(name, token)
    return token
  } catch (error) {
    library.release()
    throw error
  }
}

/**
 * One login of this process to one token. A login belongs to process and token, not to a session, and ends with the last session:
 * so one idle session stays open until the last user is gone.
 */
export class Token {
  readonly info: TokenInfo
  readonly profile: Profile
  private readonly library: Library
  private readonly slot: Handle
  private readonly config: Pkcs11Config
  private readonly log: Log
  private readonly forget: () => void
  private idle: Handle | undefined
  private users = 0
  private logins = 0
  private refusal: HsmError | undefined

  constructor(library: Library, slot: Handle, config: Pkcs11Config, log: Log, forget: () => void) {
    this.library = library
    this.slot = slot
    this.config = config
    this.log = log
    this.forget = forget
    this.info = readTokenInfo(library.lib, slot)
    this.profile = typeof config.profile === 'object'
      ? config.profile : chooseProfile({ ...this.info, libraryDescription: library.module.libraryDescription }, config.profile)
  }

  get lib(): pkcs11.PKCS11 {
    return this.library.lib
  }

  /** Grows with every login, and whenever there may have been one: handles of an earlier login may name other objects now. */
  get loginCount(): number {
    return this.logins
  }

  acquire(): void {
    this.keepIdleSession()
    this.users += 1
  }

  release(): void {
    this.users -= 1
    if (this.users === 0) {
      this.forget()
      if (this.idle) this.closeSession(this.idle)
      this.idle = undefined
    }
    this.library.release()
  }

  mechanisms(): readonly number[] {
    return this.lib.C_GetMechanismList(this.slot)
  }

  /** A new session that is logged in. Throws HsmError. */
  openSession(): Handle {
    this.keepIdleSession()
    return this.openLoggedIn()
  }

  /** Never throws: a session that cannot be closed is gone already. */
  closeSession(session: Handle): void {
    try {
      this.lib.C_CloseSession(session)
    } catch (error) {
      this.log.debug('closing a PKCS#11 session failed', { returnValue: returnValueOf(error) })
    }
  }

  /** Logs in again if the login is gone, as the library sees it. Passes on what C_GetSessionInfo throws. */
  ensureLogin(session: Handle): void {
    if (this.lib.C_GetSessionInfo(session).state !== stateUserLoggedIn) this.login(session)
  }

  private keepIdleSession(): void {
    if (this.idle && this.isOpen(this.idle)) return
    // Somebody ended all sessions, and with them the login that our handles belong to.
    if (this.idle) this.logins += 1
    this.idle = undefined
    this.idle = this.openLoggedIn()
  }

  private openLoggedIn(): Handle {
    const session = this.open()
    try {
      this.ensureLogin(session)
      return session
    } catch (error) {
      this.closeSession(session)
      throw error instanceof HsmError ? error : hsmError(reactionTo(error, this.profile).kind, 'reading the session state', error)
    }
  }

  private open(): Handle {
    try {
      return this.lib.C_OpenSession(this.slot, sessionFlags)
    } catch (error) {
      throw hsmError(reactionTo(error, this.profile).kind, 'opening a session', error)
    }
  }

  private isOpen(session: Handle): boolean {
    try {
      this.lib.C_GetSessionInfo(session)
      return true
    } catch {
      return false
    }
  }

  /** A refused PIN is never tried again: a few tries lock most tokens for good. */
  private login(session: Handle): void {
    if (this.refusal) throw this.refusal
    const pin = readPin(this.config.pin, this.profile.pin, this.info.pinBytes, this.log)
    try {
      this.lib.C_Login(session, pkcs11.CKU_USER, pin)
    } catch (error) {
      if (returnValueOf(error) === pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
        this.logins += 1
        return
      }
      const failure = hsmError(reactionTo(error, this.profile).kind, 'logging in', error)
      if (failure.kind === 'login') this.refusal = failure
      throw failure
    }
    this.logins += 1
    this.log.info('logged in to the HSM', { token: this.info.label, serial: this.info.serial, logins: this.logins })
  }
}
