import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Pkcs11Config } from '../config.js'
import { hsmError, reactionTo, returnValueOf } from '../driver/errors.js'
import { chooseProfile } from '../profiles/choose.js'
import { resolveProfile } from '../profiles/derive.js'
import type { Place } from '../profiles/observe/trial.js'
import type { Profile } from '../profiles/profile.js'
import { loadLibrary, readTokenInfo, type Library, type TokenInfo } from './module.js'
import { checkPin, readPin, sourceName, type Pin } from './pin.js'
import { RefusalMarker } from './refusal.js'
import { onlySlot, requireTries } from './slots.js'

// RW: some vendors refuse read-only sessions. SERIAL: the standard asks for it.
const sessionFlags = pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION
const stateUserLoggedIn = 3
/** Between one `loginAgain` and the next: it ends the login of the whole process for a moment. */
const loginAgainGapMs = 1_000
const tokens = new Map<string, Token>()

/** Where logins to one token take turns over several processes, and the PIN is given out for each: with one try, and no more at a time. */
export interface LoginTurns {
  /** Waits for the turn. Throws HsmError: kind `login` if another was refused. */
  take(): Pin
  give(outcome: LoginOutcome): void
}

export type LoginOutcome = 'accepted' | 'refused' | 'failed'

/**
 * The token of a configuration, logged in; shared by all of this process that open it. Give it back with `release`. With `turns` the PIN
 * comes from there.
 */
