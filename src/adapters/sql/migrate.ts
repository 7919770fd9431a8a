import { sql, type Kysely, type Transaction } from 'kysely'
import { migrations } from './migrations/all.js'
import type { Tables } from './schema.js'

/** One step of the schema. Never edited after a release; what it makes is changed by a later one. */
export interface Migration {
  readonly name: string
  up(db: Transaction<Tables>): Promise<void>
}

interface Applied { readonly number: number, readonly name: string }

/**
 * Brings the schema up to date, all steps or none. `lock` keeps other processes out until the transaction ends; it does nothing on a
 * database whose transactions are alone anyway. Kysely's own Migrator is not used: on SQLite it takes neither lock nor transaction.
 */
export async function migrate(
  db: Kysely<Tables>, lock: (db: Transaction<Tables>) => Promise<void>, steps: readonly Migration[] = migrations,
): Promise<void> {
  await db.transaction().execute(async transaction => {
    await lock(transaction)
    await transaction.schema.createTable('migrations').ifNotExists()
      .addColumn('number', 'integer', column => column.primaryKey())
      .addColumn('name', 'text', column => column.notNull())
      .execute()
    const applied = await appliedMigrations(transaction)
    refuseForeign(applied, steps)
    for (const [at, step] of steps.entries()) {
      if (at < applied.length) continue
      await step.up(transaction)
      await sql`insert into migrations (number, name) values (${at + 1}, ${step.name})`.execute(transaction)
    }
  })
}

/** For who may not write: throws unless the schema is exactly what this program knows. */
export async function refuseUnmigrated(db: Kysely<Tables>, steps: readonly Migration[] = migrations): Promise<void> {
  const tables = await db.introspection.getTables()
  const applied = tables.some(({ name }) => name === 'migrations') ? await appliedMigrations(db) : []
  refuseForeign(applied, steps)
  if (applied.length < steps.length) {
    throw new Error(`the database has ${applied.length} of ${steps.length} migrations: start the server once to bring it up to date`)
  }
}

async function appliedMigrations(db: Kysely<Tables>): Promise<readonly Applied[]> {
  const { rows } = await sql<Applied>`select number, name from migrations order by number`.execute(db)
  return rows
}

function refuseForeign(applied: readonly Applied[], steps: readonly Migration[]): void {
  if (applied.length > steps.length) {
    throw new Error(`the database has ${applied.length} migrations, this program knows ${steps.length}: use a newer program`)
  }
  if (applied.some(({ number, name }, at) => number !== at + 1 || name !== steps[at]?.name)) {
    throw new Error('the migrations of the database are not those of this program')
  }
}
