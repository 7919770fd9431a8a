import type { OaepAlgorithm, SigningAlgorithm } from '../domain/key-spec.js'
import type { Evidence } from '../domain/key.js'
import type { Material, MaterialKind, Suite } from '../domain/material.js'
import {
  HsmError,
  type Capacity, type Encapsulation, type Hsm, type HsmStatus, type InspectedImport, type ObjectListing, type Sealed, type WrappedMaterial,
} from '../ports/hsm.js'
import type { KeyStoreConnection } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'

/** Between one attempt to open the token and the next: back within 5 s of its return. */
const pauseMs = { first: 250, max: 4_000 } as const
/** How long a close waits for an attempt that is under way: a library that hangs must not keep the service from stopping. */
const closeWaitMs = 2_000

/**
 * A key store whose token is opened in the background, again and again until it is there, from `connect` to `close`, as often as wanted.
 * While it is not there every call throws kind `lost`. A refused PIN ends the attempts: another one might lock the token.
 */
export class LaterHsm implements Hsm {
  readonly #name: string
  readonly #open: () => Promise<Hsm>
  readonly #onOpened: () => void
  readonly #log: Log
  #hsm: Hsm | undefined
  #refusal: HsmError
  #refused = 0
  #said: string | undefined
  #failure: HsmError | undefined
  /** Made anew by every `connect`, so that an attempt of an earlier one knows that it is late; undefined while disconnected. */
  #turn: object | undefined
  #closing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #attempt: Promise<void> = Promise.resolve()

  constructor(name: string, open: () => Promise<Hsm>, log: Log, onOpened: () => void) {
    this.#name = name
    this.#open = open
    this.#onOpened = onOpened
    this.#log = log
    this.#refusal = disconnected(name)
  }