export function acquireToken(config: Pkcs11Config, log: Log, turns?: LoginTurns): Token {
  const library = loadLibrary(config.module, config)
  const slot = library.acquire(config, config)
  try {
    const info = infoOf(library, slot)
    const name = JSON.stringify([library.path, info.label, info.serial])
    const token = tokens.get(name) ?? new Token(library, slot, info, config, log, () => tokens.delete(name), turns)
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
  private chosen: Profile
  private readonly library: Library
  private readonly config: Pkcs11Config
  private readonly log: Log
  private readonly forget: () => void
  private readonly marker: RefusalMarker
  private readonly turns: LoginTurns | undefined
  /** Which initialisation of the library a session is of: its number may name another session now. */
  private readonly opened = new WeakMap<Handle, number>()
  private slot: Handle
  private slotOf: number
  private idle: Handle | undefined
  private users = 0
  private logins = 0
  private loggedInAgainAt = -Infinity
  private refusal: HsmError | undefined

  constructor(library: Library, slot: Handle, info: TokenInfo, config: Pkcs11Config, log: Log, forget: () => void, turns?: LoginTurns) {
    this.library = library
    this.slot = slot
    this.slotOf = library.generation
    this.config = config
    this.log = log
    this.forget = forget
    this.turns = turns
    this.marker = new RefusalMarker(config.refusalFile, log)
    this.info = info
    this.chosen = typeof config.profile === 'object'
      ? config.profile : chooseProfile({ ...info, libraryDescription: library.module.libraryDescription }, config.profile)
  }

  get lib(): pkcs11.PKCS11 {
    return this.library.lib
  }

  /** After the first `acquire` it is what the token itself showed, where the profile leaves that open. */
  get profile(): Profile {
    return this.chosen
  }

  /** Grows when the library is initialised anew: no session of an earlier number may be used, or closed. */
  get generation(): number {
    return this.library.generation
  }

  /** Grows with every login, and whenever there may have been one: handles of an earlier login may name other objects now. */
  get loginCount(): number {
    return this.logins + this.library.generation
  }

  /** For trials with keys of their own. Not to be kept: a new initialise may change the slot. */
  get place(): Place {
    this.renew()
    return { lib: this.lib, slot: this.slot }
  }

  acquire(): void {
    this.keepIdleSession()
    try {
      this.chosen = resolveProfile(this.place, this.chosen, this.log)
    } catch (error) {
      this.closeIdle()
      throw error
    }
    this.users += 1
  }

  release(): void {
    this.users -= 1
    if (this.users === 0) {
      this.forget()
      this.closeIdle()
    }
    this.library.release()
  }

  mechanisms(): readonly number[] {
    this.renew()
    return this.lib.C_GetMechanismList(this.slot)
  }

  /** A new session that is logged in. Throws HsmError. */
  openSession(): Handle {
    this.keepIdleSession()
    return this.openLoggedIn()
  }

  /** Never throws: a session that cannot be closed is gone already. */
  closeSession(session: Handle): void {
    // Its number may be somebody else's session by now.
    if ((this.opened.get(session) ?? this.generation) !== this.generation) return
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

  /**
   * Ends the login and makes another, where the device has forgotten what its library still believes in. It concerns every session of
   * the process; sooner than a second after the last time nothing is done. Throws HsmError.
   */
  loginAgain(session: Handle): void {
    const now = performance.now()
    if (now - this.loggedInAgainAt < loginAgainGapMs) return
    this.loggedInAgainAt = now
    this.logout(session)
    this.login(session)
  }

  /**
   * Finalises and initialises the library, and finds the slot again. All sessions of the process with this library are gone then, of
   * other tokens, too; whoever holds one notices by `generation`. At most once a second, else nothing is done. Throws HsmError.
   */
  reinitialise(): void {
    if (this.library.reinitialise()) this.log.warn('the PKCS#11 library was initialised anew', { token: this.info.label })
    this.renew()
  }

  private closeIdle(): void {
    if (this.idle) this.closeSession(this.idle)
    this.idle = undefined
  }

  private keepIdleSession(): void {
    this.renew()
    if (this.idle && this.isOpen(this.idle)) return
    // Somebody ended all sessions, and with them the login that our handles belong to.
    if (this.idle) this.logins += 1
    this.idle = undefined
    this.idle = this.openLoggedIn()
  }

  /** Slot and idle session are of one initialisation of the library. */
  private renew(): void {
    const { generation } = this.library
    if (this.slotOf === generation) return
    this.idle = undefined
    try {
      this.slot = onlySlot(this.lib, this.config)
    } catch (error) {
      // It was there before: what is missing now may come back.
      throw error instanceof HsmError ? new HsmError('lost', error.message, error.returnValue, { cause: error }) : error
    }
    this.slotOf = generation
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
      const session = this.lib.C_OpenSession(this.slot, sessionFlags)
      this.opened.set(session, this.generation)
      return session
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

  private logout(session: Handle): void {
    try {
      this.lib.C_Logout(session)
    } catch (error) {
      if (returnValueOf(error) === pkcs11.CKR_USER_NOT_LOGGED_IN) return
      throw hsmError(reactionTo(error, this.profile).kind, 'logging out', error)
    }
  }

  /** A refused PIN is never tried again: a few tries lock most tokens for good. */
  private login(session: Handle): void {
    if (this.refusal) throw this.refusal
    const pin = this.turns?.take() ?? readPin(this.config.pin, this.log)
    let outcome: LoginOutcome = 'failed'
    try {
      checkPin(pin.bytes, this.profile.pin, this.info.pinBytes, sourceName(this.config.pin))
      const refused = this.marker.find(this.info, pin.stamp)
      if (refused) throw refused
      requireTries(this.info)
      if (this.sendPin(session, pin)) this.marker.clear()
      outcome = 'accepted'
    } catch (error) {
      if (error instanceof HsmError && error.kind === 'login') outcome = 'refused'
      throw error
    } finally {
      pin.bytes.fill(0)
      this.turns?.give(outcome)
    }
  }

  /** false if somebody was logged in already: then the token has not looked at the PIN. */
  private sendPin(session: Handle, { bytes, stamp }: Pin): boolean {
    try {
      this.lib.C_Login(session, pkcs11.CKU_USER, bytes.toString())
    } catch (error) {
      if (returnValueOf(error) !== pkcs11.CKR_USER_ALREADY_LOGGED_IN) throw this.loginFailure(error, stamp)
      this.logins += 1
      return false
    }
    this.logins += 1
    this.log.info('logged in to the HSM', { token: this.info.label, serial: this.info.serial, logins: this.logins })
    return true
  }

  private loginFailure(error: unknown, stamp: Pin['stamp']): HsmError {
    const failure = hsmError(reactionTo(error, this.profile).kind, 'logging in', error)
    if (failure.kind !== 'login') return failure
    this.marker.write(this.info, failure.returnValue ?? 0, stamp)
    // It says what to do.
    this.refusal = this.marker.find(this.info, stamp) ?? failure
    return this.refusal
  }
}

function infoOf(library: Library, slot: Handle): TokenInfo {
  try {
    return readTokenInfo(library.lib, slot)
  } catch (error) {
    throw hsmError('lost', 'reading the token', error)
  }
}
