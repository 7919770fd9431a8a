import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findSoftHsm, makeSoftHsmToken } from '../../src/adapters/pkcs11/token/softhsm-token.js'
import type { Pkcs11Config } from '../../src/adapters/pkcs11/config.js'

const prefix = 'claviger-softhsm-'
let directory: string | undefined
let shared: Promise<Pkcs11Config> | undefined
let made = 0

/** The SoftHSM token of this test process, made once and removed when the process ends. */
export function testToken(): Promise<Pkcs11Config> {
  shared ??= freshToken()
  return shared
}

/**
 * Another, empty token. Only while no token is open in this process, because the library must be initialised anew; and whoever opens
 * it must close it again before a test uses the shared one.
 */
export function freshToken(): Promise<Pkcs11Config> {
  return makeSoftHsmToken({ directory: newTokenDirectory(), label: 'claviger-test', module: findSoftHsm() })
}

/** The PIN file of a token made here. */
export function pinFileOf({ pin }: Pick<Pkcs11Config, 'pin'>): string {
  if (!pin || !('file' in pin)) throw new Error('this token has no PIN file')
  return pin.file
}

/** Where a token of this test process may be made; removed at its end. */
export function newTokenDirectory(): string {
  directory ??= ownDirectory()
  made += 1
  return join(directory, `token-${made}`)
}

function ownDirectory(): string {
  removeLeftovers()
  const path = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
  process.on('exit', () => { rmSync(path, { recursive: true, force: true }) })
  return path
}

// A killed process removes nothing; the next one does it in its place.
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const maker = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]
    if (maker && !isAlive(Number(maker))) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
