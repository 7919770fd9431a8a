import type { ColumnDataType, ColumnDefinitionBuilder, Transaction } from 'kysely'
import type { Migration } from '../migrate.js'
import type { Tables } from '../schema.js'

/** What the rest of the KMS API needs. Columns added to older tables are nullable, so that the MACs of their rows stay good. */
export const wholeApi: Migration = {
  name: '0002-whole-api',
  async up(db) {
    await extendKeys(db)
    await extendKeyVersions(db)
    await createGrants(db)
    await createCustomKeyStores(db)
    await createKeyUsages(db)
    await createInvocations(db)
  },
}

const required = (column: ColumnDefinitionBuilder) => column.notNull()
const requiredKey = (column: ColumnDefinitionBuilder) => column.notNull().primaryKey()

async function extendKeys(db: Transaction<Tables>): Promise<void> {
  await addColumns(db, 'keys', [
    ['manager', 'text'], ['custom_key_store_id', 'text'], ['primary_region', 'text'], ['pending_window_days', 'bigint'],
  ])
  await db.schema.createIndex('keys_by_id').on('keys').columns(['key_id', 'region']).execute()
}

async function extendKeyVersions(db: Transaction<Tables>): Promise<void> {
  await addColumns(db, 'key_versions', [['import_way', 'text'], ['valid_to', 'bigint'], ['import_description', 'text']])
  await db.schema.createIndex('key_versions_by_expiry').on('key_versions').columns(['state', 'valid_to']).execute()
}

/** One statement each: SQLite adds one column at a time. */
async function addColumns(
  db: Transaction<Tables>, table: 'keys' | 'key_versions', columns: readonly (readonly [name: string, type: ColumnDataType])[],
): Promise<void> {
  for (const [name, type] of columns) await db.schema.alterTable(table).addColumn(name, type).execute()
}

async function createGrants(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('grants')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('grant_id', 'text', required)
    .addColumn('name', 'text')
    .addColumn('created_at', 'bigint', required)
    .addColumn('grantee_principal', 'text')
    .addColumn('grantee_service_principal', 'text')
    .addColumn('retiring_principal', 'text')
    .addColumn('retiring_service_principal', 'text')
    .addColumn('issuing_account', 'text', required)
    .addColumn('operations', 'text', required)
    .addColumn('constraints', 'text')
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('grants_pk', ['region', 'key_id', 'grant_id'])
    .execute()
  await db.schema.createIndex('grants_by_name').on('grants').columns(['region', 'key_id', 'name', 'grant_id']).execute()
  await db.schema.createIndex('grants_by_retiring_principal').on('grants')
    .columns(['region', 'retiring_principal', 'grant_id']).execute()
  await db.schema.createIndex('grants_by_retiring_service').on('grants')
    .columns(['region', 'retiring_service_principal', 'grant_id']).execute()
}

async function createCustomKeyStores(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('custom_key_stores')
    .addColumn('id', 'text', requiredKey)
    .addColumn('region', 'text', required)
    .addColumn('name', 'text', required)
    .addColumn('key_store', 'text', required)
    .addColumn('cluster_id', 'text', required)
    .addColumn('trust_anchor_certificate', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('connected', 'integer', required)
    .addColumn('mac', 'bytea', required)
    .addUniqueConstraint('custom_key_stores_by_name', ['region', 'name'])
    .addUniqueConstraint('custom_key_stores_by_key_store', ['key_store'])
    .execute()
}

async function createKeyUsages(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('key_usages')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('operation', 'text', required)
    .addColumn('used_at', 'bigint', required)
    .addColumn('event_id', 'text', required)
    .addColumn('request_id', 'text', required)
    .addPrimaryKeyConstraint('key_usages_pk', ['region', 'key_id'])
    .execute()
}

async function createInvocations(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('invocations')
    .addColumn('caller', 'text', required)
    .addColumn('invocation_id', 'text', required)
    .addColumn('region', 'text', required)
    .addColumn('operation', 'text', required)
    .addColumn('input_hash', 'text', required)
    .addColumn('outcome', 'text', required)
    .addColumn('made_at', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('invocations_pk', ['caller', 'invocation_id'])
    .execute()
  await db.schema.createIndex('invocations_by_age').on('invocations').columns(['made_at']).execute()
}
