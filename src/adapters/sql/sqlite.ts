import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import type { RowAuthenticator } from '../../ports/row-authenticator.js'
import type { Store } from '../../ports/store.js'
import { migrate, refuseUnmigrated } from './migrate.js'
import type { Tables } from './schema.js'
import { ImmediateSqliteDialect } from './sqlite-dialect.js'
import { sqlStore } from './store.js'

/** How long a write waits for another process's. The wait blocks this process, so it must stay below a client's patience. */
const busyTimeoutMs = 2_000

export interface SqliteOptions {
  readonly file: string
  readonly authenticator: RowAuthenticator
  /** Writes nothing, not even the schema, and may run beside a server. The file must exist and be up to date. */
  readonly readOnly?: true
}

/** Opens the store in an SQLite file and makes or updates its schema. Only one process may serve from it: directory-lock.ts. */
export async function openSqlite({ file, authenticator, readOnly }: SqliteOptions): Promise<Store> {
  const database = readOnly ? openForReading(file) : openForWriting(file)
  try {
    const db = new Kysely<Tables>({ dialect: new ImmediateSqliteDialect(database) })
    // Transactions that write begin as the only writer, so there is nothing else to lock.
    await (readOnly ? refuseUnmigrated(db) : migrate(db, async () => {}))
    const dataVersion = database.prepare<[], number>('PRAGMA data_version').pluck()
    return sqlStore(db, authenticator, oncePerTurn(() => dataVersion.get() ?? 0))
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Each request asks several times, and each time costs some microseconds. A request is received in a turn of the event loop that began
 * after it was sent: it sees whatever had been written by then.
 */
function oncePerTurn(read: () => number): () => number {
  let value: number | undefined
  const forget = () => { value = undefined }
  return () => {
    if (value === undefined) {
      value = read()
      // Called when nothing is left to do in this turn: before the next thing is received.
      process.nextTick(forget)
    }
    return value
  }
}

function openForReading(file: string): BetterSqlite3.Database {
  if (!existsSync(file)) throw new Error(`there is no database at ${file}`)
  const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs })
  database.pragma('trusted_schema = OFF')
  return database
}

function openForWriting(file: string): BetterSqlite3.Database {
  makePrivate(file)
  const database = new BetterSqlite3(file, { timeout: busyTimeoutMs })
  try {
    configure(database, file)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function configure(database: BetterSqlite3.Database, file: string): void {
  const mode = database.pragma('journal_mode = WAL', { simple: true })
  if (mode !== 'wal') throw new Error(`${file} does not take write-ahead logging; put it on a local disk`)
  // In WAL mode only FULL syncs every commit; NORMAL may lose the last ones with the power (pragma synchronous).
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  database.pragma('trusted_schema = OFF')
}

/**
 * Nobody else may read the file; SQLite gives its -wal and -shm the same mode. An existing file is never opened here: closing any
 * descriptor of it would drop the locks this process holds on it (POSIX fcntl; "How To Corrupt", section 2.2).
 */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    chmodSync(file, 0o600)
  }
}
