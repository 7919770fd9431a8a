import { sql, type Kysely } from 'kysely'
import { nameKey, type Account, type EntityKind, type EntityOf, type IdentityEntity } from '../../domain/identity.js'
import type { Identities } from '../../ports/identities.js'
import { StaleWriteError } from '../../ports/keys.js'
import type { AuthenticatedRows } from './rows.js'
import type { AccountRow, IdentityRow, Tables } from './schema.js'

export class SqlIdentities implements Identities {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async account(accountId: string): Promise<Account | undefined> {
    const row = await this.#db.selectFrom('accounts').selectAll().where('account_id', '=', accountId).executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('accounts', row)
    return accountOf(row)
  }

  async insertAccount({ accountId, name, createdAt }: Account): Promise<boolean> {
    const row = await this.#rows.sign('accounts', { account_id: accountId, name: JSON.stringify(name), created_at: createdAt })
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('accounts').values(row)
      .onConflict(conflict => conflict.column('account_id').doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async accounts(after: string | undefined, limit: number): Promise<readonly Account[]> {
    const rows = await this.#db.selectFrom('accounts').selectAll()
      .where('account_id', '>', after ?? '').orderBy('account_id').limit(limit).execute()
    await this.#rows.verifyAll('accounts', rows)
    return rows.map(accountOf)
  }

  async get<K extends EntityKind>(accountId: string, kind: K, name: string): Promise<EntityOf<K> | undefined> {
    return this.#one<K>(await this.#db.selectFrom('identities').selectAll()
      .where('account_id', '=', accountId).where('kind', '=', kind).where('name_key', '=', nameKey(name))
      .executeTakeFirst())
  }

  async byId<K extends EntityKind>(kind: K, id: string): Promise<EntityOf<K> | undefined> {
    return this.#one<K>(await this.#db.selectFrom('identities').selectAll()
      .where('id', '=', id).where('kind', '=', kind).executeTakeFirst())
  }

  async insert(entity: IdentityEntity): Promise<boolean> {
    const row = await this.#rows.sign('identities', columnsOf(entity))
    // Without a target: whichever of the unique columns is taken.
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('identities').values(row)
      .onConflict(conflict => conflict.doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async update<E extends IdentityEntity>(entity: E): Promise<E> {
    const changed = { ...entity, revision: entity.revision + 1 }
    const row = await this.#rows.sign('identities', columnsOf(changed))
    const { numUpdatedRows } = await this.#db.updateTable('identities').set(row)
      .where('id', '=', entity.id).where('revision', '=', entity.revision).executeTakeFirst()
    if (numUpdatedRows !== 1n) throw new StaleWriteError(`${entity.kind} ${entity.id} is another by now`)
    return changed
  }

  async remove({ kind, id, revision }: IdentityEntity): Promise<void> {
    const { numDeletedRows } = await this.#db.deleteFrom('identities')
      .where('id', '=', id).where('revision', '=', revision).executeTakeFirst()
    if (numDeletedRows !== 1n) throw new StaleWriteError(`${kind} ${id} is another by now`)
  }

  async list<K extends EntityKind>(accountId: string, kind: K, after: string | undefined, limit: number): Promise<readonly EntityOf<K>[]> {
    const rows = await this.#db.selectFrom('identities').selectAll()
      .where('account_id', '=', accountId).where('kind', '=', kind).where('name_key', '>', after ?? '')
      .orderBy('name_key').limit(limit)
      .execute()
    await this.#rows.verifyAll('identities', rows)
    return rows.map(row => entityOf<K>(row))
  }

  async count(accountId: string, kind: EntityKind): Promise<number> {
    const { count } = await this.#db.selectFrom('identities').select(({ fn }) => fn.countAll().as('count'))
      .where('account_id', '=', accountId).where('kind', '=', kind).executeTakeFirstOrThrow()
    return Number(count)
  }

  async mentioning(
    accountId: string, text: string, after: Pick<IdentityEntity, 'kind' | 'name'> | undefined, limit: number,
  ): Promise<readonly IdentityEntity[]> {
    // `like` may or may not tell letters apart by their case: more is found then, never less.
    const pattern = `%${text.replace(/[%_!]/g, '!$&')}%`
    const rows = await this.#db.selectFrom('identities').selectAll()
      .where('account_id', '=', accountId).where(sql<boolean>`content like ${pattern} escape '!'`)
      .$if(after !== undefined, query => query.where(eb => eb.or([
        eb('kind', '>', after?.kind ?? ''),
        eb.and([eb('kind', '=', after?.kind ?? ''), eb('name_key', '>', nameKey(after?.name ?? ''))]),
      ])))
      .orderBy('kind').orderBy('name_key').limit(limit)
      .execute()
    await this.#rows.verifyAll('identities', rows)
    return rows.map(row => entityOf<EntityKind>(row))
  }

  async #one<K extends EntityKind>(row: IdentityRow | undefined): Promise<EntityOf<K> | undefined> {
    if (!row) return undefined
    await this.#rows.verify('identities', row)
    return entityOf<K>(row)
  }
}

function accountOf(row: AccountRow): Account {
  return { accountId: row.account_id, name: JSON.parse(row.name) as string, createdAt: row.created_at }
}

function columnsOf({ accountId, kind, name, path, id, createdAt, revision, ...content }: IdentityEntity): Omit<IdentityRow, 'mac'> {
  return {
    account_id: accountId, kind, name_key: nameKey(name), name, path, id, created_at: createdAt, revision, content: JSON.stringify(content),
  }
}

/** A row that comes here has been verified, so it holds what `columnsOf` wrote. */
function entityOf<K extends EntityKind>(row: IdentityRow): EntityOf<K> {
  return {
    accountId: row.account_id, kind: row.kind, name: row.name, path: row.path, id: row.id, createdAt: row.created_at,
    revision: row.revision,
    ...JSON.parse(row.content) as object,
  } as EntityOf<K>
}
