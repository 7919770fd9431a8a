import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pkcs11, { type Handle, type Template } from 'pkcs11js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'

const child = fileURLToPath(new URL('remote-child.js', import.meta.url))
const pinOf = ({ pin }: Pkcs11Config): string => pin && 'file' in pin ? readFileSync(pin.file, 'utf8') : ''

/** A failed call of the other process. */
export class RemoteError extends Error {
  readonly code: number

  constructor(message: string, code: number) {
    super(message)
    this.code = code
  }
}

export interface Sealed { readonly out: Buffer, readonly ivAfterInit: Buffer, readonly iv: Buffer }

interface Answer { readonly id: number, readonly value?: unknown, readonly code?: number, readonly message?: string }

/** pkcs11js in a process of its own, which a fault may end. */
export class Remote {
  readonly process: ChildProcess
  readonly ended: Promise<{ readonly code: number | null, readonly signal: string | null }>
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>()
  private readonly config: Pkcs11Config
  private calls = 0

  constructor(config: Pkcs11Config, stderr: 'inherit' | 'ignore' = 'inherit') {
    this.config = config
    this.process = fork(child, [config.module], {
      serialization: 'advanced', env: { ...process.env, ...config.environment }, stdio: ['ignore', 'inherit', stderr, 'ipc'],
    })
    this.process.on('message', (answer: Answer) => this.settle(answer))
    this.ended = once(this.process, 'exit').then(([code, signal]: (number | string | null)[]) => {
      for (const { reject } of this.waiting.values()) reject(new Error('the process ended'))
      return { code: code as number | null, signal: signal as string | null }
    })
  }

  /** Runs a function of pkcs11js; rejects with RemoteError, or when the process ends. */
  call<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    this.calls += 1
    const id = this.calls
    const answer = new Promise<unknown>((resolve, reject) => this.waiting.set(id, { resolve, reject }))
    this.process.send({ id, name, args })
    return answer as Promise<T>
  }

  /** What a function answers: a CKR, 0 for none. */
  async code(name: string, ...args: readonly unknown[]): Promise<number> {
    try {
      await this.call(name, ...args)
      return 0
    } catch (error) {
      if (error instanceof RemoteError) return error.code
      throw error
    }
  }

  /** Initialises; a session of the configured token. */
  async open(): Promise<Handle> {
    await this.call('C_Initialize', { flags: 2 })
    return this.call('C_OpenSession', await this.slot(), pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION)
  }

  async slot(): Promise<Handle> {
    for (const slot of await this.call<readonly Handle[]>('C_GetSlotList', true)) {
      const { label } = await this.call<pkcs11.TokenInfo>('C_GetTokenInfo', slot)
      if (label.trimEnd() === this.config.tokenLabel) return slot
    }
    throw new Error('the token is not there')
  }

  async openLoggedIn(): Promise<Handle> {
    const session = await this.open()
    await this.call('C_Login', session, pkcs11.CKU_USER, pinOf(this.config))
    return session
  }

  /** What C_Login answers to the configured PIN with something in front. */
  login(session: Handle, prefix = ''): Promise<number> {
    return this.code('C_Login', session, pkcs11.CKU_USER, prefix + pinOf(this.config))
  }

  generate(session: Handle, mechanism: number, template: Template): Promise<Handle> {
    return this.call('C_GenerateKey', session, { mechanism }, template)
  }

  seal(session: Handle, mechanism: number, key: Handle, iv: Buffer, data: Buffer): Promise<Sealed> {
    return this.call('seal', session, mechanism, key, iv, data)
  }

  unseal(session: Handle, mechanism: number, key: Handle, iv: Buffer, data: Buffer): Promise<Buffer> {
    return this.call('unseal', session, mechanism, key, iv, data)
  }

  async close(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended
  }

  private settle({ id, value, code, message }: Answer): void {
    const waiter = this.waiting.get(id)
    this.waiting.delete(id)
    if (message === undefined) waiter?.resolve(value)
    else waiter?.reject(new RemoteError(message, code ?? 0))
  }
}
