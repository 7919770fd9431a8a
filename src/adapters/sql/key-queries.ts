import type { Kysely } from 'kysely'
import { visibleStates } from '../../domain/key-state.js'
import type { KeyState, KeyVersionState } from '../../domain/key.js'
import type { KeyName } from '../../ports/keys.js'
import type { Tables } from './schema.js'

/* The questions of ports/keys.ts that answer names only. */
const countedStates: readonly KeyState[] = [...visibleStates, 'Creating', 'Destroying']
const unsettledVersions: readonly KeyVersionState[] = ['creating', 'destroying']

export async function listKeyIds(
  db: Kysely<Tables>, accountId: string | undefined, region: string, after: string | undefined, limit: number,
): Promise<readonly string[]> {
  const rows = await db.selectFrom('keys').select('key_id')
    .where('region', '=', region).$if(accountId !== undefined, query => query.where('account_id', '=', accountId ?? ''))
    .where('state', 'in', visibleStates).where('key_id', '>', after ?? '')
    .orderBy('key_id').limit(limit)
    .execute()
  return rows.map(row => row.key_id)
}

/** The states by name: so many ranges of an index, where `!=` would go through all of the account, tombstones included. */
export async function countKeysOf(db: Kysely<Tables>, accountId: string, region: string): Promise<number> {
  const { keys } = await db.selectFrom('keys').select(({ fn }) => fn.countAll<number | bigint | string>().as('keys'))
    .where('region', '=', region).where('account_id', '=', accountId).where('state', 'in', countedStates)
    .executeTakeFirstOrThrow()
  return Number(keys)
}

export async function countKeysByStore(db: Kysely<Tables>): Promise<ReadonlyMap<string, number>> {
  const rows = await db.selectFrom('keys').select(({ fn }) => ['key_store', fn.countAll<number | bigint | string>().as('keys')])
    .where('state', '!=', 'Destroyed')
    .groupBy('key_store').orderBy('key_store')
    .execute()
  return new Map(rows.map(row => [row.key_store, Number(row.keys)]))
}

export async function keysDueForRotation(db: Kysely<Tables>, now: number, limit: number): Promise<readonly KeyName[]> {
  return names(await db.selectFrom('keys').select(['region', 'key_id'])
    .where('state', '=', 'Enabled').where('next_rotation', '<=', now)
    .orderBy('next_rotation').orderBy('region').orderBy('key_id').limit(limit)
    .execute())
}

export async function keysDueForDeletion(db: Kysely<Tables>, now: number, limit: number): Promise<readonly KeyName[]> {
  return names(await db.selectFrom('keys').select(['region', 'key_id'])
    .where(eb => eb.or([
      eb('state', '=', 'Destroying'),
      eb.and([eb('state', '=', 'PendingDeletion'), eb('deletion_date', '<=', now)]),
      eb.and([
        eb('state', '=', 'PendingReplicaDeletion'),
        eb.not(eb.exists(eb.selectFrom('keys as relative').select('relative.region')
          .whereRef('relative.key_id', '=', 'keys.key_id').whereRef('relative.region', '!=', 'keys.region')
          .where('relative.state', '!=', 'Destroyed'))),
      ]),
    ]))
    // By state first: the databases disagree where a missing date belongs.
    .orderBy('state').orderBy('deletion_date').orderBy('region').orderBy('key_id').limit(limit)
    .execute())
}

export async function keysDueForExpiry(db: Kysely<Tables>, now: number, limit: number): Promise<readonly KeyName[]> {
  return names(await db.selectFrom('key_versions as version')
    .innerJoin('keys as key', join => join.onRef('key.region', '=', 'version.region').onRef('key.key_id', '=', 'version.key_id'))
    .select(['version.region', 'version.key_id'])
    .where('version.state', '=', 'ready').where('version.valid_to', '<=', now)
    .where('key.state', 'not in', ['Destroying', 'Destroyed'])
    // Once each, however many of its versions have run out.
    .groupBy(['version.region', 'version.key_id'])
    .orderBy(({ fn }) => fn.min('version.valid_to')).orderBy('version.region').orderBy('version.key_id').limit(limit)
    .execute())
}

export async function regionsOfKey(db: Kysely<Tables>, keyId: string, withDestroyed: boolean): Promise<readonly string[]> {
  const rows = await db.selectFrom('keys').select('region')
    .where('key_id', '=', keyId)
    .$if(!withDestroyed, query => query.where('state', '!=', 'Destroyed'))
    .orderBy('region')
    .execute()
  return rows.map(row => row.region)
}

export async function unsettledKeys(db: Kysely<Tables>, limit: number): Promise<readonly KeyName[]> {
  return names(await db.selectFrom('keys').select(['region', 'key_id']).where('state', '=', 'Creating')
    .union(db.selectFrom('key_versions').select(['region', 'key_id']).where('state', 'in', unsettledVersions))
    .orderBy('region').orderBy('key_id').limit(limit)
    .execute())
}

function names(rows: readonly { readonly region: string, readonly key_id: string }[]): readonly KeyName[] {
  return rows.map(row => ({ region: row.region, keyId: row.key_id }))
}
