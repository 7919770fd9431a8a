import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { here } from './run-here.js'
import { described, installed, libraryPaths, newDirectory, removeDirectory, TokenUnavailable, type TestToken } from './token.js'

export interface OpenCryptokiToken extends TestToken {
  /** Whether its daemon was started for it; else the machine has one, which is left alone. */
  readonly ownDaemon: boolean
  /** Ends the daemon and waits for that. SIGKILL leaves its socket behind, as a crash does. Rejects if it is not ours. */
  stopDaemon(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  startDaemon(): Promise<void>
}

/** What the keeper is asked, and what it answers to each; the first answer comes by itself. */
export type KeeperRequest = 'SIGTERM' | 'SIGKILL' | 'start'
export interface KeeperAnswer { readonly unavailable?: string, readonly failed?: string, readonly ownDaemon?: boolean }

/**
 * The soft token of openCryptoki, which is the machine's: refused when it is somebody's already. Its daemon is started if none runs, and
 * then stopped again. A process of its own keeps both, and clears them away when the test process ends, however that happens.
 */
export async function openCryptokiToken(): Promise<OpenCryptokiToken> {
  const module = installed('openCryptoki', libraryPaths('opencryptoki/libopencryptoki.so.0'))
  installed('the daemon of openCryptoki', ['/usr/sbin/pkcsslotd'])
  if (process.getuid?.() !== 0) throw new TokenUnavailable('the daemon of openCryptoki can only be run by root')
  const directory = newDirectory()
  const pinFile = join(directory, 'pin')
  const keeper = new Keeper(module, pinFile)
  const { ownDaemon = false } = await keeper.answer().catch(async (error: unknown) => {
    await keeper.end()
    removeDirectory(directory)
    throw error
  })
  return {
    ...described({ module, pinFile }), ownDaemon,
    stopDaemon: (signal = 'SIGTERM') => keeper.ask(signal),
    startDaemon: () => keeper.ask('start'),
    async close() {
      await keeper.end()
      removeDirectory(directory)
    },
  }
}

class Keeper {
  private readonly process: ChildProcess
  private readonly ended: Promise<void>
  private errors = ''

  // Detached: an interrupt from the keyboard is not for the keeper.
  constructor(module: string, pinFile: string) {
    this.process = fork(here('opencryptoki-keeper.js'), [module, pinFile], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true, execArgv: ['--enable-source-maps'],
    })
    const stderr = this.process.stderr as Readable
    stderr.setEncoding('utf8').on('data', (text: string) => { this.errors += text })
    // Not `close`: it does not come when the channel was closed from here.
    this.ended = Promise.all([once(this.process, 'exit'), once(stderr, 'close')]).then(() => undefined)
  }

  async ask(request: KeeperRequest): Promise<void> {
    const answer = this.answer()
    // Without a callback, a closed channel would end the test process; the answer tells of it.
    this.process.send(request, () => undefined)
    await answer
  }

  async answer(): Promise<KeeperAnswer> {
    const answer = await Promise.race([this.message(), this.ended.then(() => this.unexpectedEnd())])
    if (answer.unavailable !== undefined) throw new TokenUnavailable(answer.unavailable)
    if (answer.failed !== undefined) throw new Error(answer.failed)
    return answer
  }

  /** The keeper ends when nobody listens to it any more. */
  async end(): Promise<void> {
    if (this.process.connected) this.process.disconnect()
    await this.ended
  }

  private message(): Promise<KeeperAnswer> {
    return new Promise(resolve => { this.process.once('message', (answer: KeeperAnswer) => resolve(answer)) })
  }

  private unexpectedEnd(): never {
    throw new Error(`the keeper of openCryptoki ended: ${this.errors}`)
  }
}
