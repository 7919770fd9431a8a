import type { Evidence } from '../domain/key.js'
import type { Material, Suite } from '../domain/material.js'
import { HsmError, type Capacity, type Hsm, type HsmStatus, type ObjectListing, type Sealed } from '../ports/hsm.js'
import type { Log } from '../ports/log.js'

/** Between one attempt to open the token and the next: back within 5 s of its return. */
const pauseMs = { first: 250, max: 4_000 } as const
/** How long a close waits for an attempt that is under way: a library that hangs must not keep the service from stopping. */
const closeWaitMs = 2_000

/**
 * A key store whose token is opened in the background, again and again until it is there. Until then every call throws kind `lost`. A
 * refused PIN ends the attempts: another one might lock the token.
 */
export class LaterHsm implements Hsm {
  readonly #open: () => Promise<Hsm>
  readonly #onOpened: () => void
  readonly #log: Log
  #hsm: Hsm | undefined
  #refusal: HsmError
  #refused = 0
  #said: string | undefined
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #attempt: Promise<void>

  constructor(name: string, open: () => Promise<Hsm>, log: Log, onOpened: () => void) {
    this.#open = open
    this.#onOpened = onOpened
    this.#log = log
    this.#refusal = new HsmError('lost', `no token of the key store ${name} has been reached yet`)
    this.#attempt = this.#try(pauseMs.first)
  }

  /** Settles when the attempt that is under way has ended, well or not. */
  attempted(): Promise<void> {
    return this.#attempt
  }

  get suite(): Suite {
    return this.#reached().suite
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

  async sign(material: Material, digest: Uint8Array): Promise<Uint8Array> {
    return this.#reached().sign(material, digest)
  }

  async publicKey(material: Material): Promise<Uint8Array> {
    return this.#reached().publicKey(material)
  }

  async random(length: number): Promise<Uint8Array> {
    return this.#reached().random(length)
  }

  async createMaterial(material: Material): Promise<readonly Evidence[]> {
    return this.#reached().createMaterial(material)
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

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    let late: NodeJS.Timeout | undefined
    await Promise.race([this.#attempt, new Promise(resolve => { late = setTimeout(resolve, closeWaitMs) })])
    clearTimeout(late)
    await this.#hsm?.close()
  }

  #reached(): Hsm {
    if (this.#hsm) return this.#hsm
    this.#refused++
    throw this.#refusal
  }

  async #try(pause: number): Promise<void> {
    let hsm
    try {
      hsm = await this.#open()
    } catch (error) {
      return this.#failed(error, pause)
    }
    if (this.#closed) return hsm.close()
    this.#hsm = hsm
    if (this.#said !== undefined) this.#log.info('the token of the key store is there')
    this.#onOpened()
  }

  #failed(error: unknown, pause: number): void {
    const message = error instanceof Error ? error.message : String(error)
    const refused = error instanceof HsmError && error.kind === 'login'
    // Said once, and not at every attempt.
    if (message !== this.#said) {
      const what = refused ? 'the key store cannot be used: its PIN was refused' : 'the key store is not available; it is tried again'
      this.#log.error(what, { error })
    }
    this.#said = message
    if (refused) this.#refusal = error
    if (refused || this.#closed) return
    this.#timer = setTimeout(() => { this.#attempt = this.#try(Math.min(pause * 2, pauseMs.max)) }, pause)
    this.#timer.unref()
  }
}
