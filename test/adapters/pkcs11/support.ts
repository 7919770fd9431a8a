import { expect } from 'chai'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { Connection } from '../../../src/adapters/pkcs11/driver/connection.js'
import { Driver } from '../../../src/adapters/pkcs11/driver/driver.js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import type { Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { acquireToken, type Token } from '../../../src/adapters/pkcs11/token/token.js'
import type { Log, LogFields } from '../../../src/ports/log.js'
import { HsmError, type HsmErrorKind } from '../../../src/ports/hsm.js'
import { testToken } from '../../support/softhsm.js'

export const silentLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

export interface LogEntry { readonly level: string, readonly message: string, readonly fields: LogFields | undefined }

export function recordingLog(): Log & { readonly entries: LogEntry[] } {
  const entries: LogEntry[] = []
  const at = (level: string) => (message: string, fields?: LogFields) => { entries.push({ level, message, fields }) }
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export interface Bench { readonly token: Token, readonly connection: Connection, readonly driver: Driver, readonly lib: PKCS11 }

export interface BenchOptions extends Pick<Pkcs11Config, 'objectsMax'> {
  /** Another profile than the token's own. Only while no other driver is open on the token, which would share its. */
  readonly profile?: Profile
  /** Another token than the shared one. */
  readonly config?: Pkcs11Config
}

/** A driver on the shared token with its parts laid open. `driver.close()` ends it. */
export async function openBench(log: Log = silentLog, verifySeals = true, options: BenchOptions = {}): Promise<Bench> {
  const config = options.config ?? await testToken()
  const token = acquireToken(options.profile ? { ...config, profile: options.profile } : config, log)
  const connection = new Connection(token, log)
  return { token, connection, driver: new Driver(connection, { ...options, verifySeals }), lib: token.lib }
}

/**
 * Puts something before a function of the library for one call of `use`. `call` gets the real function's arguments and a way to
 * run it.
 */
export function whileReplaced<Name extends keyof PKCS11, T>(
  lib: PKCS11, name: Name, call: (run: () => unknown, args: readonly unknown[]) => unknown, use: () => T,
): T {
  const real = lib[name] as (...args: unknown[]) => unknown
  const replacement = (...args: unknown[]): unknown => call(() => real.apply(lib, args), args)
  Object.defineProperty(lib, name, { value: replacement, configurable: true, writable: true })
  try {
    return use()
  } finally {
    Object.defineProperty(lib, name, { value: real, configurable: true, writable: true })
  }
}

/** Stands in for a library function that fails with this return value. */
export function throwing(code: number): () => never {
  return () => { throw new pkcs11.Pkcs11Error(`CKR_OF_A_TEST:${code}`, code) }
}

export function expectRefused(call: () => unknown, kind: HsmErrorKind): void {
  expect(call).to.throw(HsmError).with.property('kind', kind)
}

/** Of the shared token. */
export async function slotOf({ lib }: Bench): Promise<Handle> {
  const { tokenLabel } = await testToken()
  return lib.C_GetSlotList(true).find(slot => lib.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel) as Handle
}
