import type { Writable } from 'node:stream'
import winston from 'winston'
import type { Log, LogFields } from '../ports/log.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly level: LogLevel
  /** `json` for machines, one object a line; `readable` for a terminal. */
  readonly format: 'json' | 'readable'
  /** Standard output by default. */
  readonly stream?: Writable
}

interface Entry {
  readonly time: string
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

/** What may wait for a reader that is too slow; entries beyond it are lost, and their number is logged when there is room again. */
const waitingBytesMax = 4 * 1024 * 1024
const guarded = new WeakSet<Writable>()

/** How deep, how many members and how many characters of a logged value are shown. */
const depthMax = 6
const membersMax = 100
const textMax = 8192

const redacted = '[redacted]'
/** Looked for in a field's name without its separators. `token` alone is a PKCS#11 token, which is no secret. */
const secretNames = [
  'secret', 'plaintext', 'password', 'passphrase', 'passwd', 'authorization', 'privatekey', 'keybytes', 'sessiontoken',
  'securitytoken', 'granttoken', 'importtoken', 'cookie',
]
/** A whole word only: `pin` stands in `mapping` too. */
const secretWord = /^(user|so|hsm|token)?pins?\d*$/

/** The application log. Its methods never throw, and a reader that went away stops only the log. */
export function createLog({ level, format, stream = process.stdout }: LogOptions): Log {
  ignoreErrors(stream)
  const render = format === 'json' ? jsonLine : readableLine
  const logger = winston.createLogger({
    level,
    format: winston.format.printf(info => render(info as unknown as Entry)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  })
  let lost = 0
  const write = (entryLevel: LogLevel, message: string, fields: LogFields = {}) => {
    try {
      if (!logger.isLevelEnabled(entryLevel)) return
      if (stream.destroyed || stream.writableLength > waitingBytesMax) return void lost++
      if (lost > 0) logger.log(entryOf('warn', 'log entries were lost: their reader is too slow', { lost }))
      lost = 0
      logger.log(entryOf(entryLevel, message, fields))
    } catch {
      lost++
    }
  }
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  }
}

function entryOf(level: LogLevel, message: string, fields: LogFields): Entry {
  return { time: new Date().toISOString(), level, message: String(plain(message)), fields: plain(fields) as Record<string, unknown> }
}

/** Without a listener, a closed pipe (EPIPE) would end the process. */
function ignoreErrors(stream: Writable): void {
  if (guarded.has(stream)) return
  guarded.add(stream)
  stream.on('error', () => {})
}

/** A field cannot take the place of an entry's own members. */
function jsonLine({ time, level, message, fields }: Entry): string {
  const own = { time, level, message }
  const others = Object.entries(fields).map(([name, value]) => [name in own ? `field_${name}` : name, value])
  return printable(JSON.stringify({ ...own, ...Object.fromEntries(others) as LogFields }))
}

/** `12:00:00.000 warn  the message name=value`, and behind a bar the stack of each error. */
function readableLine({ time, level, message, fields }: Entry): string {
  const named = Object.entries(fields)
  const shown = named.map(([name, value]) => ` ${printable(name)}=${printable(brief(value))}`).join('')
  const stacks = named.flatMap(([, value]) => stackLines(value)).map(line => `\n    | ${printable(line)}`).join('')
  return `${time.slice(11, -1)} ${level.padEnd(5)} ${printable(message)}${shown}${stacks}`
}

function brief(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value
  return JSON.stringify(isError(value) ? value.message : value) ?? 'undefined'
}

function stackLines(value: unknown): readonly string[] {
  if (!isError(value)) return []
  const cause = stackLines(value.cause)
  return [...value.stack.split('\n'), ...cause.map((line, at) => at === 0 ? `caused by ${line}` : line)]
}

function isError(value: unknown): value is { message: string, stack: string, cause?: unknown } {
  return typeof value === 'object' && value !== null && 'message' in value && 'stack' in value && typeof value.stack === 'string'
}

/** Control characters and line separators, escaped: a message cannot begin a line of its own, nor steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * A copy of a logged value that JSON can hold: bytes and whatever has the name of a secret are replaced, errors keep their message,
 * stack and cause, everything has an end. The last line of defence; the first is not to log secrets.
 */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return shortened(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  if (typeof value !== 'object' || value === null) return value
  if (isBytes(value)) return '[bytes]'
  if (depth >= depthMax) return '[deeper]'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof Error) return plainError(value, depth)
  if (value instanceof Map) return plainMembers(Array.from(value, ([name, member]) => [String(name), member]), depth)
  if (Array.isArray(value) || value instanceof Set) return Array.from(value).slice(0, membersMax).map(member => plain(member, depth + 1))
  return plainMembers(Object.entries(value), depth)
}

function plainMembers(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  const kept = entries.slice(0, membersMax).map(([name, value]) => [name, isSecretName(name) ? redacted : plain(value, depth + 1)])
  return Object.fromEntries(kept) as Record<string, unknown>
}

/** Name, message, stack and cause are not enumerable, so JSON alone would show `{}`; the rest (code, errno, ...) is. */
function plainError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error
  const errors = error instanceof AggregateError ? { errors: plain(error.errors, depth + 1) } : {}
  return {
    ...plainMembers(Object.entries(error), depth),
    name: shortened(name),
    message: shortened(message),
    ...stack !== undefined && { stack: shortened(stack) },
    ...cause !== undefined && { cause: plain(cause, depth + 1) },
    ...errors,
  }
}

/** A Buffer that went through JSON is an object again. */
function isBytes(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer
    || ('type' in value && value.type === 'Buffer' && 'data' in value)
}

function isSecretName(name: string): boolean {
  const words = name.replaceAll(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3 $2$4').toLowerCase().split(/[^a-z0-9]+/)
  const joined = words.join('')
  return words.some(word => secretWord.test(word)) || secretNames.some(secret => joined.includes(secret))
}

function shortened(text: unknown): string {
  const whole = String(text)
  return whole.length <= textMax ? whole : `${whole.slice(0, textMax)}… (${whole.length} characters)`
}
