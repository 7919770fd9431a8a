import { sql, type ColumnDefinitionBuilder, type Transaction } from 'kysely'
import type { Grant } from '../../../domain/grant.js'
import { choicesOfGrant } from '../../../domain/grant-slots.js'
import type { Migration } from '../migrate.js'
import type { Tables } from '../schema.js'

/**
 * Accounts, identities, and to which account aliases and custom key stores belong. What is there already gets its account from the service,
 * which can sign rows (service/identities/first-identities.ts); until then the column is NULL, and the MACs stay good.
 */
export const identities: Migration = {
  name: '0003-identities',
  async up(db) {
    await createIdentities(db)
    await extendAccessKeys(db)
    await extendKeys(db)
    await extendGrants(db)
    await rebuildAliases(db)
    await rebuildCustomKeyStores(db)
  },
}

const required = (column: ColumnDefinitionBuilder) => column.notNull()
const requiredKey = (column: ColumnDefinitionBuilder) => column.notNull().primaryKey()

async function createIdentities(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('accounts')
    .addColumn('account_id', 'text', requiredKey)
    .addColumn('name', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .execute()
  await db.schema.createTable('identities')
    .addColumn('account_id', 'text', required)
    .addColumn('kind', 'text', required)
    .addColumn('name_key', 'text', required)
    .addColumn('name', 'text', required)
    .addColumn('path', 'text', required)
    .addColumn('id', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('revision', 'bigint', required)
    .addColumn('content', 'text', required)
    .addColumn('mac', 'bytea', required)
    .addPrimaryKeyConstraint('identities_pk', ['account_id', 'kind', 'name_key'])
    .addUniqueConstraint('identities_by_id', ['id'])
    .execute()
}

async function extendAccessKeys(db: Transaction<Tables>): Promise<void> {
  await db.schema.alterTable('access_keys').addColumn('principal_id', 'text').execute()
  await db.schema.createIndex('access_keys_by_principal').on('access_keys').columns(['principal_arn']).execute()
  await db.schema.createTable('access_key_usages')
    .addColumn('access_key_id', 'text', requiredKey)
    .addColumn('used_at', 'bigint', required)
    .addColumn('region', 'text', required)
    .addColumn('service', 'text', required)
    .execute()
}

async function extendKeys(db: Transaction<Tables>): Promise<void> {
  await db.schema.alterTable('keys').addColumn('policy_bindings', 'text').execute()
  await db.schema.createIndex('keys_by_account').on('keys').columns(['region', 'account_id', 'key_id']).execute()
}

async function extendGrants(db: Transaction<Tables>): Promise<void> {
  for (const column of ['grantee_id', 'retiring_id']) await db.schema.alterTable('grants').addColumn(column, 'text').execute()
  await db.schema.createTable('grant_slots')
    .addColumn('region', 'text', required)
    .addColumn('key_id', 'text', required)
    .addColumn('slot', 'text', required)
    .addColumn('grant_id', 'text', required)
    .addPrimaryKeyConstraint('grant_slots_pk', ['region', 'key_id', 'slot', 'grant_id'])
    .execute()
  await db.schema.createIndex('grant_slots_by_grant').on('grant_slots').columns(['region', 'key_id', 'grant_id']).execute()
  for (let from = 0; ; from += grantsAtOnce) {
    const rows = await db.selectFrom('grants').selectAll()
      .orderBy('region').orderBy('key_id').orderBy('grant_id').offset(from).limit(grantsAtOnce).execute()
    if (rows.length === 0) return
    const slots = rows.flatMap(row => slotsOfRow(row).map(slot =>
      ({ region: row.region, key_id: row.key_id, slot, grant_id: row.grant_id })))
    for (const slot of slots) await db.insertInto('grant_slots').values(slot).onConflict(conflict => conflict.doNothing()).execute()
  }
}

const grantsAtOnce = 1_000

/** Of a row whose MAC nobody has checked: where it is found does not decide anything. */
function slotsOfRow(row: Tables['grants']): readonly string[] {
  const grant: Omit<Grant, 'grantId'> = {
    region: row.region, keyId: row.key_id, createdAt: row.created_at, issuingAccount: row.issuing_account,
    operations: JSON.parse(row.operations) as readonly string[],
    ...row.grantee_principal !== null && { granteePrincipal: row.grantee_principal },
    ...row.grantee_service_principal !== null && { granteeServicePrincipal: row.grantee_service_principal },
    ...row.constraints !== null && { constraints: JSON.parse(row.constraints) as NonNullable<Grant['constraints']> },
  }
  return choicesOfGrant(grant).flatMap(slots => slots.slice(0, 1)).map(({ name }) => name)
}

/** SQLite changes no key of a table: another one takes its place. */
async function rebuildAliases(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('aliases_of_accounts')
    .addColumn('account_id', 'text')
    .addColumn('region', 'text', required)
    .addColumn('name', 'text', required)
    .addColumn('target_key_id', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('updated_at', 'bigint', required)
    .addColumn('mac', 'bytea', required)
    .addUniqueConstraint('aliases_by_name', ['account_id', 'region', 'name'])
    .execute()
  await sql`insert into aliases_of_accounts (region, name, target_key_id, created_at, updated_at, mac)
    select region, name, target_key_id, created_at, updated_at, mac from aliases`.execute(db)
  await db.schema.dropTable('aliases').execute()
  await db.schema.alterTable('aliases_of_accounts').renameTo('aliases').execute()
  await db.schema.createIndex('aliases_by_target_key').on('aliases').columns(['region', 'target_key_id', 'name']).execute()
}

async function rebuildCustomKeyStores(db: Transaction<Tables>): Promise<void> {
  await db.schema.createTable('custom_key_stores_of_accounts')
    .addColumn('id', 'text', requiredKey)
    .addColumn('account_id', 'text')
    .addColumn('region', 'text', required)
    .addColumn('name', 'text', required)
    .addColumn('key_store', 'text', required)
    .addColumn('cluster_id', 'text', required)
    .addColumn('trust_anchor_certificate', 'text', required)
    .addColumn('created_at', 'bigint', required)
    .addColumn('connected', 'integer', required)
    .addColumn('mac', 'bytea', required)
    .addUniqueConstraint('custom_key_stores_by_account', ['account_id', 'region', 'name'])
    .addUniqueConstraint('custom_key_stores_by_token', ['key_store'])
    .execute()
  await sql`insert into custom_key_stores_of_accounts
      (id, region, name, key_store, cluster_id, trust_anchor_certificate, created_at, connected, mac)
    select id, region, name, key_store, cluster_id, trust_anchor_certificate, created_at, connected, mac from custom_key_stores`.execute(db)
  await db.schema.dropTable('custom_key_stores').execute()
  await db.schema.alterTable('custom_key_stores_of_accounts').renameTo('custom_key_stores').execute()
}
