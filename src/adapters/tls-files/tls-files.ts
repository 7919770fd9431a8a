import { createHash, type X509Certificate } from 'node:crypto'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { TlsMaterial } from '../../ports/tls.js'
import { readContents, readContentsNow, tlsContent, TlsFilesError, wipe, type Contents, type TlsContent, type TlsPaths } from './read.js'

/** How often the files should be looked at. */
export const lookMs = 5_000
/** When a certificate that expires is worth a word, and how often. */
const expiryWarningMs = 14 * 86_400_000
const warningGapMs = 86_400_000

/**
 * The files behind a TLS listener, which others replace while it runs (certbot, cert-manager, a Secret of Kubernetes). They are compared by
 * what is in them, so that it does not matter how they were replaced.
 */
export class TlsFiles {
  readonly #paths: TlsPaths
  readonly #log: Log
  readonly #clock: Clock
  readonly #warnedAt = new Map<string, number>()
  #content: TlsContent
  #digest: string
  #faulty = false
  #onChange: (material: TlsMaterial) => void = () => {}

  /** Throws TlsFilesError if they cannot be used. */
  constructor(paths: TlsPaths, log: Log, clock: Clock) {
    this.#paths = paths
    this.#log = log
    this.#clock = clock
    const contents = readContentsNow(paths)
    try {
      this.#content = tlsContent(paths, contents)
      this.#digest = digestOf(contents)
    } finally {
      wipe(contents)
    }
    this.#warn()
  }

  get material(): TlsMaterial {
    return this.#content.material
  }

  /** Of the one listener that uses them. What it throws counts as a fault of the files. */
  onChange(listener: (material: TlsMaterial) => void): void {
    this.#onChange = listener
  }

  /** Takes what the files hold now, if it is good; else what they held before stays, and the log is told once. */
  async look(): Promise<void> {
    const contents = await readContents(this.#paths)
    const digest = digestOf(contents)
    if (digest !== this.#digest) this.#take(contents, digest)
    else this.#good()
    wipe(contents)
    this.#warn()
  }

  #take(contents: Contents, digest: string): void {
    const before = this.#content.certificate.fingerprint256
    try {
      const content = tlsContent(this.#paths, contents)
      this.#onChange(content.material)
      this.#content = content
      this.#digest = digest
    } catch (error) {
      if (!this.#faulty) this.#log.error('the files of TLS cannot be used: those of before stay in use', { faults: faultsOf(error) })
      this.#faulty = true
      return
    }
    this.#good()
    const { certificate: { fingerprint256, validTo, subjectAltName: names } } = this.#content
    if (fingerprint256 === before) return
    this.#log.info('new TLS certificate', { sha256Fingerprint: fingerprint256, expires: iso(Date.parse(validTo)), names })
    // What was said of the one before says nothing of this one.
    this.#warnedAt.clear()
  }

  #good(): void {
    if (this.#faulty) this.#log.info('the files of TLS can be used again')
    this.#faulty = false
  }

  /** Each once a day. */
  #warn(): void {
    const now = this.#clock.now()
    for (const { message, times, aheadMs } of this.#ends()) {
      const first = Math.min(...times)
      if (first - now > aheadMs || now - (this.#warnedAt.get(message) ?? -Infinity) < warningGapMs) continue
      this.#warnedAt.set(message, now)
      this.#log.warn(message, { expires: iso(first), expired: first <= now })
    }
  }

  #ends(): readonly { readonly message: string, readonly times: readonly number[], readonly aheadMs: number }[] {
    const { certificate, clientCas, nextUpdates } = this.#content
    const endOf = ({ validTo }: X509Certificate) => Date.parse(validTo)
    return [
      { message: 'the TLS certificate expires', times: [endOf(certificate)], aheadMs: expiryWarningMs },
      { message: 'a client CA expires', times: clientCas.map(endOf), aheadMs: expiryWarningMs },
      // Lists live for days, and are replaced shortly before their end.
      { message: 'a revocation list is out of date: client certificates of its CA are refused', times: nextUpdates, aheadMs: 0 },
    ]
  }
}

function digestOf(contents: Contents): string {
  const hash = createHash('sha256')
  for (const [file, content] of contents) {
    const isError = content instanceof Error
    hash.update(JSON.stringify([file, isError, isError ? content.message : content.length])).update(isError ? '' : content)
  }
  return hash.digest('hex')
}

function faultsOf(error: unknown): readonly string[] {
  return error instanceof TlsFilesError ? error.faults : [(error as Error).message]
}

function iso(time: number): string {
  return Number.isNaN(time) ? 'unknown' : new Date(time).toISOString()
}
