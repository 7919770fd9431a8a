import { createHash } from 'node:crypto'
import { IntegrityError } from '../../ports/keys.js'
import type { RowAuthenticator } from '../../ports/row-authenticator.js'
import type { Tables } from './schema.js'

/** Tables whose rows decide something, with the columns that name a row in an error. */
const primaryKeys = {
  keys: ['region', 'key_id'],
  key_versions: ['region', 'key_id', 'version'],
  seal_budgets: ['region', 'key_id', 'version'],
  aliases: ['account_id', 'region', 'name'],
  grants: ['region', 'key_id', 'grant_id'],
  custom_key_stores: ['id'],
  invocations: ['caller', 'invocation_id'],
  accounts: ['account_id'],
  identities: ['account_id', 'kind', 'name_key'],
  access_keys: ['access_key_id'],
  approval_requests: ['id'],
  installation: ['id'],
} as const satisfies Partial<Record<keyof Tables, readonly string[]>>

export type AuthenticatedTable = keyof typeof primaryKeys
export type Columns<T extends AuthenticatedTable> = Omit<Tables[T], 'mac'>

/** Calls to the HSM that one read or write has under way at once: enough to fill its lanes, too few to fill its queue. */
const macsAtOnceMax = 8

/** Puts MACs on rows before they are written and checks them when they are loaded. */
export class AuthenticatedRows {
  readonly #authenticator: RowAuthenticator

  constructor(authenticator: RowAuthenticator) {
    this.#authenticator = authenticator
  }

  /** The row with its MAC. Ask for it before the transaction: the HSM may be slow. */
  async sign<T extends AuthenticatedTable>(table: T, columns: Columns<T>): Promise<Columns<T> & { readonly mac: Uint8Array }> {
    return { ...columns, mac: await this.#authenticator.tag(rowDigest(table, columns)) }
  }

  async signAll<T extends AuthenticatedTable>(
    table: T, rows: readonly Columns<T>[],
  ): Promise<readonly (Columns<T> & { readonly mac: Uint8Array })[]> {
    return inBatches(rows, row => this.sign(table, row))
  }

  /** Throws IntegrityError unless the row, as loaded with all its columns, is one that was signed. */
  async verify<T extends AuthenticatedTable>(table: T, row: Tables[T]): Promise<void> {
    const { mac, ...columns } = row
    // A database edited by hand may hold a text or NULL where the bytes should be.
    const genuine = mac instanceof Uint8Array && await this.#authenticator.verify(rowDigest(table, columns), mac)
    if (!genuine) throw new IntegrityError(`${rowName(table, columns)} does not carry the MAC it should`)
  }

  async verifyAll<T extends AuthenticatedTable>(table: T, rows: readonly Tables[T][]): Promise<void> {
    await inBatches(rows, row => this.verify(table, row))
  }
}

export function rowDigest(table: string, columns: object): Uint8Array {
  return createHash('sha256').update(encodeRow(table, columns)).digest()
}

/**
 * Table name, then every column sorted by name: name, type letter, value; each string of bytes behind its u32 length, so no two rows
 * have the same encoding. A column without a value is left out: a later migration may add a nullable column, and the MACs made
 * before it stay good.
 */
export function encodeRow(table: string, columns: object): Uint8Array {
  const present = Object.entries(columns).filter(([, value]) => value !== null)
  present.sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.concat([text(table), ...present.flatMap(([name, value]) => [text(name), ...column(value)])].flatMap(withLength))
}

function column(value: unknown): readonly Uint8Array[] {
  if (typeof value === 'string') return [text('t'), text(value)]
  if (typeof value === 'number') return [text('n'), text(String(value))]
  if (value instanceof Uint8Array) return [text('b'), value]
  throw new TypeError(`a column cannot hold a ${typeof value}`)
}

/** UTF-8, total for what a database can hold; a text that would come back changed is refused before it is written. */
function text(value: string): Uint8Array {
  if (/\p{Surrogate}/u.test(value)) throw new TypeError('a text with an unpaired surrogate cannot be stored')
  return Buffer.from(value)
}

function withLength(bytes: Uint8Array): readonly Uint8Array[] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}

/** Quoted, since a database edited by hand may hold line feeds in a name that goes to a log. */
function rowName(table: AuthenticatedTable, columns: object): string {
  const values = new Map(Object.entries(columns))
  return `the row of ${table} for ${JSON.stringify(primaryKeys[table].map(name => String(values.get(name))).join(' '))}`
}

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += macsAtOnceMax) {
    results.push(...await Promise.all(items.slice(at, at + macsAtOnceMax).map(work)))
  }
  return results
}
