import type { Key, KeyVersion, KeyView } from '../domain/key.js'

/**
 * KMS keys and their versions. Rows carry a MAC (ports/row-authenticator.ts) that is checked when they are loaded: a row edited
 * behind the service's back throws IntegrityError. A promise resolves after the commit is on disk.
 */
export interface Keys {
  /** The key with all its versions, in any state; one read. */
  get(region: string, keyId: string): Promise<KeyView | undefined>
  /** Adds a key and its versions, if it has any yet, with the budget rows of the versions. */
  insert(key: Key, versions: readonly KeyVersion[]): Promise<void>
  /**
   * Writes the key (as `revision + 1`) and the given versions in one transaction; a version that is new gets its budget row.
   * Throws StaleWriteError, having written nothing, if the stored revision is not `key.revision` any more.
   */
  update(key: Key, versions?: readonly KeyVersion[]): Promise<Key>
  /** `update` of several keys, all or none; for multi-Region keys. */
  updateAll(changes: readonly KeyChange[]): Promise<readonly Key[]>
  /** Removes a key that was never finished, with its versions. Not for keys that ever were usable. */
  remove(region: string, keyId: string): Promise<void>
  /** Removes a version that was never finished. */
  removeVersion(region: string, keyId: string, version: number): Promise<void>

  /** Ids of the keys of an account, or of all, that the API may show, ascending, after `after`. Ids only, so the MAC is not checked. */
  list(accountId: string | undefined, region: string, after: string | undefined, limit: number): Promise<readonly string[]>
  /** The regions that have keys of any state, served or not. */
  regions(): Promise<readonly string[]>
  /** The regions that have a key of this id, ascending: several for a multi-Region key. Destroyed ones count only `everywhere`. */
  regionsOf(keyId: string, everywhere?: 'everywhere'): Promise<readonly string[]>
  /** How many keys an account has in a region, but for destroyed ones. From an index, so the MAC is not checked. */
  countOf(accountId: string, region: string): Promise<number>
  /** How many keys that are not destroyed name each key store. */
  countByKeyStore(): Promise<ReadonlyMap<string, number>>
  /** Enabled keys whose next scheduled rotation is not later than `now`, oldest first. */
  dueForRotation(now: number, limit: number): Promise<readonly KeyName[]>
  /** PendingDeletion keys whose date has come, PendingReplicaDeletion ones whose last replica is gone, and keys left in Destroying. */
  dueForDeletion(now: number, limit: number): Promise<readonly KeyName[]>
  /** Keys with ready imported material whose time has run out, oldest first. */
  dueForExpiry(now: number, limit: number): Promise<readonly KeyName[]>
  /** Keys that are Creating or have a version that is creating or destroying. For the reconciler. */
  unsettled(limit: number): Promise<readonly KeyName[]>

  /**
   * How many seals of a version have been handed out to processes; never goes down. SP 800-38D section 8.3 limits them.
   * `reserveSeals` adds `count` if the total stays within `cap`, else adds what is left; answers how many were added (0: spent).
   */
  reserveSeals(region: string, keyId: string, version: number, count: number, cap: number): Promise<number>
  sealsReserved(region: string, keyId: string, version: number): Promise<number>
}

export interface KeyChange { readonly key: Key, readonly versions?: readonly KeyVersion[] }

export interface KeyName { readonly region: string, readonly keyId: string }

/** Another write came first; read again and decide again. */
export class StaleWriteError extends Error {
  override readonly name = 'StaleWriteError'
}

/** A stored row does not carry the MAC it should: the database was changed by somebody else. */
export class IntegrityError extends Error {
  override readonly name = 'IntegrityError'
}
