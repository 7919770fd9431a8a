import { realpathSync } from 'node:fs'
import { Module } from 'graphene-pk11'
import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { hsmError } from '../driver/errors.js'

/** Names and flags of a token, without padding. */
export interface TokenInfo {
  readonly label: string
  readonly serial: string
  readonly manufacturer: string
  readonly model: string
  readonly flags: number
  readonly pinBytes: { readonly min: number, readonly max: number }
}

export interface TokenChoice { readonly tokenLabel?: string, readonly tokenSerial?: string }
export type Environment = Readonly<Record<string, string>>

const osLockingOk = 2
const libraries = new Map<string, Library>()

/**
 * The library at a path. Its state (initialise, login, slot list) is one per process, so there is one Library per file, kept for
 * the life of the process: unloading one with a call in flight is fatal.
 */
export function loadLibrary(path: string): Library {
  const file = resolved(path)
  const library = libraries.get(file) ?? new Library(file)
  libraries.set(file, library)
  return library
}

export class Library {
  readonly path: string
  readonly module: Module
  private initialised = false
  private users = 0

  constructor(path: string) {
    this.path = path
    try {
      this.module = Module.load(path)
    } catch (error) {
      const why = error instanceof Error ? error.message : 'no reason given'
      throw new HsmError('configuration', `the PKCS#11 module ${path} cannot be loaded: ${why}`, undefined, { cause: error })
    }
  }

  get lib(): pkcs11.PKCS11 {
    return this.module.lib
  }

  /**
   * Counts the caller in and makes the library ready: with this environment, and with a slot list that is no older than the
   * token asked for. The slot list is fixed at C_Initialize; it is only renewed while nobody else uses the library.
   */
  acquire(environment: Environment, choice: TokenChoice): Handle {
    this.prepare(environment)
    if (this.users === 0 && findSlots(this.lib, choice).length === 0) this.restart(environment)
    const slot = onlySlot(findSlots(this.lib, choice), choice)
    this.users += 1
    return slot
  }

  release(): void {
    this.users -= 1
  }

  /** Runs `use` on a library initialised for it alone, and leaves the library not initialised. Not while a token is open. */
  exclusively<T>(environment: Environment, use: (lib: pkcs11.PKCS11) => T): T {
    if (this.users > 0) throw new HsmError('configuration', `${this.path} is in use in this process`)
    this.restart(environment)
    try {
      return use(this.lib)
    } finally {
      this.finalise()
    }
  }

  /** Initialised, whoever uses it, with this environment. */
  prepare(environment: Environment): void {
    if (!this.initialised) return this.restart(environment)
    const changed = Object.entries(environment).filter(([name, value]) => process.env[name] !== value).map(([name]) => name)
    if (changed.length === 0) return
    if (this.users > 0) throw new HsmError('configuration', `${this.path} is already in use with another ${changed.join(', ')}`)
    this.restart(environment)
  }

  private restart(environment: Environment): void {
    if (this.initialised) this.finalise()
    Object.assign(process.env, environment)
    try {
      // Without CKF_OS_LOCKING_OK a library may believe it is never used from two threads.
      this.module.initialize({ flags: osLockingOk })
    } catch (error) {
      throw hsmError('lost', `initialising ${this.path}`, error)
    }
    this.initialised = true
  }

  private finalise(): void {
    this.initialised = false
    this.lib.C_Finalize()
  }
}

export function readTokenInfo(lib: pkcs11.PKCS11, slot: Handle): TokenInfo {
  const info = lib.C_GetTokenInfo(slot)
  return {
    label: info.label.trimEnd(),
    serial: info.serialNumber.trimEnd(),
    manufacturer: info.manufacturerID.trimEnd(),
    model: info.model.trimEnd(),
    flags: info.flags,
    pinBytes: { min: info.minPinLen, max: info.maxPinLen },
  }
}

export function isInitialisedToken(info: TokenInfo): boolean {
  return (info.flags & pkcs11.CKF_TOKEN_INITIALIZED) !== 0
}

// By label or serial: slot numbers change with every start on some tokens.
function findSlots(lib: pkcs11.PKCS11, { tokenLabel, tokenSerial }: TokenChoice): readonly Handle[] {
  try {
    return lib.C_GetSlotList(true).filter(slot => {
      const info = readTokenInfo(lib, slot)
      return isInitialisedToken(info)
        && (tokenLabel === undefined || info.label === tokenLabel)
        && (tokenSerial === undefined || info.serial === tokenSerial)
    })
  } catch (error) {
    throw hsmError('lost', 'reading the slots', error)
  }
}

function onlySlot(slots: readonly Handle[], { tokenLabel, tokenSerial }: TokenChoice): Handle {
  const [slot] = slots
  if (slot && slots.length === 1) return slot
  const asked = [tokenLabel && `label ${tokenLabel}`, tokenSerial && `serial ${tokenSerial}`].filter(Boolean).join(' and ') || 'any name'
  throw new HsmError('configuration', `${slots.length} tokens have ${asked}; exactly one must`)
}

// One file, one state, under whatever name: a second path to it must find the same Library.
function resolved(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new HsmError('configuration', `there is no PKCS#11 module at ${path}`, undefined, { cause: error })
  }
}
