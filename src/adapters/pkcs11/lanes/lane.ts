import { spawn, type ChildProcess } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Pkcs11Config } from '../config.js'
import type { LoginOutcome } from '../token/token.js'
import {
  callHead, callParts, errorFields, hsmErrorOf, laneHead,
  type Answer, type Call, type CallHead, type LaneHead, type LaneReady, type LoginHead, type MaterialHead, type StartHead,
} from './calls.js'
import { FrameError, FrameReader, FrameWriter, type Frame } from './frames.js'
import type { LoginTurns } from './login-turns.js'
import { logOutput } from './output.js'

/** The lane is gone, and the outcome of its call is not known. */
export class LaneLost extends Error {
  override readonly name = 'LaneLost'
  readonly why: 'deadline' | 'died'

  constructor(why: 'deadline' | 'died', detail: string) {
    super(detail)
    this.why = why
  }
}

export type Outcome = Answer | HsmError | LaneLost

export interface LaneStart {
  readonly number: number
  readonly config: Pkcs11Config
  readonly removeUnfinished: boolean
  /** Where it asks for the PIN. */
  readonly logins: LoginTurns
}

const program = fileURLToPath(new URL('lane-process.js', import.meta.url))
/** A driver needs little; without limits sixteen lanes would each keep what a server may. In MiB. */
const nodeOptions = ['--max-old-space-size=128', '--max-semi-space-size=1']
const callPipe = 3
const endMsMax = 1_000
/** From a process's end to that of its pipe, which holds the last answer; a child of the vendor's library may keep it open. */
const pipeEndMsMax = 200

interface Pending {
  readonly call: Call | undefined
  readonly done: (outcome: Outcome | LaneReady) => void
  readonly timer: NodeJS.Timeout
}

/** One lane process as the server sees it. One call at a time. */
export class Lane {
  readonly #child: ChildProcess
  readonly #pipe: Duplex
  readonly #log: Log
  readonly #logins: LoginTurns
  readonly #reader = new FrameReader()
  readonly #writer = new FrameWriter()
  readonly #ended: Promise<void>
  #pending: Pending | undefined
  #lost: LaneLost | undefined
  #onLost: ((lost: LaneLost) => void) | undefined

