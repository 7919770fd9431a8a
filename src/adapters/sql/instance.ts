import type { Kysely } from 'kysely'
import type { Installation, InstanceRecord } from '../../ports/store.js'
import type { AuthenticatedRows } from './rows.js'
import type { InstallationRow, Tables } from './schema.js'

const onlyRow = 1

export class SqlInstanceRecord implements InstanceRecord {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(): Promise<Installation | undefined> {
    const row = await this.#db.selectFrom('installation').selectAll().where('id', '=', onlyRow).executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('installation', row)
    return installationOf(row)
  }

  async put(installation: Installation): Promise<void> {
    const row = await this.#rows.sign('installation', installationColumns(installation))
    await this.#db.insertInto('installation').values(row)
      .onConflict(conflict => conflict.column('id').doUpdateSet(row))
      .execute()
  }
}

function installationColumns({ accountId, createdAt, roots, head }: Installation): Omit<InstallationRow, 'mac'> {
  return {
    id: onlyRow,
    account_id: accountId,
    created_at: createdAt,
    seal_root: roots.seal,
    mac_root: roots.mac,
    audit_root: roots.audit,
    head,
  }
}

function installationOf(row: InstallationRow): Installation {
  return {
    accountId: row.account_id,
    createdAt: row.created_at,
    roots: { seal: row.seal_root, mac: row.mac_root, audit: row.audit_root },
    head: row.head,
  }
}
