import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { described, installed, label, libraryPaths, newDirectory, removeDirectory, type TestToken } from './token.js'

/** A token at the end of a socket, whose far end can be taken away. */
export interface ServedToken extends TestToken {
  /** Ends server and connections at once, as if the device had lost its power. */
  kill(): Promise<void>
  /** Lets everything hang until `continue`: calls do not come back. */
  stop(): void
  continue(): void
  /** A new server under the same address, after `kill`. Clients must initialise anew to reach it. */
  restart(): Promise<void>
}

/** Of a Unix socket's name (unix(7), sun_path), with the zero byte at its end. */
const socketPathBytesMax = 108
const startWaitMsMax = 10_000

/**
 * `p11-kit server` in front of a token, which stays the caller's to close, afterwards. Each client process has one server address,
 * whatever it opens: it stands in the environment. No profile: what library and token say of themselves must tell.
 */
export async function p11KitServer(token: TestToken): Promise<ServedToken> {
  const program = installed('p11-kit server', ['/usr/libexec/p11-kit/p11-kit-server', '/usr/lib/p11-kit/p11-kit-server'])
  const module = installed('the client of p11-kit', libraryPaths('pkcs11/p11-kit-client.so'))
  const directory = newDirectory()
  const socket = join(directory, 'p11-kit')
  if (Buffer.byteLength(socket) >= socketPathBytesMax) throw new Error(`too long for a socket: ${socket}`)
  const start = () => startServer(program, socket, token)
  let server = await start()
  const kill = async () => {
    await endServer(server)
    rmSync(socket, { force: true })
  }
  return {
    ...described({ module, pinFile: pinFileOf(token), environment: { P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` } }),
    kill,
    stop: () => signalAll(server, 'SIGSTOP'),
    continue: () => signalAll(server, 'SIGCONT'),
    async restart() {
      await kill()
      server = await start()
    },
    async close() {
      await kill()
      removeDirectory(directory)
    },
  }
}

function pinFileOf({ config: { pin } }: TestToken): string {
  if (!pin || !('file' in pin)) throw new Error('a token for tests has its PIN in a file')
  return pin.file
}

// setpriv: a server must not outlive a test process that is killed.
async function startServer(program: string, socket: string, { config }: TestToken): Promise<ChildProcess> {
  const server = spawn('setpriv', [
    '--pdeathsig', 'KILL', program, '--foreground', '--name', socket, '--provider', config.module, `pkcs11:token=${label}`,
  ], { env: { PATH: process.env.PATH, ...config.environment }, stdio: ['ignore', 'pipe', 'inherit'] })
  const output = { text: '' }
  server.stdout.setEncoding('utf8').on('data', (text: string) => { output.text += text })
  const listening = new Promise<boolean>(resolve => {
    server.stdout.on('data', () => { if (output.text.includes('P11_KIT_SERVER_PID=')) resolve(true) })
    server.on('close', () => resolve(false))
    server.on('error', () => resolve(false))
    setTimeout(() => resolve(false), startWaitMsMax).unref()
  })
  if (await listening) return server
  server.kill('SIGKILL')
  throw new Error(`p11-kit server did not start: ${output.text}`)
}

/** The server is stopped first, so that it takes no new client meanwhile; its processes outlive it otherwise. */
async function endServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  signalAll(server, 'SIGSTOP')
  const ended = once(server, 'exit')
  signalAll(server, 'SIGKILL')
  await ended
}

/** To the server and to the process that it has for each client. */
function signalAll(server: ChildProcess, signal: NodeJS.Signals): void {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
  if (signal === 'SIGSTOP') server.kill(signal)
  for (const child of childrenOf(server.pid)) sendTo(child, signal)
  if (signal !== 'SIGSTOP') server.kill(signal)
}

function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Its client has gone, and it with it.
  }
}

/** By the fourth field of /proc/<pid>/stat; the second is a name in brackets and may hold anything (proc(5)). */
function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
    } catch {
      return false
    }
  })
}
