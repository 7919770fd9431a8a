import type { Kysely, Transaction } from 'kysely'
import { isVisible } from '../../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../../domain/key.js'
import { IntegrityError, StaleWriteError, type KeyChange, type KeyName, type Keys } from '../../ports/keys.js'
import {
  countKeysByStore, countKeysOf, keysDueForDeletion, keysDueForExpiry, keysDueForRotation, listKeyIds, regionsOfKey, unsettledKeys,
} from './key-queries.js'
import { keyColumns, keyOf, newSealBudget, versionColumns, versionOf } from './key-rows.js'
import type { AuthenticatedRows } from './rows.js'
import type { KeyRow, KeyVersionRow, SealBudgetRow, Tables } from './schema.js'
import { SealBudgets } from './seal-budgets.js'

/** A version's row; with a budget if it is a new one. */
interface SignedVersion { readonly row: KeyVersionRow, readonly budget: SealBudgetRow | undefined }

/** `revision` is the one that the stored row must have. */
interface SignedChange { readonly row: KeyRow, readonly revision: number, readonly versions: readonly SignedVersion[] }

export class SqlKeys implements Keys {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows
  readonly #budgets: SealBudgets

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
    this.#budgets = new SealBudgets(db, rows)
  }

  async get(region: string, keyId: string): Promise<KeyView | undefined> {
    const loaded = await this.#db.transaction().setAccessMode('read only').setIsolationLevel('repeatable read')
      .execute(transaction => load(transaction, region, keyId))
    if (!loaded) return undefined
    await this.#rows.verify('keys', loaded.key)
    await this.#rows.verifyAll('key_versions', loaded.versions)
    return viewOf(loaded.key, loaded.versions)
  }

  async insert(key: Key, versions: readonly KeyVersion[]): Promise<void> {
    for (const version of versions) refuseForeign(key, version)
    const row = await this.#rows.sign('keys', keyColumns(key))
    const versionRows = await this.#signVersions(versions, new Set())
    await this.#db.transaction().execute(async transaction => {
      await transaction.insertInto('keys').values(row).execute()
      for (const version of versionRows) await writeVersion(transaction, version)
    })
  }

  async update(key: Key, versions: readonly KeyVersion[] = []): Promise<Key> {
    await this.updateAll([{ key, versions }])
    return nextRevision(key)
  }

  async updateAll(changes: readonly KeyChange[]): Promise<readonly Key[]> {
    for (const { key, versions = [] } of changes) for (const version of versions) refuseForeign(key, version)
    const signed: SignedChange[] = []
    for (const change of changes) signed.push(await this.#signChange(change))
    await this.#db.transaction().execute(async transaction => {
      // First, so that what is known of the versions is still true: whoever adds one counts the revision up.
      for (const { row, revision } of signed) await replaceKey(transaction, row, revision)
      for (const version of signed.flatMap(({ versions }) => versions)) await writeVersion(transaction, version)
    })
    return changes.map(({ key }) => nextRevision(key))
  }

  /** Versions and budgets go with their rows (on delete cascade). */
  async remove(region: string, keyId: string): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      await transaction.deleteFrom('keys')
        .where('region', '=', region).where('key_id', '=', keyId).where('state', '=', 'Creating').execute()
      const left = await transaction.selectFrom('keys').select('state')
        .where('region', '=', region).where('key_id', '=', keyId).executeTakeFirst()
      if (left) throw new StaleWriteError('the key has been finished')
    })
  }

  async removeVersion(region: string, keyId: string, version: number): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      await transaction.deleteFrom('key_versions')
        .where('region', '=', region).where('key_id', '=', keyId).where('version', '=', version)
        .where('state', 'in', ['creating', 'destroying']).execute()
      const left = await transaction.selectFrom('key_versions').select('state')
        .where('region', '=', region).where('key_id', '=', keyId).where('version', '=', version).executeTakeFirst()
      if (left) throw new StaleWriteError('the version has been finished')
    })
  }

  list(accountId: string | undefined, region: string, after: string | undefined, limit: number): Promise<readonly string[]> {
    return listKeyIds(this.#db, accountId, region, after, limit)
  }

  async countOf(accountId: string, region: string): Promise<number> {
    return countKeysOf(this.#db, accountId, region)
  }

  async countByKeyStore(): Promise<ReadonlyMap<string, number>> {
    return countKeysByStore(this.#db)
  }

  async regions(): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom('keys').select('region').distinct().orderBy('region').execute()
    return rows.map(row => row.region)
  }

  regionsOf(keyId: string, everywhere?: 'everywhere'): Promise<readonly string[]> {
    return regionsOfKey(this.#db, keyId, everywhere !== undefined)
  }

  dueForRotation(now: number, limit: number): Promise<readonly KeyName[]> {
    return keysDueForRotation(this.#db, now, limit)
  }

  dueForDeletion(now: number, limit: number): Promise<readonly KeyName[]> {
    return keysDueForDeletion(this.#db, now, limit)
  }

  dueForExpiry(now: number, limit: number): Promise<readonly KeyName[]> {
    return keysDueForExpiry(this.#db, now, limit)
  }

  unsettled(limit: number): Promise<readonly KeyName[]> {
    return unsettledKeys(this.#db, limit)
  }

  reserveSeals(region: string, keyId: string, version: number, count: number, cap: number): Promise<number> {
    return this.#budgets.reserve({ region, key_id: keyId, version }, count, cap)
  }

  sealsReserved(region: string, keyId: string, version: number): Promise<number> {
    return this.#budgets.reserved({ region, key_id: keyId, version })
  }

  async #signChange({ key, versions = [] }: KeyChange): Promise<SignedChange> {
    const known = await this.#versionNumbers(key)
    const row = await this.#rows.sign('keys', keyColumns(nextRevision(key)))
    return { row, revision: key.revision, versions: await this.#signVersions(versions, known) }
  }

  /** Those that are not known yet come with a budget. */
  async #signVersions(versions: readonly KeyVersion[], known: ReadonlySet<number>): Promise<readonly SignedVersion[]> {
    const rows = await this.#rows.signAll('key_versions', versions.map(versionColumns))
    const budgets = await this.#rows.signAll('seal_budgets', versions.filter(one => !known.has(one.version)).map(newSealBudget))
    return rows.map(row => ({ row, budget: budgets.find(one => one.version === row.version) }))
  }

  async #versionNumbers({ region, keyId }: KeyName): Promise<ReadonlySet<number>> {
    const rows = await this.#db.selectFrom('key_versions').select('version')
      .where('region', '=', region).where('key_id', '=', keyId).execute()
    return new Set(rows.map(row => row.version))
  }
}

async function load(
  db: Transaction<Tables>, region: string, keyId: string,
): Promise<{ readonly key: KeyRow, readonly versions: readonly KeyVersionRow[] } | undefined> {
  const key = await db.selectFrom('keys').selectAll().where('region', '=', region).where('key_id', '=', keyId).executeTakeFirst()
  if (!key) return undefined
  const versions = await db.selectFrom('key_versions').selectAll()
    .where('region', '=', region).where('key_id', '=', keyId).orderBy('version').execute()
  return { key, versions }
}

/** A version that somebody deleted has no MAC to fail, but the key still names the one that is current. */
function viewOf(row: KeyRow, versionRows: readonly KeyVersionRow[]): KeyView {
  const key = keyOf(row)
  const versions = new Map(versionRows.map(version => [version.version, versionOf(version)]))
  if (isVisible(key.state) && key.currentVersion !== 0 && !versions.has(key.currentVersion)) {
    throw new IntegrityError(`there is no row of key_versions for ${JSON.stringify(`${key.region} ${key.keyId} ${key.currentVersion}`)}`)
  }
  return { key, versions }
}

async function replaceKey(db: Transaction<Tables>, row: KeyRow, revision: number): Promise<void> {
  const { numUpdatedRows } = await db.updateTable('keys').set(row)
    .where('region', '=', row.region).where('key_id', '=', row.key_id).where('revision', '=', revision)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) throw new StaleWriteError('the key has another revision by now')
}

async function writeVersion(db: Transaction<Tables>, { row, budget }: SignedVersion): Promise<void> {
  if (!budget) return replaceVersion(db, row)
  await db.insertInto('key_versions').values(row).execute()
  await db.insertInto('seal_budgets').values(budget).execute()
}

async function replaceVersion(db: Transaction<Tables>, row: KeyVersionRow): Promise<void> {
  const { numUpdatedRows } = await db.updateTable('key_versions').set(row)
    .where('region', '=', row.region).where('key_id', '=', row.key_id).where('version', '=', row.version)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) throw new StaleWriteError('the version has been removed')
}

function nextRevision(key: Key): Key {
  return { ...key, revision: key.revision + 1 }
}

function refuseForeign(key: KeyName, version: KeyVersion): void {
  if (version.region !== key.region || version.keyId !== key.keyId) throw new TypeError('the version is of another key')
}