  /** Begins to open the token. What earlier attempts ended with is forgotten, a refused PIN, too. */
  connect(): void {
    if (this.#turn) return
    this.#turn = {}
    this.#said = this.#failure = undefined
    this.#refusal = new HsmError('lost', `no token of the key store ${this.#name} has been reached yet`)
    this.#attempt = this.#try(this.#turn, pauseMs.first)
  }

  get isReached(): boolean {
    return this.#hsm !== undefined
  }

  connection(): KeyStoreConnection {
    if (this.#closing) return { state: 'disconnecting' }
    if (!this.#turn) return { state: 'disconnected' }
    if (!this.#hsm) return this.#failure ? { state: 'failed', failure: this.#failure } : { state: 'connecting' }
    return connectionOf(this.#hsm)
  }

  /** Settles when the attempt that is under way has ended, well or not. */
  attempted(): Promise<void> {
    return this.#attempt
  }

  get suite(): Suite {
    return this.#reached().suite
  }

  get kinds(): ReadonlySet<MaterialKind> {
    return this.#reached().kinds
  }

  async seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed> {
    return this.#reached().seal(material, plaintext, additionalData)
  }

  async open(material: Material, sealed: Sealed, additionalData: Uint8Array): Promise<Uint8Array> {
    return this.#reached().open(material, sealed, additionalData)
  }

  async mac(material: Material, data: Uint8Array): Promise<Uint8Array> {
    return this.#reached().mac(material, data)
  }

  async sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Promise<Uint8Array> {
    return this.#reached().sign(material, algorithm, input)
  }

  async verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return this.#reached().verify(material, algorithm, input, signature)
  }

  async publicKey(material: Material): Promise<Uint8Array> {
    return this.#reached().publicKey(material)
  }

  async encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Promise<Uint8Array> {
    return this.#reached().encrypt(material, algorithm, plaintext)
  }

  async decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#reached().decrypt(material, algorithm, ciphertext)
  }

  async deriveSharedSecret(material: Material, peerPoint: Uint8Array): Promise<Uint8Array> {
    return this.#reached().deriveSharedSecret(material, peerPoint)
  }

  async encapsulate(material: Material): Promise<Encapsulation> {
    return this.#reached().encapsulate(material)
  }

  async decapsulate(material: Material, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#reached().decapsulate(material, ciphertext)
  }

  async random(length: number): Promise<Uint8Array> {
    return this.#reached().random(length)
  }

  async createMaterial(material: Material): Promise<readonly Evidence[]> {
    return this.#reached().createMaterial(material)
  }

  async inspectImport(material: Material, wrapped: WrappedMaterial): Promise<InspectedImport> {
    return this.#reached().inspectImport(material, wrapped)
  }

  async importMaterial(material: Material, wrapped: WrappedMaterial): Promise<readonly Evidence[]> {
    return this.#reached().importMaterial(material, wrapped)
  }

  async destroyMaterial(material: Material): Promise<number> {
    return this.#reached().destroyMaterial(material)
  }

  async find(material: Material): Promise<readonly Evidence[] | undefined> {
    return this.#reached().find(material)
  }

  async list(): Promise<readonly ObjectListing[]> {
    return this.#reached().list()
  }

  async capacity(): Promise<Capacity> {
    return this.#reached().capacity()
  }

  async probe(): Promise<void> {
    return this.#reached().probe()
  }

  status(): HsmStatus {
    return this.#hsm?.status() ?? {
      host: 'process', token: undefined, profile: undefined, suite: undefined,
      circuit: this.#refusal.kind === 'login' ? 'refused' : 'open',
      lanes: [],
      queue: { length: 0, max: 0, waitMsMax: 0 },
      calls: { done: 0, failed: 0, refused: this.#refused, deadlineMissed: 0 },
      latency: { p50: 0, p99: 0, max: 0, calls: 0 },
    }
  }

  /** Calls that are under way end well, or with kind `lost`. */
  close(): Promise<void> {
    if (!this.#turn) return this.#closing ?? Promise.resolve()
    this.#turn = undefined
    clearTimeout(this.#timer)
    // From here on nobody reaches the token.
    const hsm = this.#hsm
    this.#hsm = undefined
    this.#refusal = disconnected(this.#name)
    const closing = this.#end(hsm).finally(() => { if (this.#closing === closing) this.#closing = undefined })
    this.#closing = closing
    return closing
  }

  #reached(): Hsm {
    if (this.#hsm) return this.#hsm
    this.#refused++
    throw this.#refusal
  }

  async #end(hsm: Hsm | undefined): Promise<void> {
    let late: NodeJS.Timeout | undefined
    await Promise.race([this.#attempt, new Promise(resolve => { late = setTimeout(resolve, closeWaitMs) })])
    clearTimeout(late)
    await hsm?.close()
  }

  async #try(turn: object, pause: number): Promise<void> {
    let hsm
    try {
      // How an earlier session ended was told to whoever ended it.
      if (this.#closing) await this.#closing.catch(() => {})
      hsm = await this.#open()
    } catch (error) {
      return this.#failed(error, turn, pause)
    }
    if (this.#turn !== turn) return hsm.close()
    this.#hsm = hsm
    this.#failure = undefined
    if (this.#said !== undefined) this.#log.info('the token of the key store is there')
    this.#onOpened()
  }

  #failed(error: unknown, turn: object, pause: number): void {
    if (this.#turn !== turn) return
    const message = error instanceof Error ? error.message : String(error)
    const refused = error instanceof HsmError && error.kind === 'login'
    // Said once, and not at every attempt.
    if (message !== this.#said) {
      const what = refused ? 'the key store cannot be used: its PIN was refused' : 'the key store is not available; it is tried again'
      this.#log.error(what, { error })
    }
    this.#said = message
    this.#failure = error instanceof HsmError ? error : new HsmError('configuration', message, undefined, { cause: error })
    if (refused) this.#refusal = error
    if (refused) return
    this.#timer = setTimeout(() => { this.#attempt = this.#try(turn, Math.min(pause * 2, pauseMs.max)) }, pause)
    this.#timer.unref()
  }
}

function disconnected(name: string): HsmError {
  return new HsmError('lost', `the key store ${name} is disconnected`)
}

/** Of a store that was opened: what became of it later, it tells itself. */
export function connectionOf(hsm: Hsm): KeyStoreConnection {
  const { circuit } = hsm.status()
  if (circuit === 'refused') return { state: 'failed', failure: { kind: 'login', returnValue: undefined } }
  return circuit === 'open' ? { state: 'failed', failure: { kind: 'lost', returnValue: undefined } } : { state: 'connected' }
}
