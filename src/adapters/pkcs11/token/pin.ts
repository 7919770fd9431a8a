import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { PinSource } from '../config.js'
import type { PinShape } from '../profiles/profile.js'

export const pinBytesMax = 255

/** Tells one state of a PIN file from another. */
export interface PinStamp { readonly modifiedMs: number, readonly bytes: number }

/** `bytes` belong to the caller, who overwrites them. `stamp` only where the operator changes a PIN by changing a file. */
export interface Pin { readonly bytes: Buffer, readonly stamp: PinStamp | undefined }

const readableByOthers = 0o077
const lineEnd = 2
/** Node.js opens its own pipes first of all. */
const nodesOwnMax = 64
/** CK_UNAVAILABLE_INFORMATION, as the binding gives it. */
const unavailable = 0xffffffff
/** What could be read only once, by source: every login needs it again. */
const kept = new Map<string, Buffer>()

// Of bytes, one character each. `own` is what the token's limits speak of: CloudHSM counts the password, YubiHSM the key's number, too.
const shapes: Record<PinShape, { readonly form: RegExp, readonly own: (pin: string) => number }> = {
  'free-text': { form: /^.+$/s, own: pin => pin.length },
  'user:password': { form: /^[^:]{1,31}:.{8,32}$/, own: pin => pin.length - pin.indexOf(':') - 1 },
  'AAAApassword': { form: /^(@|#[^#]+#)?[0-9a-fA-F]{4}.{8,64}$/, own: pin => pin.replace(/^(@|#[^#]+#)/, '').length },
}

/**
 * The PIN of a source, less one line end; not yet checked. A file or credential is read at every call, because the operator may have
 * changed it. No error says anything of its content. Throws kind `configuration`.
 */
export function resolvePin(source: PinSource, log: Log): Buffer {
  return readPin(source, log).bytes
}

/** As `resolvePin`, with what tells later whether the operator has changed it. */
export function readPin(source: PinSource | undefined, log: Log): Pin {
  const given = Object.entries(source ?? {}).filter(([name, value]) => name !== 'stamp' && value !== undefined)
  if (!source || given.length !== 1) {
    throw new HsmError('configuration', given.length === 0 ? 'no PIN is configured' : 'more than one source of the PIN is configured')
  }
  if ('pin' in source) return { bytes: Buffer.from(source.pin), stamp: source.stamp }
  if ('file' in source) return readFile(source.file, sourceName(source), log)
  // systemd copies credentials at every start of a service: their times say nothing.
  if ('credential' in source) return { ...readFile(credentialFile(source.credential), sourceName(source), log), stamp: undefined }
  return { bytes: 'environment' in source ? fromEnvironment(source.environment) : fromDescriptor(source.descriptor), stamp: undefined }
}

/** Takes the PIN out of the environment, if it is there, before any process is started: one of another key store is nobody's business. */
export function hidePin(source: PinSource | undefined): void {
  if (source && 'environment' in source) takeFromEnvironment(source.environment)
}

/** For people. */
export function sourceName(source: PinSource | undefined): string {
  if (!source) return 'nowhere'
  if ('file' in source) return `the file ${source.file}`
  if ('environment' in source) return `the environment variable ${source.environment}`
  if ('descriptor' in source) return `the file descriptor ${source.descriptor}`
  return 'credential' in source ? `the credential ${source.credential}` : 'the start of this process'
}

/** Before the token sees it: a malformed PIN may count as a failed try. Throws kind `configuration`. */
export function checkPin(pin: Buffer, shape: PinShape, lengths: { readonly min: number, readonly max: number }, from: string): void {
  const { form, own } = shapes[shape]
  const text = pin.toString('latin1')
  const min = lengths.min === unavailable ? 0 : lengths.min
  const max = lengths.max === unavailable || lengths.max === 0 ? pinBytesMax : lengths.max
  // The binding passes on a string.
  const isText = pin.equals(Buffer.from(pin.toString('utf8')))
  if (isText && pin.length <= pinBytesMax && form.test(text) && own(text) >= min && own(text) <= max) return
  const asked = `of the form ${shape}, or not as long as the token asks (${min} to ${max} bytes)`
  throw new HsmError('configuration', `the PIN from ${from} is not ${asked}`)
}

function readFile(path: string, name: string, log: Log): Pin {
  let descriptor: number | undefined
  try {
    // Not blocking, because opening a pipe would wait for somebody who writes.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { mode, mtimeMs, size, isFile } = statOf(descriptor)
    if (!isFile) throw new Error('it is not a regular file')
    if ((mode & readableByOthers) !== 0) log.warn('the PIN file can be read by others', { file: path })
    return { bytes: withoutLineEnd(readToEnd(descriptor)), stamp: { modifiedMs: mtimeMs, bytes: size } }
  } catch (error) {
    throw new HsmError('configuration', `the PIN cannot be read from ${name}: ${reasonOf(error)}`, undefined, { cause: error })
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** "permission denied", or our own words; never Node.js's, which may come to hold more. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason given'
  if (!('errno' in error)) return error.message
  return getSystemErrorMap().get(Number(error.errno))?.[1] ?? 'no reason given'
}

function statOf(descriptor: number): { mode: number, mtimeMs: number, size: number, isFile: boolean } {
  const stats = fstatSync(descriptor)
  return { mode: stats.mode, mtimeMs: stats.mtimeMs, size: stats.size, isFile: stats.isFile() }
}

function credentialFile(name: string): string {
  const directory = process.env.CREDENTIALS_DIRECTORY
  if (!directory) throw new HsmError('configuration', `there is no credential ${name}: CREDENTIALS_DIRECTORY is not set`)
  if (!/^[^/\0]+$/.test(name) || name === '.' || name === '..') {
    throw new HsmError('configuration', 'a credential is named by a plain file name')
  }
  return join(directory, name)
}

// Out of the environment, so that no child inherits it; the kernel's copy in /proc/<pid>/environ stays.
function takeFromEnvironment(name: string): void {
  const value = process.env[name]
  delete process.env[name]
  if (value !== undefined) keep(`environment ${name}`, Buffer.from(value))
}

function fromEnvironment(name: string): Buffer {
  takeFromEnvironment(name)
  return copyOfKept(`environment ${name}`) ?? missing(`the environment variable ${name} is not set`)
}

function fromDescriptor(descriptor: number): Buffer {
  const name = `descriptor ${descriptor}`
  if (!kept.has(name)) keep(name, readDescriptor(descriptor))
  return copyOfKept(name) ?? missing(`there is no PIN in the file descriptor ${descriptor}`)
}

/** What an inherited descriptor holds, to its end; closed then. Throws kind `configuration`. */
export function readDescriptor(descriptor: number): Buffer {
  try {
    if (isPipeOfOurOwn(descriptor)) throw new Error('nothing was inherited there')
    const bytes = readToEnd(descriptor)
    // Not the standard streams: the next file that is opened would take their place.
    if (descriptor > 2) closeSync(descriptor)
    return bytes
  } catch (error) {
    throw new HsmError('configuration', `the PIN cannot be read from the file descriptor ${descriptor}`, undefined, { cause: error })
  }
}

/**
 * Node.js has pipes with both ends in this process. Where no PIN was given one may have its number, and a read would never end. A shell's
 * `3< <(...)` is there twice, too, but nobody here can write to it.
 */
function isPipeOfOurOwn(descriptor: number): boolean {
  const { dev, ino } = fstatSync(descriptor)
  for (let other = 0; other < nodesOwnMax; other++) {
    try {
      const stats = fstatSync(other)
      if (stats.isFIFO() && stats.dev === dev && stats.ino === ino && isWritable(other)) return true
    } catch {
      // Not open.
    }
  }
  return false
}

function isWritable(descriptor: number): boolean {
  try {
    // Of nothing: the kernel looks at the descriptor all the same.
    writeSync(descriptor, Buffer.alloc(0))
    return true
  } catch {
    return false
  }
}

function keep(name: string, bytes: Buffer): void {
  kept.get(name)?.fill(0)
  kept.set(name, withoutLineEnd(bytes))
}

function copyOfKept(name: string): Buffer | undefined {
  const bytes = kept.get(name)
  return bytes && Buffer.from(bytes)
}

function missing(message: string): never {
  throw new HsmError('configuration', message)
}

function readToEnd(descriptor: number): Buffer {
  const buffer = Buffer.alloc(pinBytesMax + lineEnd + 1)
  let length = 0
  for (;;) {
    const read = readSync(descriptor, buffer, length, buffer.length - length, null)
    length += read
    if (read === 0 || length === buffer.length) break
  }
  if (length < buffer.length) return buffer.subarray(0, length)
  buffer.fill(0)
  throw new Error('it is too long for a PIN')
}

function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1)
}
