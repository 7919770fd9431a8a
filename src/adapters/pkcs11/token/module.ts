import { realpathSync } from 'node:fs'
import { Module } from 'graphene-pk11'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { hsmError, returnValueOf } from '../driver/errors.js'
import { hasToken, onlySlot, type TokenChoice } from './slots.js'

export { isInitialisedToken, readTokenInfo, type TokenChoice, type TokenInfo } from './slots.js'

export type Environment = Readonly<Record<string, string>>

/** What a library is told, and tells nobody, about its own working. A Pkcs11Config is one. */
export interface LibrarySetup {
  readonly environment?: Environment
  /** CK_C_INITIALIZE_ARGS.pReserved as a string. */
  readonly libraryParameters?: string
}

const osLockingOk = 2
/** Between one renewal of a library in use and the next: each ends every session of the process. */
const reinitialiseGapMs = 1_000
const libraries = new Map<string, Library>()

/**
 * The library at a path. Its state (initialise, login, slot list) is one per process, so there is one Library per file, kept for
 * the life of the process: unloading one with a call in flight is fatal. The environment is set first, because some read it when they
 * are loaded. Throws HsmError of kind `configuration`.
 */
export function loadLibrary(path: string, setup: LibrarySetup = {}): Library {
  const file = resolved(path)
  const library = libraries.get(file) ?? new Library(file, setup)
  libraries.set(file, library)
  return library
}

export class Library {
  readonly path: string
  readonly module: Module
  private setup: LibrarySetup
  private initialised = false
  private everInitialised = false
  private initialisations = 0
  private renewedAt = -Infinity
  private users = 0

  constructor(path: string, setup: LibrarySetup) {
    this.path = path
    this.setup = setup
    Object.assign(process.env, setup.environment)
    try {
      this.module = Module.load(path)
    } catch (error) {
      const why = error instanceof Error ? error.message : 'no reason given'
      throw new HsmError('configuration', `the PKCS#11 module ${path} cannot be loaded: ${why}`, undefined, { cause: error })
    }
  }

  get lib(): PKCS11 {
    return this.module.lib
  }

  /** Grows with every C_Initialize: slots, sessions and handles of an earlier one may be others now, under the same numbers. */
  get generation(): number {
    return this.initialisations
  }

  /**
   * Counts the caller in and makes the library ready: set up as asked, and with a slot list that is no older than the token asked
   * for. The slot list is fixed at C_Initialize; it is only renewed here while nobody else uses the library.
   */
  acquire(setup: LibrarySetup, choice: TokenChoice): Handle {
    const fresh = this.prepare(setup)
    if (!fresh && this.users === 0 && !hasToken(this.lib, choice)) this.restart(setup)
    const slot = onlySlot(this.lib, choice)
    // A first user has suffered no loss yet.
    if (this.users === 0) this.renewedAt = -Infinity
    this.users += 1
    return slot
  }

  release(): void {
    this.users -= 1
  }

  /** Runs `use` on a library initialised for it alone, and leaves the library not initialised. Not while a token is open. */
  exclusively<T>(setup: LibrarySetup, use: (lib: PKCS11) => T): T {
    if (this.users > 0) throw new HsmError('configuration', `${this.path} is in use in this process`)
    this.restart(setup)
    try {
      return use(this.lib)
    } finally {
      this.finalise()
    }
  }

  /** Initialised, whoever uses it, and set up so. Answers whether it was initialised by this call. */
  prepare(setup: LibrarySetup): boolean {
    const changed = this.initialised || this.users > 0 ? this.differences(setup) : []
    if (changed.length > 0 && this.users > 0) {
      throw new HsmError('configuration', `${this.path} is already in use in this process with another ${changed.join(', ')}`)
    }
    if (this.initialised && changed.length === 0) return false
    this.restart(setup)
    return true
  }

  /**
   * Finalises and initialises the library under its users, which must notice by `generation`. Sooner than a second after the last time it
   * does nothing: whoever asks suffered from the same loss, or nothing helps. Throws kind `lost`.
   */
  reinitialise(): boolean {
    const now = performance.now()
    if (now - this.renewedAt < reinitialiseGapMs) {
      if (this.initialised) return false
      throw new HsmError('lost', `${this.path} could not be initialised a moment ago`)
    }
    this.renewedAt = now
    this.restart(this.setup)
    return true
  }

  /** Names of what is set up otherwise; parameters may hold more than a name. */
  private differences({ environment = {}, libraryParameters }: LibrarySetup): readonly string[] {
    const known = this.setup.environment ?? {}
    const names = Object.entries(environment).filter(([name, value]) => (known[name] ?? process.env[name]) !== value).map(([name]) => name)
    return libraryParameters === this.setup.libraryParameters ? names : [...names, 'libraryParameters']
  }

  private restart(setup: LibrarySetup): void {
    if (this.everInitialised) this.finalise()
    this.setup = setup
    this.everInitialised = true
    // Two libraries may know the same variable; each is initialised with its own value.
    Object.assign(process.env, setup.environment)
    try {
      this.module.initialize(initialiseArguments(setup))
    } catch (error) {
      // NSS softoken says so when it is not told where its database is.
      const untold = setup.libraryParameters === undefined && returnValueOf(error) === pkcs11.CKR_ARGUMENTS_BAD
      throw hsmError('lost', `initialising ${this.path}${untold ? ' without libraryParameters' : ''}`, error)
    }
    this.initialised = true
    this.initialisations += 1
  }

  /** Never throws: what a library that lost its device answers here means nothing, C_Initialize tells. */
  private finalise(): void {
    this.initialised = false
    try {
      this.lib.C_Finalize()
    } catch {
      return
    }
  }
}

// Without CKF_OS_LOCKING_OK a library may believe it is never used from two threads. The binding cuts off the last character.
function initialiseArguments({ libraryParameters }: LibrarySetup): { flags: number, libraryParameters?: string } {
  return libraryParameters === undefined ? { flags: osLockingOk } : { flags: osLockingOk, libraryParameters: `${libraryParameters} ` }
}

// One file, one state, under whatever name: a second path to it must find the same Library.
function resolved(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new HsmError('configuration', `there is no PKCS#11 module at ${path}`, undefined, { cause: error })
  }
}
