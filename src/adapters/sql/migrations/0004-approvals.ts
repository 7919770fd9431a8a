import type { ColumnDefinitionBuilder } from 'kysely'
import type { Migration } from '../migrate.js'

/** Calls that wait for the approval of others. */
export const approvals: Migration = {
  name: '0004-approvals',
  async up(db) {
    await db.schema.createTable('approval_requests')
      .addColumn('id', 'text', column => column.notNull().primaryKey())
      .addColumn('account_id', 'text', required)
      .addColumn('rule', 'text', required)
      .addColumn('status', 'text', required)
      .addColumn('pending_key', 'text')
      .addColumn('created_at', 'bigint', required)
      .addColumn('expires_at', 'bigint', required)
      .addColumn('ended_at', 'bigint')
      .addColumn('revision', 'bigint', required)
      .addColumn('content', 'text', required)
      .addColumn('mac', 'bytea', required)
      .addUniqueConstraint('approval_requests_by_call', ['pending_key'])
      .execute()
    await db.schema.createIndex('approval_requests_by_account').on('approval_requests')
      .columns(['account_id', 'created_at', 'id']).execute()
    await db.schema.createIndex('approval_requests_by_rule').on('approval_requests').columns(['rule', 'created_at', 'id']).execute()
    await db.schema.createIndex('approval_requests_by_status').on('approval_requests').columns(['status', 'expires_at']).execute()
    await db.schema.createIndex('approval_requests_by_end').on('approval_requests').columns(['ended_at']).execute()
  },
}

const required = (column: ColumnDefinitionBuilder) => column.notNull()
