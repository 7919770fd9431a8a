import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyStoreConnection, KeyStores } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'
import { connectionOf, LaterHsm } from './later-hsm.js'

/** How long a start waits for the stores that it could do without. */
const otherStoresWaitMs = 5_000

export interface KeyStoresOptions {
  /** Name of the store that holds the roots. */
  readonly roots: string
  readonly others: readonly string[]
  readonly forNewKeys: string
  /** By region. */
  readonly ofRegions?: Readonly<Record<string, string>>
  readonly open: (name: string, log: Log) => Promise<Hsm>
  readonly log: Log
}

/** The configured stores: that of the roots is open, the others are opened when they are wanted and as soon as their tokens are there. */
export class OpenedKeyStores implements KeyStores {
  readonly roots: Hsm
  readonly forNewKeys: string
  readonly names: readonly string[]
  readonly #others: ReadonlyMap<string, LaterHsm>
  readonly #ofRegions: ReadonlyMap<string, string>
  readonly #log: Log
  #onOpened: ((name: string) => void) | undefined

  /** Throws HsmError when the token of the roots cannot be opened: without it nothing can be answered. */
  static async open(options: KeyStoresOptions): Promise<OpenedKeyStores> {
    const { roots, open, log } = options
    return new OpenedKeyStores(options, await open(roots, logOfStore(roots, log)))
  }

  private constructor({ roots: name, others, forNewKeys, ofRegions = {}, open, log }: KeyStoresOptions, roots: Hsm) {
    this.roots = roots
    this.#log = log
    this.forNewKeys = forNewKeys
    this.#ofRegions = new Map(Object.entries(ofRegions))
    this.names = [name, ...others]
    this.#others = new Map(others.map(other => {
      const storeLog = logOfStore(other, log)
      return [other, new LaterHsm(other, () => open(other, storeLog), storeLog, () => this.#opened(other))]
    }))
  }

  ofRegion(region: string): string | undefined {
    return this.#ofRegions.get(region)
  }

  get(name: string): Hsm {
    const store = name === this.names[0] ? this.roots : this.#others.get(name)
    if (!store) throw new HsmError('lost', `the configuration has no key store ${name}`)
    return store
  }

  /** Begins to open the stores beside that of the roots: which of them are wanted is known once the database can be read. */
  openOthers(isWanted: (name: string) => boolean = () => true): void {
    for (const [name, store] of this.#others) if (isWanted(name)) store.connect()
  }

  connect(name: string): void {
    this.#others.get(name)?.connect()
  }

  async disconnect(name: string): Promise<void> {
    await this.#others.get(name)?.close()
  }

  connection(name: string): KeyStoreConnection {
    if (name === this.names[0]) return connectionOf(this.roots)
    return this.#others.get(name)?.connection() ?? { state: 'absent' }
  }

  /** Waits until every store was tried once, but not for long: one that hangs must not keep the others from serving. */
  async tried(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => { timer = setTimeout(resolve, otherStoresWaitMs) })
    const attempts = [...this.#others.values()].map(store => store.attempted())
    await Promise.race([Promise.all(attempts), late])
    clearTimeout(timer)
  }

  /** Told of every store that is open, now and later. */
  onOpened(listener: (name: string) => void): void {
    this.#onOpened = listener
    for (const name of this.#openNames()) listener(name)
  }

  async close(): Promise<void> {
    const results = await Promise.allSettled([this.roots, ...this.#others.values()].map(store => store.close()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  #openNames(): readonly string[] {
    return this.names.filter((name, at) => at === 0 || this.#others.get(name)?.isReached)
  }

  #opened(name: string): void {
    this.#warnOfSameToken(name)
    this.#onOpened?.(name)
  }

  /** By two ways of naming it in the configuration. Every key would be an orphan in the other store, and room would be counted twice. */
  #warnOfSameToken(name: string): void {
    const token = tokenOf(this.get(name))
    const others = this.#openNames().filter(other => other !== name && tokenOf(this.get(other)) === token)
    if (token !== undefined && others.length > 0) this.#log.error('key stores are the same token', { keyStore: name, others })
  }
}

function tokenOf(hsm: Hsm): string | undefined {
  const { token } = hsm.status()
  return token && JSON.stringify([token.manufacturer, token.model, token.serial, token.label])
}

/** Says of every line which store it is about. */
function logOfStore(keyStore: string, log: Log): Log {
  return {
    debug: (message, fields) => log.debug(message, { keyStore, ...fields }),
    info: (message, fields) => log.info(message, { keyStore, ...fields }),
    warn: (message, fields) => log.warn(message, { keyStore, ...fields }),
    error: (message, fields) => log.error(message, { keyStore, ...fields }),
  }
}
