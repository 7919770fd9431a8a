import { spawn, type ChildProcess } from 'node:child_process'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { readDescriptor } from './adapters/pkcs11/token/pin.js'
import type { Config } from './config.js'
import type { Log } from './ports/log.js'

/** What starting again cannot cure, what it may (sysexits.h), and what only the operator can. */
export const exitCodes = { unusable: 2, unavailable: 69, refused: 78 } as const
/** A server that has something to do in this time between two ticks is alive. */
export const tickMs = 1_000
/** The first start may make a token, and a vendor's library may look for its device. */
const startTicksMax = 180
const restartDelaysMs = [500, 1_000, 2_000, 5_000, 10_000, 30_000]
/** After so long without an end the next restart is quick again. */
const settledMs = 60_000
/** Longer than the server itself takes to finish what is in flight. */
const stopMsMax = 20_000
const program = fileURLToPath(new URL('cli/main.js', import.meta.url))

interface End { readonly code: number | null, readonly signal: NodeJS.Signals | null }

/** What the server tells its supervisor. */
export type Beat = 'alive' | 'listening'

/**
 * Runs the server as a child and starts another when it dies or hangs: a call into a library that never returns cannot be taken back, and
 * holds the whole process, so that only somebody outside can see it and end it. Answers the exit code when there is nothing to start again:
 * the server was stopped, or failed in a way that another start would repeat.
 */
export class Supervisor {
  readonly #config: Config
  readonly #log: Log
  /** What was read from inherited descriptors: each server is given it anew. */
  readonly #inherited: ReadonlyMap<number, Buffer>
  #child: ChildProcess | undefined
  #stopping = false
  #everListened = false
  #restarts = 0

  /** Throws HsmError kind `configuration` for a descriptor that cannot be read. */
  constructor(config: Config, log: Log) {
    this.#config = config
    this.#log = log
    this.#inherited = new Map([...inheritedDescriptors(config)].map(descriptor => [descriptor, readDescriptor(descriptor)]))
  }

  async run(): Promise<number> {
    for (;;) {
      const startedAt = performance.now()
      const { code, signal } = await this.#runOnce()
      if (this.#stopping || code === 0) return code ?? 0
      if (!this.#everListened && code !== exitCodes.unavailable && signal === null) return code ?? 1
      if (code === exitCodes.refused) return code
      if (performance.now() - startedAt > settledMs) this.#restarts = 0
      const delayMs = restartDelaysMs[Math.min(this.#restarts++, restartDelaysMs.length - 1)] as number
      this.#log.error('the server ended, starting another', { code, signal, delayMs })
      await this.#pause(delayMs)
      if (this.#stopping) return 0
    }
  }

  /** Passes the signal on; whoever does not end by it in time is killed. */
  stop(signal: NodeJS.Signals): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#wake?.()
    this.#child?.kill(signal)
    setTimeout(() => this.#kill(), stopMsMax).unref()
  }

  #wake: (() => void) | undefined

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #runOnce(): Promise<End> {
    return new Promise(resolve => {
      const child = this.#start()
      this.#child = child
      // Ticks and not the clock: a machine that was asleep must not look like a server that hangs.
      let silentTicks = 0
      let ticksMax = startTicksMax
      const watch = setInterval(() => {
        if (++silentTicks < ticksMax) return
        this.#log.error('the server hangs, killing it', { pid: child.pid, seconds: silentTicks * tickMs / 1_000 })
        this.#kill()
      }, tickMs)
      child.on('message', beat => {
        silentTicks = 0
        if (beat !== 'listening' satisfies Beat) return
        this.#everListened = true
        ticksMax = this.#config.supervisor.hangSeconds
      })
      const ended = (end: End): void => {
        clearInterval(watch)
        // Lanes that hang in a library do not notice that their server is gone.
        this.#kill()
        this.#child = undefined
        resolve(end)
      }
      child.on('error', error => {
        this.#log.error('the server cannot be started or reached', { error })
        if (child.pid === undefined) ended({ code: exitCodes.unavailable, signal: null })
      })
      child.on('exit', (code, signal) => ended({ code, signal }))
    })
  }

  /** A process group of its own: its lanes end with it, and Ctrl-C reaches it once, through us. */
  #start(): ChildProcess {
    const stdio: ('inherit' | 'ignore' | 'pipe' | 'ipc')[] = ['inherit', 'inherit', 'inherit']
    for (const descriptor of this.#inherited.keys()) {
      while (stdio.length <= descriptor) stdio.push('ignore')
      stdio[descriptor] = 'pipe'
    }
    stdio.push('ipc')
    const child = spawn(process.execPath, [...process.execArgv, program, 'server', '--unsupervised'], { stdio, detached: true })
    if (child.pid === undefined) return child
    for (const [descriptor, bytes] of this.#inherited) {
      // One that ends before it reads the PIN is seen to have ended, and that is all.
      (child.stdio[descriptor] as Writable).on('error', () => undefined).end(Buffer.from(bytes))
    }
    this.#log.info('started the server', { pid: child.pid })
    return child
  }

  #kill(): void {
    const pid = this.#child?.pid
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}

/** Each once: several stores may have the same PIN, and a descriptor can be read only once. */
function inheritedDescriptors({ hsm, keyStores }: Config): ReadonlySet<number> {
  return new Set([hsm, ...Object.values(keyStores)].flatMap(({ pin }) => pin && 'descriptor' in pin ? [pin.descriptor] : []))
}

/** In the server: tells the supervisor that the event loop turns, and stops when the supervisor is gone. Nothing without one. */
export function reportToSupervisor(onOrphaned: () => void): (beat: Beat) => void {
  if (!process.send) return () => undefined
  const send = (beat: Beat): void => {
    // Between the supervisor's end and the notice of it a message finds nobody.
    if (process.connected) process.send?.(beat, undefined, undefined, () => undefined)
  }
  const timer = setInterval(() => send('alive'), tickMs / 2)
  timer.unref()
  process.once('disconnect', () => {
    clearInterval(timer)
    onOrphaned()
  })
  // The channel must not keep a server alive that has stopped.
  process.channel?.unref()
  return send
}
