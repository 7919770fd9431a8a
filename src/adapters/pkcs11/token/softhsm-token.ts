import { randomBytes } from 'node:crypto'
import {
  closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { hsmError } from '../driver/errors.js'
import { isInitialisedToken, loadLibrary, readTokenInfo } from './module.js'
import type { Pkcs11Config } from '../config.js'

export interface SoftHsmToken {
  /** Holds the token, its configuration and its PINs, and nothing else; made if it is not there. */
  readonly directory: string
  readonly label: string
  /** Path of the SoftHSM library. */
  readonly module: string
}

const moduleFiles = [
  '/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so', '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so', '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]
/** CK_TOKEN_INFO has so many bytes for a label, padded with blanks (PKCS#11 2.40, section 3.2). */
const tokenLabelBytes = 32
const pinRandomBytes = 24
const ownerOnlyDirectory = 0o700
const ownerOnlyFile = 0o600
const unfinished = '.new-'

/** Where distributions put SoftHSM. Throws kind `configuration` when it is nowhere there. */
export function findSoftHsm(): string {
  const file = moduleFiles.find(each => existsSync(each))
  if (!file) throw new HsmError('configuration', 'libsofthsm2.so is not installed (on Debian: apt-get install softhsm2)')
  return file
}

/**
 * A SoftHSM token of our own with random PINs in files that only the owner reads. A finished one is used as it is; an
 * unfinished one cannot exist under its name, because it is made beside it and renamed. Not while a token of the same
 * library is open in this process.
 */
export async function makeSoftHsmToken({ directory, label, module }: SoftHsmToken): Promise<Pkcs11Config> {
  const place = resolve(directory)
  checkNames(place, label)
  if (!isComplete(place)) make(place, label, module)
  writeConfiguration(place, place)
  return {
    module,
    tokenLabel: label,
    pin: { file: join(place, 'pin') },
    profile: 'softhsm',
    environment: { SOFTHSM2_CONF: configurationFile(place) },
    durableDirectory: join(place, 'tokens'),
    verifySeals: true,
  }
}

// SoftHSM ends a value at # and =, and knows no way around it.
function checkNames(directory: string, label: string): void {
  if (/[#=\r\n]/.test(directory)) {
    throw new HsmError('configuration', `SoftHSM cannot use a directory with # or = in its name: ${directory}`)
  }
  if (label === '' || Buffer.byteLength(label) > tokenLabelBytes) {
    throw new HsmError('configuration', `a token label has 1 to ${tokenLabelBytes} bytes`)
  }
}

function isComplete(directory: string): boolean {
  return ['pin', 'so-pin', 'tokens'].every(name => existsSync(join(directory, name)))
}

function make(directory: string, label: string, module: string): void {
  mkdirSync(dirname(directory), { recursive: true })
  removeLeftovers(directory)
  const building = `${directory}${unfinished}${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    fill(building, label, module)
    syncTree(building)
    renameSync(building, directory)
    sync(dirname(directory))
  } catch (error) {
    rmSync(building, { recursive: true, force: true })
    // Another process was quicker: its token is as good.
    if (!isComplete(directory)) throw asHsmError(error, directory)
  }
}

function fill(building: string, label: string, module: string): void {
  mkdirSync(join(building, 'tokens'), { recursive: true, mode: ownerOnlyDirectory })
  const [pin, soPin] = [newPin(), newPin()]
  writeSecret(join(building, 'pin'), pin)
  writeSecret(join(building, 'so-pin'), soPin)
  writeConfiguration(building, building)
  const setup = { environment: { SOFTHSM2_CONF: configurationFile(building) } }
  loadLibrary(module, setup).exclusively(setup, lib => initialise(lib, label, pin, soPin))
  writeConfiguration(building, directoryOf(building))
}

/** C_InitToken, then the user PIN as security officer (PKCS#11 2.40, sections 5.5 and 5.6): no PIN is ever a process argument. */
function initialise(lib: PKCS11, label: string, pin: string, soPin: string): void {
  const slot = emptySlot(lib)
  lib.C_InitToken(slot, soPin, label + ' '.repeat(tokenLabelBytes - Buffer.byteLength(label)))
  const session = lib.C_OpenSession(slot, pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION)
  lib.C_Login(session, pkcs11.CKU_SO, soPin)
  lib.C_InitPIN(session, pin)
  lib.C_Logout(session)
  lib.C_CloseSession(session)
}

function emptySlot(lib: PKCS11): Handle {
  const slot = lib.C_GetSlotList(true).find(each => !isInitialisedToken(readTokenInfo(lib, each)))
  if (!slot) throw new HsmError('configuration', 'the library has no slot without a token; is it SoftHSM?')
  return slot
}

function newPin(): string {
  return randomBytes(pinRandomBytes).toString('base64url')
}

function writeSecret(file: string, text: string): void {
  writeFileSync(file, text, { mode: ownerOnlyFile, flag: 'wx' })
}

function configurationFile(directory: string): string {
  return join(directory, 'softhsm2.conf')
}

// Names an absolute path, so it is written again when the directory has been moved.
function writeConfiguration(directory: string, tokensAt: string): void {
  const tokens = join(tokensAt, 'tokens')
  const text = `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`
  const file = configurationFile(directory)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  const beside = `${file}${unfinished}${process.pid}`
  writeFileSync(beside, text, { mode: ownerOnlyFile })
  renameSync(beside, file)
}

/** What processes that died while making a token left behind. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(dirname(directory))) {
    const path = join(dirname(directory), name)
    if (!name.startsWith(basename(directory) + unfinished)) continue
    const maker = Number.parseInt(path.slice(directory.length + unfinished.length), 10)
    if (maker === process.pid || !isAlive(maker)) rmSync(path, { recursive: true, force: true })
  }
}

function directoryOf(building: string): string {
  return building.slice(0, building.lastIndexOf(unfinished))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name)
    if (entry.isDirectory()) syncTree(inside)
    else sync(inside)
  }
  sync(path)
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function asHsmError(error: unknown, directory: string): HsmError {
  if (error instanceof HsmError) return error
  return hsmError('configuration', `making a SoftHSM token in ${directory}`, error)
}
