import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'

const lockFile = 'server.lock'

/** Another process serves from the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError'
}

/** Held here too: a lock whose holder nobody references would end with the garbage collection. */
const held = new Set<BetterSqlite3.Database>()

/**
 * Makes this process the only one that serves from a data directory, until `release` or its end, however it ends: the lock is
 * an SQLite transaction on an empty file, which the operating system drops with the process. Throws DirectoryLockedError at once if
 * another process, or this one, holds it.
 */
export function lockDirectory(directory: string): { release(): void } {
  const file = join(directory, lockFile)
  create(file)
  const database = new BetterSqlite3(file, { timeout: 0 })
  try {
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    throw new DirectoryLockedError(
      `${directory} is already served by another process; an SQLite store has one server, so stop that one first`,
      { cause: error },
    )
  }
  held.add(database)
  return {
    release() {
      held.delete(database)
      database.close()
    },
  }
}

/** An existing file is not opened: closing a second descriptor would drop the lock (POSIX fcntl). */
function create(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')
}
