import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { RowAuthenticator } from '../../ports/row-authenticator.js'
import type { Store } from '../../ports/store.js'
import { SqlAliases } from './aliases.js'
import { SqlApprovals } from './approvals.js'
import { SqlCheckpoints } from './checkpoints.js'
import { SqlCredentials } from './credentials.js'
import { SqlCustomKeyStores } from './custom-key-stores.js'
import { SqlGrants } from './grants.js'
import { SqlIdentities } from './identities.js'
import { SqlInstanceRecord } from './instance.js'
import { SqlInvocations } from './invocations.js'
import { SqlKeyUsages } from './key-usages.js'
import { SqlKeys } from './keys.js'
import { SqlLeases } from './leases.js'
import { AuthenticatedRows } from './rows.js'
import type { Tables } from './schema.js'

/** The store over a migrated database. What only one database has, such as how to notice others' writes, comes with it. */
export function sqlStore(db: Kysely<Tables>, authenticator: RowAuthenticator, generation: () => number): Store {
  const rows = new AuthenticatedRows(authenticator)
  return {
    keys: new SqlKeys(db, rows),
    aliases: new SqlAliases(db, rows),
    grants: new SqlGrants(db, rows),
    customKeyStores: new SqlCustomKeyStores(db, rows),
    keyUsages: new SqlKeyUsages(db),
    invocations: new SqlInvocations(db, rows),
    identities: new SqlIdentities(db, rows),
    credentials: new SqlCredentials(db, rows),
    approvals: new SqlApprovals(db, rows),
    checkpoints: new SqlCheckpoints(db),
    leases: new SqlLeases(db),
    instance: new SqlInstanceRecord(db, rows),
    generation,
    probe: () => probe(db),
    close: () => db.destroy(),
  }
}

async function probe(db: Kysely<Tables>): Promise<void> {
  const value = randomUUID()
  await db.transaction().execute(async transaction => {
    await transaction.insertInto('health').values({ id: 1, value })
      .onConflict(conflict => conflict.column('id').doUpdateSet({ value }))
      .execute()
    const row = await transaction.selectFrom('health').select('value').where('id', '=', 1).executeTakeFirst()
    if (row?.value !== value) throw new Error('the store did not give back what was written')
  })
}
