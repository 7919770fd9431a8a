import { readSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { HsmError } from '../../../ports/hsm.js'
import type { Log, LogFields } from '../../../ports/log.js'
import { Connection } from '../driver/connection.js'
import { Driver } from '../driver/driver.js'
import { offeredKinds } from '../driver/kinds.js'
import { removeUnfinished } from '../driver/unfinished.js'
import type { Pin } from '../token/pin.js'
import { acquireToken, type LoginTurns, type Token } from '../token/token.js'
import { errorFields, hsmErrorOf, type CallHead, type LaneHead, type LaneReady, type LoginHead, type StartHead } from './calls.js'
import { FrameReader, FrameWriter, type Frame } from './frames.js'
import { runCall } from './run-call.js'

/**
 * A lane: a process with one driver on one login. Waits for a frame, does what it says, answers, waits. Everything blocks, so
 * there is no event loop while it runs; a vendor's library may hang, crash or print here, and only this process is lost.
 */
const pipe = 3
const readBytes = 64 * 1024
const grantBytes = 4 * 1024

const reader = new FrameReader()
const writer = new FrameWriter()

function say(head: LaneHead, parts: readonly Uint8Array[] = []): void {
  const bytes = writer.encode(head, parts)
  for (let at = 0; at < bytes.length;) at += writeSync(pipe, bytes, at)
  writer.wipe()
}

/** What the next frame is for. */
let handle = start

function serve(): void {
  ignoreSignals()
  new Worker(new URL('orphan-watch.js', import.meta.url))
  const memory = Buffer.alloc(readBytes)
  try {
    for (;;) listen(memory)
  } catch (error) {
    process.stderr.write(`${String(error)}\n`)
  } finally {
    die()
  }
}

function listen(memory: Buffer): void {
  const count = readSync(pipe, memory)
  if (count === 0) die()
  reader.push(memory.subarray(0, count), frame => { handle(frame) })
}

/** Ctrl-C and a service manager's stop go to every process of the server; when lanes end is for the server to say. */
function ignoreSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
}

/** process.exit() would wait for the watch, and for a call that hangs. */
function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('killed')
}

function start(frame: Frame): void {
  const { config, removeUnfinished: tidy } = frame.head as StartHead
  handle = () => { die() }
  try {
    const token = acquireToken(config, log, turns)
    const connection = new Connection(token, log)
    if (tidy && token.profile.leavesUnfinished) removeUnfinished(connection)
    const driver = new Driver(connection, config)
    driver.probe()
    handle = next => { answer(next, driver, connection) }
    say({ ready: readyOf(token, connection) })
  } catch (error) {
    if (!(error instanceof HsmError)) log.error('a lane could not start', { error })
    say({ error: errorFields(error) })
  }
}

/** In the middle of a call, so it waits for the one frame here; anything else says that the lane is to end. */
const turns: LoginTurns = {
  take() {
    const before = handle
    const granted: (Pin | HsmError)[] = []
    handle = frame => { granted.push(grantOf(frame)) }
    say({ login: 'ask' })
    // Memory of its own: that of the call is not read to its end.
    while (granted.length === 0) listen(Buffer.alloc(grantBytes))
    handle = before
    const [pin] = granted as [Pin | HsmError]
    if (pin instanceof HsmError) throw pin
    return pin
  },
  give(outcome) { say({ login: outcome }) },
}

function grantOf({ head, parts: [pin = new Uint8Array()] }: Frame): Pin | HsmError {
  if (!('login' in (head as object))) die()
  const { login } = head as LoginHead
  return 'error' in login ? hsmErrorOf(login.error) : { bytes: Buffer.from(pin.buffer, pin.byteOffset, pin.length), stamp: login.stamp }
}

function readyOf(token: Token, connection: Connection): LaneReady {
  const { label, serial, manufacturer, model } = token.info
  const sessionsMax = sessionLimit(connection)
  return {
    token: { label, serial, manufacturer, model }, profile: token.profile, kinds: offeredKinds(connection),
    ...sessionsMax === undefined ? {} : { sessionsMax },
  }
}

/** CK_TOKEN_INFO: 0 is no limit, and all bits set is "will not say" (PKCS#11 2.40, section 3.2). */
function sessionLimit(connection: Connection): number | undefined {
  const { maxSessionCount, maxRwSessionCount } = connection.repeatable('reading the session limit', () => {
    const { slotID } = connection.lib.C_GetSessionInfo(connection.session())
    return connection.lib.C_GetTokenInfo(slotID)
  })
  const said = [maxSessionCount, maxRwSessionCount].filter(count => count > 0 && count < 0xffffffff)
  return said.length > 0 ? Math.min(...said) : undefined
}

function answer(frame: Frame, driver: Driver, connection: Connection): void {
  const head = frame.head as CallHead
  try {
    for (const material of head.forget ?? []) connection.forget({ ...material, id: new Uint8Array() })
    if (head.operation === 'end') return end(driver, connection)
    const { value, parts } = runCall(driver, head, frame.parts, () => { say({ begun: true }) })
    say({ answer: value === undefined ? {} : { value } }, parts)
    for (const part of parts) part.fill(0)
  } catch (error) {
    if (!(error instanceof HsmError)) log.error('a call failed in a way that it should not', { operation: head.operation, error })
    say({ error: errorFields(error) })
  } finally {
    for (const part of frame.parts) part.fill(0)
  }
}

/** Gives the device its sessions back: some hold on to those of a dead process for half a minute. */
function end(driver: Driver, connection: Connection): never {
  try {
    driver.close()
    connection.lib.C_Finalize()
  } finally {
    die()
  }
}

const log: Log = {
  debug: (message, fields) => { tell('debug', message, fields) },
  info: (message, fields) => { tell('info', message, fields) },
  warn: (message, fields) => { tell('warn', message, fields) },
  error: (message, fields) => { tell('error', message, fields) },
}

function tell(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields | undefined): void {
  say({ log: { level, message, ...fields ? { fields: plain(fields) } : {} } })
}

/** An Error has no fields that JSON would see. */
function plain(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields)
    .map(([name, value]) => [name, value instanceof Error ? { name: value.name, message: value.message } : value]))
}

serve()
