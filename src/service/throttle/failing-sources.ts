import { createHash } from 'node:crypto'
import { KmsError, throttled } from '../../domain/errors.js'
import { parseIp } from '../../domain/ip.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import { fullBucket, refill, takeToken, type Bucket, type Rate } from './token-buckets.js'

/** Sources that are told apart; all others are one. */
const sourcesMax = 10_000
/** How many of them are looked at to find one that can be forgotten. */
const looksMax = 64
/** Credentials that are known to have signed something. */
const provenMax = 10_000
/** Sources that are named in one line of the log. */
const namedMax = 10
/** An address of IPv6 belongs to a network of so many bytes, and whoever has one has all of them. */
const ipv6NetworkBytes = 8

/** Refuses a caller who is not known, and has no record of its own in the audit log: there may be any number of these. */
export class SourceRefusal extends KmsError {
  constructor() {
    super('ThrottlingException', throttled().message)
  }
}

interface Source extends Bucket { refused: number }

/** A credential as a request names it. */
export interface NamedCredential { readonly accessKeyId: string, readonly sessionToken?: string | undefined }

/** Where credentials are found; as http/authenticate.ts has it. */
export interface Lookup<C> {
  lookup(accessKeyId: string, sessionToken?: string): Promise<C | undefined>
  /** Whether `lookup` would answer from memory. */
  knows?(accessKeyId: string, sessionToken?: string): boolean
}

/**
 * Sources of requests whose signatures fail. One that fails too often is refused without a look into the store or a call to the HSM, unless
 * the credential has signed something before: good clients behind the same address go on. What is refused so is summed up in the log.
 */
export class FailingSources {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #log: Log
  readonly #sources = new Map<string, Source>()
  /** All sources for which there was no more room. */
  readonly #others: Source
  readonly #proven = new Set<string>()
  readonly #lookups = new Map<string, Promise<unknown>>()
  /** Refused of sources that are not kept any more. */
  #refusedBefore = 0

  /** `rate`: failures of one source that are answered and recorded like any other refusal. */
  constructor(rate: Rate, clock: Clock, log: Log) {
    this.#rate = rate
    this.#clock = clock
    this.#log = log
    this.#others = { ...fullBucket(rate, clock.now()), refused: 0 }
  }

  attempt(sourceIp: string): Attempt {
    return new Attempt(this, sourceIp)
  }

