import type { Migration } from '../migrate.js'

/** Keys of an account are counted whenever one is made: from the index alone, without the rows of those that are gone. */
export const keyQuota: Migration = {
  name: '0005-key-quota',
  async up(db) {
    await db.schema.createIndex('keys_by_account_and_state').on('keys').columns(['region', 'account_id', 'state']).execute()
  },
}
