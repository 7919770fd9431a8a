import type { Account, EntityKind, EntityOf } from '../domain/identity.js'

/** Accounts and who is in them. Rows are authenticated as in ports/keys.ts. */
export interface Identities {
  account(accountId: string): Promise<Account | undefined>
  /** false if there is such an account. */
  insertAccount(account: Account): Promise<boolean>
  /** Ascending by id, after `after`. */
  accounts(after: string | undefined, limit: number): Promise<readonly Account[]>

  /** By name, without regard to case. */
  get<K extends EntityKind>(accountId: string, kind: K, name: string): Promise<EntityOf<K> | undefined>
  /** By unique id. */
  byId<K extends EntityKind>(kind: K, id: string): Promise<EntityOf<K> | undefined>
  /** false, with nothing written, if the name is taken. */
  insert(entity: EntityOf<EntityKind>): Promise<boolean>
  /** Writes it as `revision + 1`. Throws StaleWriteError (ports/keys.ts) if the stored revision is another, or there is no such entity. */
  update<E extends EntityOf<EntityKind>>(entity: E): Promise<E>
  /** Throws StaleWriteError as `update` does. */
  remove(entity: EntityOf<EntityKind>): Promise<void>
  /** Ascending by name in small letters, after `after`. */
  list<K extends EntityKind>(accountId: string, kind: K, after: string | undefined, limit: number): Promise<readonly EntityOf<K>[]>
  count(accountId: string, kind: EntityKind): Promise<number>
  /**
   * Those of an account in whose record this text stands, as JSON has it: all that may refer to something, and perhaps others. Ascending by
   * kind and name, behind `after`.
   */
  mentioning(
    accountId: string, text: string, after: Pick<EntityOf<EntityKind>, 'kind' | 'name'> | undefined, limit: number,
  ): Promise<readonly EntityOf<EntityKind>[]>
}