  /** Throws HsmError of kind `lost` when no process can be started. */
  constructor(start: LaneStart, log: Log) {
    this.#log = withLane(log, start.number)
    this.#logins = start.logins
    this.#child = spawned(start.config, this.#log)
    this.#pipe = this.#child.stdio[callPipe] as Duplex
    this.#ended = this.#watch()
    const { removeUnfinished, config: { pin: source, ...rest } } = start
    // Where the PIN is, for errors to name; never the PIN itself.
    const config = source && !('pin' in source) ? { ...rest, pin: source } : rest
    this.#write({ config, removeUnfinished }, [])
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** What the lane found; HsmError if it could not log in or the device does not answer. */
  ready(deadlineMs: number): Promise<LaneReady> {
    return new Promise((resolve, reject) => {
      this.#await(undefined, deadlineMs, outcome => {
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome as LaneReady)
      })
    })
  }

  /** Calls `done` exactly once, never before this returns. `forget`: materials that another lane destroyed. */
  run(call: Call, forget: readonly MaterialHead[], deadlineMs: number, done: (outcome: Outcome) => void): void {
    this.#await(call, deadlineMs, outcome => { done(outcome as Outcome) })
    if (this.#lost) return
    this.#write(callHead(call, forget), callParts(call))
  }

  /** Told once when the process is gone while no call is under way. */
  onLost(listener: (lost: LaneLost) => void): void {
    this.#onLost = listener
  }

  /** Lets the lane give its sessions back, then ends it, whatever it does. */
  async end(): Promise<void> {
    this.#onLost = undefined
    // What is still unwritten lies in the memory that the next frame would take.
    if (this.#pipe.writableLength > 0) this.kill(new LaneLost('died', 'the lane was ended'))
    if (!this.#lost) this.#write({ operation: 'end' } satisfies CallHead, [])
    const late = setTimeout(() => { this.kill(new LaneLost('died', 'the lane was ended')) }, endMsMax)
    await this.#ended
    clearTimeout(late)
  }

  kill(lost: LaneLost): void {
    this.#child.kill('SIGKILL')
    this.#lose(lost)
  }

  #await(call: Call | undefined, deadlineMs: number, done: (outcome: Outcome | LaneReady) => void): void {
    if (this.#pending) throw new FrameError('a lane does one call at a time')
    // When this process was busy, the answer may lie there unread: it is read before the deadline counts.
    const timer = setTimeout(() => setImmediate(() => { this.#miss(timer, deadlineMs) }), deadlineMs)
    this.#pending = { call, done, timer }
    if (this.#lost) setImmediate(() => { if (this.#lost) this.#lose(this.#lost) })
  }

  #miss(timer: NodeJS.Timeout, deadlineMs: number): void {
    if (this.#pending?.timer === timer) this.kill(new LaneLost('deadline', `no answer within ${deadlineMs} ms`))
  }

  #write(head: StartHead | CallHead | LoginHead, parts: readonly Uint8Array[]): void {
    const bytes = this.#writer.encode(head, parts)
    this.#pipe.write(bytes)
    // What could not be written at once is still read from that memory: then it is overwritten with the answer.
    if (this.#pipe.writableLength === 0) this.#writer.wipe()
  }

  #watch(): Promise<void> {
    const died = (why: string) => () => { this.#lose(new LaneLost('died', why)) }
    for (const stream of this.#child.stdio) stream?.on('error', () => undefined)
    this.#pipe.on('data', (bytes: Buffer) => { this.#take(bytes) })
    this.#pipe.once('close', died('the lane process is gone'))
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream) logOutput(stream, this.#log)
    return new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        const died = signal ? `the lane process was ended by ${signal}` : `the lane process ended with ${code ?? 'nothing'}`
        setTimeout(() => { this.#bury(new LaneLost('died', died)) }, pipeEndMsMax)
        resolve()
      })
    })
  }

  #take(bytes: Buffer): void {
    try {
      this.#reader.push(bytes, frame => { this.#say(laneHead(frame), frame) })
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#log.error('a lane does not speak as it should', { error })
      this.kill(new LaneLost('died', 'the lane does not speak as it should'))
    }
  }

  #say(head: LaneHead, { parts }: Frame): void {
    if ('log' in head) this.#log[head.log.level](head.log.message, head.log.fields)
    else if ('begun' in head) this.#pending?.call?.onBegun?.()
    else if ('login' in head) this.#login(head.login)
    else if ('ready' in head) this.#finish(head.ready)
    else if ('answer' in head) this.#finish({ ...head.answer, parts })
    else this.#finish(hsmErrorOf(head.error))
  }

  #login(said: 'ask' | LoginOutcome): void {
    if (said !== 'ask') return this.#logins.done(this, said)
    this.#logins.ask(this, pin => {
      if (pin instanceof HsmError) return this.#write({ login: { error: errorFields(pin) } }, [])
      this.#write({ login: { stamp: pin.stamp } }, [pin.bytes])
      pin.bytes.fill(0)
    })
  }

  #finish(outcome: Outcome | LaneReady): void {
    const pending = this.#pending
    if (!pending) throw new FrameError('an answer that nobody asked for')
    clearTimeout(pending.timer)
    this.#pending = undefined
    this.#writer.wipe()
    pending.done(outcome)
  }

  #lose(lost: LaneLost): void {
    const first = this.#lost === undefined
    this.#lost ??= lost
    if (first) {
      this.#letGo()
      this.#logins.gone(this)
    }
    if (this.#pending) return this.#finish(this.#lost)
    const listener = this.#onLost
    this.#onLost = undefined
    listener?.(this.#lost)
  }

  #bury(lost: LaneLost): void {
    this.#lose(lost)
    for (const stream of this.#child.stdio) stream?.destroy()
  }

  /** What it printed last may still be on its way. */
  #letGo(): void {
    this.#child.kill('SIGKILL')
    for (const stream of this.#child.stdio.slice(callPipe)) stream?.destroy()
    this.#reader.wipe()
    this.#writer.wipe()
  }
}

/** Throws kind `lost` when there is no process to be had. */
function spawned(config: Pkcs11Config, log: Log): ChildProcess {
  const child = spawn(process.execPath, [...nodeOptions, program], {
    // Pipe 3 is for calls; over 4 nothing is said: its end tells that we are gone.
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    // A session of its own: a terminal's Ctrl-C is the server's to answer.
    detached: true,
    env: environment(config),
  })
  // Without a listener it would end the server, which may only be out of file descriptors for a moment.
  child.on('error', error => { log.error('a lane process could not be started', { error }) })
  if (child.pid !== undefined) return child
  // Out of file descriptors there are no pipes either, whatever the types say.
  for (const stream of (child.stdio as ChildProcess['stdio'] | undefined) ?? []) stream?.destroy()
  throw new HsmError('lost', 'a lane process could not be started')
}

/**
 * Variables of the loader count from the start of a process, hence those of the configuration here. What is the server's own, and what
 * steers Node in the server, is not for the lanes.
 */
function environment(config: Pkcs11Config): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => name !== 'NODE_OPTIONS' && !name.startsWith('CLAVIGER_'))
  return { ...Object.fromEntries(inherited), ...config.environment }
}

function withLane(log: Log, lane: number): Log {
  return {
    debug: (message, fields) => { log.debug(message, { ...fields, lane }) },
    info: (message, fields) => { log.info(message, { ...fields, lane }) },
    warn: (message, fields) => { log.warn(message, { ...fields, lane }) },
    error: (message, fields) => { log.error(message, { ...fields, lane }) },
  }
}
