import { spawn } from 'node:child_process'
import { once } from 'node:events'

const lockIsTaken = 75

/**
 * A lock that the processes of this machine wait for. It is released when this process ends, however that happens: what holds it ends
 * with the pipe from here. `left` ends the wait, and only that. Rejects after so many seconds.
 */
export async function lockMachine(file: string, waitSecondsMax: number, left: AbortSignal): Promise<void> {
  const holder = spawn('flock', [
    '--wait', String(waitSecondsMax), '--conflict-exit-code', String(lockIsTaken), file, 'sh', '-c', 'echo locked && exec cat',
  ], { stdio: ['pipe', 'pipe', 'ignore'] })
  const giveUp = () => { holder.kill('SIGKILL') }
  left.addEventListener('abort', giveUp)
  const ended = once(holder, 'exit').then(([code]) => {
    throw new Error(code === lockIsTaken ? `another process has had ${file} for ${waitSecondsMax} seconds` : `no lock on ${file}`)
  })
  // Its end matters while it is waited for only.
  ended.catch(() => undefined)
  await Promise.race([once(holder.stdout, 'data'), ended])
  left.removeEventListener('abort', giveUp)
}
