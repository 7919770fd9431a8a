import type { Kysely } from 'kysely'
import type { CustomKeyStore, CustomKeyStores } from '../../ports/custom-key-stores.js'
import type { AuthenticatedRows } from './rows.js'
import type { CustomKeyStoreRow, Tables } from './schema.js'

export class SqlCustomKeyStores implements CustomKeyStores {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async all(): Promise<readonly CustomKeyStore[]> {
    const rows = await this.#db.selectFrom('custom_key_stores').selectAll().orderBy('id').execute()
    await this.#rows.verifyAll('custom_key_stores', rows)
    return rows.map(storeOf)
  }

  async insert(store: CustomKeyStore): Promise<boolean> {
    const row = await this.#rows.sign('custom_key_stores', storeColumns(store))
    // Without a target: whichever of the unique columns is taken.
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('custom_key_stores').values(row)
      .onConflict(conflict => conflict.doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  /** Looks first: an update has no "on conflict". Where transactions are not alone, the unique constraints decide a race, by an error. */
  async update(store: CustomKeyStore): Promise<boolean> {
    const row = await this.#rows.sign('custom_key_stores', storeColumns(store))
    return this.#db.transaction().execute(async transaction => {
      const taken = await transaction.selectFrom('custom_key_stores').select('id')
        .where('id', '!=', row.id)
        .where(eb => eb.or([
          eb('key_store', '=', row.key_store),
          eb.and([eb('account_id', '=', row.account_id), eb('region', '=', row.region), eb('name', '=', row.name)]),
        ]))
        .executeTakeFirst()
      if (taken) return false
      const { numUpdatedRows } = await transaction.updateTable('custom_key_stores').set(row).where('id', '=', row.id).executeTakeFirst()
      return numUpdatedRows === 1n
    })
  }

  async remove(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db.deleteFrom('custom_key_stores').where('id', '=', id).executeTakeFirst()
    return numDeletedRows === 1n
  }

  async adopt(accountId: string): Promise<void> {
    const orphans = await this.#db.selectFrom('custom_key_stores').selectAll().where('account_id', 'is', null).execute()
    await this.#rows.verifyAll('custom_key_stores', orphans)
    const adopted = await this.#rows.signAll('custom_key_stores', orphans.map(row => storeColumns({ ...storeOf(row), accountId })))
    await this.#db.transaction().execute(async transaction => {
      for (const row of adopted) await transaction.updateTable('custom_key_stores').set(row).where('id', '=', row.id).execute()
    })
  }
}

function storeColumns(store: CustomKeyStore): Omit<CustomKeyStoreRow, 'mac'> {
  return {
    id: store.id,
    account_id: store.accountId,
    region: store.region,
    name: JSON.stringify(store.name),
    key_store: store.keyStore,
    cluster_id: JSON.stringify(store.clusterId),
    trust_anchor_certificate: JSON.stringify(store.trustAnchorCertificate),
    created_at: store.createdAt,
    connected: Number(store.connected),
  }
}

function storeOf(row: CustomKeyStoreRow): CustomKeyStore {
  return {
    id: row.id,
    accountId: row.account_id ?? '',
    region: row.region,
    name: JSON.parse(row.name) as string,
    keyStore: row.key_store,
    clusterId: JSON.parse(row.cluster_id) as string,
    trustAnchorCertificate: JSON.parse(row.trust_anchor_certificate) as string,
    createdAt: row.created_at,
    connected: row.connected === 1,
  }
}