  /** Takes one of the failures that the source may have; false, and counted, when there is none. */
  takeFailure(sourceIp: string): boolean {
    const source = this.#sourceOf(nameOfSource(sourceIp))
    if (takeToken(source, this.#rate, this.#clock.now())) return true
    source.refused += 1
    return false
  }

  giveBack(sourceIp: string): void {
    const name = nameOfSource(sourceIp)
    const source = this.#sources.get(name) ?? this.#others
    source.tokens = Math.min(this.#rate.burst, source.tokens + 1)
    if (source !== this.#others) this.#forgetIfIdle(name, source)
  }

  isProven(credential: NamedCredential): boolean {
    return this.#proven.has(nameOfCredential(credential))
  }

  proved(credential: NamedCredential): void {
    const name = nameOfCredential(credential)
    if (this.#proven.has(name)) return
    const [oldest] = this.#proven
    if (this.#proven.size >= provenMax && oldest !== undefined) this.#proven.delete(oldest)
    this.#proven.add(name)
  }

  disproved(credential: NamedCredential): void {
    this.#proven.delete(nameOfCredential(credential))
  }

  /** Those that ask for the same credential at the same time share one lookup. */
  shared<C>({ accessKeyId, sessionToken }: NamedCredential, credentials: Lookup<C>): Promise<C | undefined> {
    const name = `${accessKeyId} ${sessionToken ?? ''}`
    const underWay = this.#lookups.get(name) as Promise<C | undefined> | undefined
    if (underWay) return underWay
    const lookup = credentials.lookup(accessKeyId, sessionToken).finally(() => this.#lookups.delete(name))
    this.#lookups.set(name, lookup)
    return lookup
  }

  /** One line for everything that was refused since the last one. To be called from time to time, and in the end. */
  report(): void {
    const refused = [...this.#sources].filter(([, source]) => source.refused > 0).sort(([, a], [, b]) => b.refused - a.refused)
    const total = refused.reduce((sum, [, source]) => sum + source.refused, this.#refusedBefore + this.#others.refused)
    if (total > 0) {
      this.#log.warn('requests were refused without a record each, because their sources kept failing to authenticate', {
        refused: total, sources: refused.length,
        most: refused.slice(0, namedMax).map(([source, { refused: count }]) => ({ source, refused: count })),
      })
    }
    this.#refusedBefore = this.#others.refused = 0
    for (const [name, source] of this.#sources) {
      source.refused = 0
      this.#forgetIfIdle(name, source)
    }
  }

  #sourceOf(name: string): Source {
    const known = this.#sources.get(name)
    if (known) {
      // In the order of their last failure.
      this.#sources.delete(name)
      this.#sources.set(name, known)
      return known
    }
    if (!this.#makeRoom()) return this.#others
    const source = { ...fullBucket(this.#rate, this.#clock.now()), refused: 0 }
    this.#sources.set(name, source)
    return source
  }

  /** Only a source that has all its failures again may be forgotten: else one with many addresses would never run out of them. */
  #makeRoom(): boolean {
    if (this.#sources.size < sourcesMax) return true
    let looks = 0
    for (const [name, source] of this.#sources) {
      if (this.#forgetIfIdle(name, source)) return true
      // Behind all others, so that the next look goes on from here: some that have none left must not hide those that have.
      this.#sources.delete(name)
      this.#sources.set(name, source)
      if (++looks >= looksMax) break
    }
    return false
  }

  #forgetIfIdle(name: string, source: Source): boolean {
    refill(source, this.#rate, this.#clock.now())
    if (source.tokens < this.#rate.burst) return false
    this.#refusedBefore += source.refused
    this.#sources.delete(name)
    return true
  }
}

/** One request whose signature is looked at. */
export class Attempt {
  readonly #sources: FailingSources
  readonly #sourceIp: string
  /** It has taken one of the failures of its source already. */
  #hasStake = false
  #credential: NamedCredential | undefined

  constructor(sources: FailingSources, sourceIp: string) {
    this.#sources = sources
    this.#sourceIp = sourceIp
  }

  /** Throws SourceRefusal, having asked nobody, for a credential that is not known while the source has failed too often. */
  lookup<C>(credential: NamedCredential, credentials: Lookup<C>): Promise<C | undefined> {
    this.#credential = credential
    const { accessKeyId, sessionToken } = credential
    if (credentials.knows?.(accessKeyId, sessionToken)) return credentials.lookup(accessKeyId, sessionToken)
    if (!this.#sources.isProven(credential)) {
      // Taken before and given back after, so that many at once do not all find that there is one left.
      if (!this.#sources.takeFailure(this.#sourceIp)) throw new SourceRefusal()
      this.#hasStake = true
    }
    return this.#sources.shared(credential, credentials)
  }

  /** The same for what comes without a credential: its own evidence is looked at instead. */
  unsigned(): void {
    if (!this.#sources.takeFailure(this.#sourceIp)) throw new SourceRefusal()
    this.#hasStake = true
  }

  succeeded(): void {
    if (this.#credential) this.#sources.proved(this.#credential)
    this.#returnStake()
  }

  /** What the failure is answered with. Only refusals count: an HSM that does not answer is nobody's guess. */
  failed(error: unknown): unknown {
    if (!(error instanceof KmsError)) {
      this.#returnStake()
      return error
    }
    if (error instanceof SourceRefusal) return error
    if (error.code === 'UnrecognizedClientException' && this.#credential) this.#sources.disproved(this.#credential)
    return this.#hasStake || this.#sources.takeFailure(this.#sourceIp) ? error : new SourceRefusal()
  }

  #returnStake(): void {
    if (this.#hasStake) this.#sources.giveBack(this.#sourceIp)
    this.#hasStake = false
  }
}

/** An address of IPv4, a network of IPv6. */
function nameOfSource(sourceIp: string): string {
  const bytes = parseIp(sourceIp)
  if (bytes?.length !== 16) return bytes?.join('.') ?? sourceIp
  return `${Buffer.from(bytes.slice(0, ipv6NetworkBytes)).toString('hex').replace(/(.{4})(?=.)/g, '$1:')}::/64`
}

/** A session by a hash: its token is long, and opens what it stands for. */
function nameOfCredential({ accessKeyId, sessionToken }: NamedCredential): string {
  if (sessionToken === undefined) return accessKeyId
  return createHash('sha256').update(`${accessKeyId} ${sessionToken}`).digest('base64')
}
