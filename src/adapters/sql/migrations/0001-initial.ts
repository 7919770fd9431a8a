import type { ColumnDefinitionBuilder, ForeignKeyConstraintBuilder, Transaction } from 'kysely'
import type { Migration } from '../migrate.js'
import type { Tables } from '../schema.js'

/**
 * Types that both databases take: SQLite derives an affinity from any type name ("bigint" is INTEGER; "bytea" is NUMERIC, which
 * leaves bytes as they are; datatype3, section 3.1).
 */
export const initial: Migration = {
  name: '0001-initial',
  async up(db) {
    await createKeys(db)
    await createKeyVersions(db)
    await createSealBudgets(db)
    await createAliases(db)
    await createAccessKeys(db)
    await createInstallation(db)
    await createUnauthenticated(db)
  },
}

const required = (column: ColumnDefinitionBuilder) => column.notNull()
const requiredKey = (column: ColumnDefinitionBuilder) => column.notNull().primaryKey()
/** Versions go with their key and budgets with their version; keys that ever were usable are never deleted. */
const ofParent = (constraint: ForeignKeyConstraintBuilder) => constraint.onDelete('cascade')

async function createKeys(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('keys')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('account_id', 'text', required)
    .addColumn('arn', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('description', 'text', required)
    .addColumn('key_spec', 'text', required)
    .addColumn('key_usage', 'text', required)
    .addColumn('origin', 'text', required)
    .addColumn('key_store', 'text', required)
    .addColumn('state', 'text', required)
    .addColumn('deletion_date', 'bigint')
    .addColumn('current_version', 'bigint', required)
    .addColumn('rotation_period_days', 'bigint')
    .addColumn('next_rotation', 'bigint')
    .addColumn('on_demand_rotations', 'bigint', required)
    .addColumn('policy', 'text', required)
    .addColumn('tags', 'text', required)
    .addColumn('revision', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('keys_pk', ['region', 'key_id'])
    .execute()
  await db.schema.createIndex('keys_by_rotation').on('keys').columns(['state', 'next_rotation']).execute()
  await db.schema.createIndex('keys_by_deletion').on('keys').columns(['state', 'deletion_date']).execute()
}

async function createKeyVersions(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('key_versions')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('version', 'bigint', required)
    .addColumn('state', 'text', required)
    .addColumn('suite', 'text', required)
    .addColumn('key_material_id', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('rotation_date', 'bigint')
    .addColumn('rotation_type', 'text')
    .addColumn('evidence', 'text', required)
    .addColumn('owner', 'text', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('key_versions_pk', ['region', 'key_id', 'version'])
    .addForeignKeyConstraint('key_versions_key', ['region', 'key_id'], 'keys', ['region', 'key_id'], ofParent)
    .execute()
  await db.schema.createIndex('key_versions_by_state').on('key_versions').columns(['state', 'region', 'key_id']).execute()
}

async function createSealBudgets(db: Transaction<Tables>): Promise<void> {
  const version = ['region', 'key_id', 'version'] as const
  await db.schema.createTable('seal_budgets')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('version', 'bigint', required)
    .addColumn('reserved', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('seal_budgets_pk', [...version])
    .addForeignKeyConstraint('seal_budgets_version', [...version], 'key_versions', [...version], ofParent)
    .execute()
}

async function createAliases(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('aliases')
    .addColumn('region', 'text', required)
    .addColumn('name', 'text', required)
    .addColumn('target_key_id', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('updated_at', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('aliases_pk', ['region', 'name'])
    .execute()
  await db.schema.createIndex('aliases_by_key').on('aliases').columns(['region', 'target_key_id', 'name']).execute()
}

async function createAccessKeys(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('access_keys')
    .addColumn('access_key_id', 'text', requiredKey)
    .addColumn('principal_arn', 'text', required)
    .addColumn('account_id', 'text', required)
    .addColumn('administrator', 'integer', required)
    .addColumn('active', 'integer', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('secret_root_version', 'bigint', required)
    .addColumn('secret_iv', 'bytea', required)
    .addColumn('secret_ciphertext', 'bytea', required)
    .addColumn('mac', 'bytea', required)
    .execute()
}

async function createInstallation(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('installation')
    .addColumn('id', 'integer', requiredKey)
    .addColumn('account_id', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('seal_root', 'bigint', required)
    .addColumn('mac_root', 'bigint', required)
    .addColumn('audit_root', 'bigint', required)
    .addColumn('head', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .execute()
}

async function createUnauthenticated(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('checkpoints')
    .addColumn('chain', 'text', requiredKey)
    .addColumn('sequence', 'bigint', required)
    .addColumn('head', 'text', required)
    .addColumn('time', 'text', required)
    .addColumn('root_version', 'bigint', required)
    .addColumn('signature', 'text', required)
    .execute()
  await db.schema.createTable('leases')
    .addColumn('name', 'text', requiredKey)
    .addColumn('owner', 'text', required)
    .addColumn('held_until', 'bigint', required)
    .execute()
  await db.schema.createTable('health')
    .addColumn('id', 'integer', requiredKey)
    .addColumn('value', 'text', required)
    .execute()
}
