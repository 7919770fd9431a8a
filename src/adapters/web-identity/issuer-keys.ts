import type { CompactVerifyGetKey } from 'jose'
import { KmsError } from '../../domain/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { readerOf, type KeySource, type ReadKeySet } from './key-source.js'

interface Ages {
  /** For so long nobody asks whether there are others. */
  readonly freshMs: number
  /** Between one try to read them and the next, however many tokens want another key. */
  readonly coolDownMs: number
}

const ages: Readonly<Record<'file' | 'url', Ages>> = {
  file: { freshMs: 0, coolDownMs: 0 },
  url: { freshMs: 10 * 60_000, coolDownMs: 30_000 },
}
/** For so long keys are used that could not be read again. */
export const keptMs = 6 * 3_600_000

/** The keys of one issuer. */
export class IssuerKeys {
  readonly #issuer: string
  readonly #read: ReadKeySet
  readonly #ages: Ages
  readonly #clock: Clock
  readonly #log: Log
  #keys: CompactVerifyGetKey | undefined
  #readAt = -Infinity
  #triedAt = -Infinity
  #reading: Promise<void> | undefined

  constructor(issuer: string, source: KeySource, clock: Clock, log: Log) {
    this.#issuer = issuer
    this.#read = readerOf(source)
    this.#ages = 'file' in source ? ages.file : ages.url
    this.#clock = clock
    this.#log = log
  }

  /** Those that are known, read again if they are old. Throws IDPCommunicationErrorException if there are none. */
  async current(): Promise<CompactVerifyGetKey> {
    if (this.#clock.now() - this.#readAt >= this.#ages.freshMs) await this.#readAgain()
    return this.#known()
  }

  /** Newer ones than `than`, for a token whose key is not among those; undefined if there are none, or it is too early to ask. */
  async newer(than: CompactVerifyGetKey): Promise<CompactVerifyGetKey | undefined> {
    await this.#readAgain()
    const keys = this.#known()
    return keys === than ? undefined : keys
  }

  #known(): CompactVerifyGetKey {
    if (this.#keys && this.#clock.now() - this.#readAt < keptMs) return this.#keys
    const message = 'The keys of the identity provider cannot be read at the moment. Retry the request.'
    throw new KmsError('IDPCommunicationErrorException', message)
  }

  /** One read at a time, for whoever waits for it. */
  async #readAgain(): Promise<void> {
    this.#reading ??= this.#readNow().finally(() => { this.#reading = undefined })
    await this.#reading
  }

  async #readNow(): Promise<void> {
    const now = this.#clock.now()
    if (now - this.#triedAt < this.#ages.coolDownMs) return
    this.#triedAt = now
    try {
      this.#keys = await this.#read() ?? this.#keys
      this.#readAt = now
    } catch (error) {
      this.#log.warn('the keys of an identity provider cannot be read', { issuer: this.#issuer, error })
    }
  }
}
