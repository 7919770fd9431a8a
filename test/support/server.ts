import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { serve, type Server } from '../../src/compose.js'
import { readConfig } from '../../src/config.js'
import { adminCredentials } from '../../src/inspect.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Log, LogFields } from '../../src/ports/log.js'

/** Where a server is and who may use it. */
export interface ServerAddress {
  readonly url: string
  readonly dataDir: string
  readonly admin: Admin
  /** The time as the server sees it. */
  readonly clock: Clock
}

/** The administrator's credentials file. */
export interface Admin {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  readonly accountId: string
}

export interface TestServer extends ServerAddress, Pick<Server, 'services' | 'jobs'> {
  readonly logged: readonly LogEntry[]
  close(): Promise<void>
}

export interface LogEntry { readonly level: keyof Log, readonly message: string, readonly fields: LogFields | undefined }

export interface SpawnedServer extends ServerAddress {
  readonly pid: number
  /** Everything that it wrote to stdout and stderr so far. */
  output(): string
  /** Sends the signal (SIGKILL if none is given) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
  /** Settles when the process has ended, whoever ended it. */
  readonly exited: Promise<Exit>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Both of them, in the order of their arrival. */
  readonly output: string
}

export interface ServerOptions {
  /** What would stand in the YAML file. */
  readonly settings?: object
  /** Kept when the server closes; without it, a temporary one is made and removed. */
  readonly dataDir?: string
}

export interface SpawnOptions extends ServerOptions {
  /** Environment beside the data directory and the listener, which it may replace. */
  readonly environment?: Readonly<Record<string, string>>
  /** File descriptors of this process that the program finds as its own 3, 4 and so on. */
  readonly descriptors?: readonly number[]
}

/** The program as it is run by `npx claviger`, compiled beside this file. */
export const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** Longest wait for a server to come up or to go away. */
const startWaitMsMax = 15_000
const stopWaitMsMax = 15_000
const realClock: Clock = { now: () => Date.now() }

// In memory where Linux offers that: syncing a disk takes longer than all the rest of making a key, and no test cuts the power.
const parent = process.env.TMPDIR === undefined && existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const directories = new Set<string>()
const children = new Set<ChildProcessByStdio<null, Readable, Readable>>()

// Whatever a failing test leaves behind ends with the test process.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})
// Without a listener these signals would end the process before that.
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** A directory of its own, removed at the latest when the test process ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(parent, 'claviger-test-'))
  directories.add(directory)
  return directory
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  directories.delete(directory)
}

/**
 * A server in this process with an embedded SoftHSM token, which it shares with nobody: a PKCS#11 library has one state per process, so
 * the one before must be closed first.
 */
export async function startServer(options: ServerOptions & { readonly clock?: Clock } = {}): Promise<TestServer> {
  const { clock = realClock } = options
  const dataDir = options.dataDir ?? temporaryDirectory()
  const config = readConfig(environmentOf(dataDir, options.settings ?? {}))
  const logged: LogEntry[] = []
  const server = await serve(config, { clock, log: logInto(logged) })
  return {
    url: server.url, dataDir, clock, logged, services: server.services, jobs: server.jobs,
    admin: adminOf(dataDir),
    async close() {
      await server.close()
      if (options.dataDir === undefined) removeDirectory(dataDir)
    },
  }
}

/** The real program as a child process, listening. Rejects with its output when it does not come up. */
export async function spawnServer(options: SpawnOptions = {}): Promise<SpawnedServer> {
  const dataDir = options.dataDir ?? temporaryDirectory()
  const { child, exited, output } = spawnProgram(['server', '--unsupervised'], { ...options, dataDir })
  const ended = exited.then(({ code, signal }) => {
    throw new Error(`the server ended with ${code ?? signal} instead of listening:\n${output()}`)
  })
  const url = await Promise.race([listening(child, output), ended]).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  return {
    url, dataDir, clock: realClock, exited, output, pid: child.pid ?? 0,
    admin: adminOf(dataDir),
    kill(signal = 'SIGKILL') {
      child.kill(signal)
      return endOf(exited, child)
    },
  }
}

export interface RunningProgram {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly exited: Promise<Exit>
  readonly output: () => string
}

/** The program with these arguments, nothing awaited. It is killed with the test process, if not before. */
export function spawnProgram(programArguments: readonly string[], options: SpawnOptions & { readonly dataDir: string }): RunningProgram {
  const child = spawn(process.execPath, [program, ...programArguments], {
    env: { PATH: process.env.PATH, ...environmentOf(options.dataDir, options.settings ?? {}), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe', ...options.descriptors ?? []],
  }) as ChildProcessByStdio<null, Readable, Readable>
  children.add(child)
  const parts: { readonly stream: Readable, readonly text: string }[] = []
  const written = (by?: Readable) => parts.filter(({ stream }) => by === undefined || by === stream).map(({ text }) => text).join('')
  const output = () => written()
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => parts.push({ stream, text }))
  const exited = new Promise<Exit>(resolve => {
    child.on('close', (code, signal) => {
      children.delete(child)
      resolve({ code, signal, stdout: written(child.stdout), stderr: written(child.stderr), output: output() })
    })
  })
  return { child, exited, output }
}

export function environmentOf(dataDir: string, settings: object): Record<string, string> {
  const fixed = { CLAVIGER_DATA_DIR: dataDir, CLAVIGER_LISTEN: '127.0.0.1:0' }
  if (Object.keys(settings).length === 0) return fixed
  const file = join(temporaryDirectory(), 'claviger.yaml')
  // JSON is YAML, too.
  writeFileSync(file, JSON.stringify(settings))
  return { ...fixed, CLAVIGER_CONFIG: file }
}

/** The address in the log entry that says where the server listens. */
function listening({ stdout }: RunningProgram['child'], output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the server does not listen after ${startWaitMsMax} ms:\n${output()}`)), startWaitMsMax)
    stdout.on('data', () => {
      const url = /"message":"listening".*?"url":"([^"]+)"/.exec(output())?.[1]
      if (!url) return
      clearTimeout(late)
      resolve(url)
    }).on('close', () => clearTimeout(late))
  })
}

async function endOf(exited: Promise<Exit>, child: RunningProgram['child']): Promise<Exit> {
  const late = setTimeout(() => child.kill('SIGKILL'), stopWaitMsMax)
  try {
    return await exited
  } finally {
    clearTimeout(late)
  }
}

function adminOf(dataDir: string): Admin {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_REGION = '', CLAVIGER_ACCOUNT_ID = '' } =
    adminCredentials(join(dataDir, 'admin.env')) ?? {}
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, region: AWS_REGION, accountId: CLAVIGER_ACCOUNT_ID }
}

function logInto(logged: LogEntry[]): Log {
  const at = (level: keyof Log) => (message: string, fields?: LogFields) => void logged.push({ level, message, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
