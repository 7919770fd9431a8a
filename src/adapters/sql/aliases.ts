import type { Kysely } from 'kysely'
import type { Alias, Aliases } from '../../ports/aliases.js'
import type { AuthenticatedRows } from './rows.js'
import type { AliasRow, Tables } from './schema.js'

export class SqlAliases implements Aliases {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(accountId: string, region: string, name: string): Promise<Alias | undefined> {
    const row = await this.#db.selectFrom('aliases').selectAll()
      .where('account_id', '=', accountId).where('region', '=', region).where('name', '=', name).executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('aliases', row)
    return aliasOf(row)
  }

  async insert(alias: Alias): Promise<boolean> {
    const row = await this.#rows.sign('aliases', aliasColumns(alias))
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('aliases').values(row)
      .onConflict(conflict => conflict.columns(['account_id', 'region', 'name']).doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async update(alias: Alias, fromKeyId: string): Promise<boolean> {
    const row = await this.#rows.sign('aliases', aliasColumns(alias))
    const { numUpdatedRows } = await this.#db.updateTable('aliases').set(row)
      .where('account_id', '=', alias.accountId).where('region', '=', alias.region).where('name', '=', alias.name)
      .where('target_key_id', '=', fromKeyId)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }

  async remove(accountId: string, region: string, name: string, ofKeyId: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db.deleteFrom('aliases')
      .where('account_id', '=', accountId).where('region', '=', region).where('name', '=', name).where('target_key_id', '=', ofKeyId)
      .executeTakeFirst()
    return numDeletedRows === 1n
  }

  async list(
    accountId: string, region: string, targetKeyId: string | undefined, after: string | undefined, limit: number,
  ): Promise<readonly Alias[]> {
    const rows = await this.#db.selectFrom('aliases').selectAll()
      .where('account_id', '=', accountId).where('region', '=', region).where('name', '>', after ?? '')
      .$if(targetKeyId !== undefined, query => query.where('target_key_id', '=', targetKeyId ?? ''))
      .orderBy('name').limit(limit)
      .execute()
    await this.#rows.verifyAll('aliases', rows)
    return rows.map(aliasOf)
  }

  async count(region: string, targetKeyId: string): Promise<number> {
    const { count } = await this.#db.selectFrom('aliases').select(({ fn }) => fn.countAll().as('count'))
      .where('region', '=', region).where('target_key_id', '=', targetKeyId).executeTakeFirstOrThrow()
    return Number(count)
  }

  async removeAllOf(region: string, targetKeyId: string): Promise<void> {
    await this.#db.deleteFrom('aliases').where('region', '=', region).where('target_key_id', '=', targetKeyId).execute()
  }

  async adopt(accountId: string): Promise<void> {
    const orphans = await this.#db.selectFrom('aliases').selectAll().where('account_id', 'is', null).execute()
    await this.#rows.verifyAll('aliases', orphans)
    const adopted = await this.#rows.signAll('aliases', orphans.map(row => aliasColumns({ ...aliasOf(row), accountId })))
    await this.#db.transaction().execute(async transaction => {
      for (const row of adopted) {
        await transaction.updateTable('aliases').set(row)
          .where('account_id', 'is', null).where('region', '=', row.region).where('name', '=', row.name).execute()
      }
    })
  }
}

function aliasColumns(alias: Alias): Omit<AliasRow, 'mac'> {
  return {
    account_id: alias.accountId,
    region: alias.region,
    name: alias.name,
    target_key_id: alias.targetKeyId,
    created_at: alias.createdAt,
    updated_at: alias.updatedAt,
  }
}

function aliasOf(row: AliasRow): Alias {
  return {
    accountId: row.account_id ?? '',
    region: row.region,
    name: row.name,
    targetKeyId: row.target_key_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
