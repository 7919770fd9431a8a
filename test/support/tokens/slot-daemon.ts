import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { TokenUnavailable } from './token.js'

const program = '/usr/sbin/pkcsslotd'
const socket = '/var/run/pkcsslotd.socket'
const pidFile = '/var/run/pkcsslotd.pid'
/** In the environment of a daemon that a test started, so that one left behind can be told from the machine's own. */
const mark = 'CLAVIGER_TEST_DAEMON=1'
const startWaitMsMax = 10_000
const stopWaitMsMax = 3_000
const pollMs = 50

/** pkcsslotd, without which no process can begin to use openCryptoki. The machine has one; its paths were fixed when it was built. */
export class SlotDaemon {
  private child: ChildProcess | undefined
  /** Of every one that was started here. */
  private readonly pids: number[] = []

  /** Does nothing if one runs: a second one would take the socket of the first and end for both. */
  async start(): Promise<void> {
    if (this.child) return
    endOrphan()
    if (await listens()) return
    const child = spawn(program, ['-f'], { env: { PATH: process.env.PATH, [mark.split('=')[0] ?? '']: '1' }, stdio: 'ignore' })
    const failed = once(child, 'exit').then(([code]) => { throw new TokenUnavailable(`pkcsslotd ended with ${code} instead of starting`) })
    failed.catch(() => undefined)
    this.child = child
    if (child.pid !== undefined) this.pids.push(child.pid)
    await Promise.race([untilListening(), failed])
  }

  get isOwn(): boolean {
    return this.child !== undefined
  }

  /** Only of one that was started here. Killed, it leaves its socket and its shared memory behind. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (!this.child) throw new Error('its daemon was not started by this process')
    await this.endChild(signal)
  }

  /** Leaves nothing of ours running or lying about. */
  async end(): Promise<void> {
    if (this.pids.length === 0) return
    await this.endChild('SIGTERM')
    removeSharedMemory(this.pids)
    removeFiles()
  }

  private async endChild(signal: NodeJS.Signals): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    // A signal at the wrong moment ends its listening, but not the process.
    const late = setTimeout(() => child.kill('SIGKILL'), stopWaitMsMax)
    await ended
    clearTimeout(late)
  }
}

async function untilListening(): Promise<void> {
  const end = performance.now() + startWaitMsMax
  while (!await listens()) {
    if (performance.now() > end) throw new TokenUnavailable(`pkcsslotd does not listen after ${startWaitMsMax} ms`)
    await sleep(pollMs)
  }
}

/** It writes to whoever connects, and is read to the end: a write to a closed socket would end it. */
function listens(): Promise<boolean> {
  return new Promise(resolve => {
    const connection = connect(socket)
    const done = (answer: boolean) => {
      connection.destroy()
      resolve(answer)
    }
    let bytes = 0
    connection.setTimeout(startWaitMsMax, () => done(false))
    connection.on('data', data => { bytes += data.length }).on('end', () => done(bytes > 0)).on('error', () => done(false))
  })
}

/** A daemon of a test whose keeper was killed. */
function endOrphan(): void {
  try {
    const pid = Number(readFileSync(pidFile, 'latin1').trim())
    if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)) return
    process.kill(pid, 'SIGKILL')
  } catch {
    return
  }
  removeFiles()
}

function removeFiles(): void {
  for (const file of [socket, pidFile]) rmSync(file, { force: true })
}

/** Killed, it leaves four megabytes behind (proc(5), /proc/sysvipc/shm: the second field is the id, the fifth the maker). */
function removeSharedMemory(makers: readonly number[]): void {
  const rows = readFileSync('/proc/sysvipc/shm', 'latin1').split('\n').slice(1).map(line => line.trim().split(/\s+/))
  const mine = rows.filter(fields => makers.includes(Number(fields[4]))).map(fields => fields[1] ?? '')
  if (mine.length > 0) execFileSync('ipcrm', mine.flatMap(id => ['-m', id]), { stdio: 'ignore' })
}
