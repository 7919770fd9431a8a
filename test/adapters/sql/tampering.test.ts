import { expect } from 'chai'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { openSqlite } from '../../../src/adapters/sql/sqlite.js'
import { IntegrityError } from '../../../src/ports/keys.js'
import type { Store } from '../../../src/ports/store.js'
import {
  accountId, keyId, region, rejected, sampleApproval, sampleCustomKeyStore, sampleGrant, sampleInvocation, sampleKey, sampleVersion,
} from '../../contract/store-samples.js'
import { sampleUser } from '../../support/callers.js'
import { softwareRowAuthenticator } from '../../support/row-authenticator.js'

type Value = string | number | Buffer | null
type Row = Readonly<Record<string, Value>>

/** Each table with a MAC: how its only row is loaded, by the primary key that the row now has. */
const loaders: Readonly<Record<string, (store: Store, row: Row) => Promise<unknown>>> = {
  keys: (store, row) => store.keys.get(String(row.region), String(row.key_id)),
  // Versions are found through their key, so a version that was moved away is one that is missing.
  key_versions: store => store.keys.get(region, keyId(1)),
  seal_budgets: (store, row) => store.keys.sealsReserved(String(row.region), String(row.key_id), Number(row.version)),
  grants: (store, row) => store.grants.get(String(row.region), String(row.key_id), String(row.grant_id)),
  custom_key_stores: store => store.customKeyStores.all(),
  invocations: (store, row) => store.invocations.get(String(row.caller), String(row.invocation_id)),
  aliases: (store, row) => store.aliases.get(String(row.account_id), String(row.region), String(row.name)),
  accounts: (store, row) => store.identities.account(String(row.account_id)),
  identities: (store, row) => store.identities.get(String(row.account_id), String(row.kind) as 'user', String(row.name_key)),
  approval_requests: (store, row) => store.approvals.get(String(row.id)),
  access_keys: (store, row) => store.credentials.get(String(row.access_key_id)),
  installation: store => store.instance.get(),
}
/** Columns that the loader looks for itself, so that a row with another value is a row that is not there. */
const notLoaded = ['installation.id']

const constraints = { EncryptionContextEquals: { a: 'b' } }

describe('a database edited behind the service', () => {
  let directory: string
  let database: BetterSqlite3.Database
  let store: Store

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-tampering-'))
    const file = join(directory, 'claviger.db')
    store = await openSqlite({ file, authenticator: softwareRowAuthenticator() })
    await fill(store)
    database = new BetterSqlite3(file)
    database.pragma('foreign_keys = OFF')
  })

  afterEach(async () => {
    database.close()
    await store.close()
    rmSync(directory, { recursive: true })
  })

  /** Loads with one column changed, then puts the old value back. */
  async function loadWith(table: string, column: string, value: Value): Promise<unknown> {
    const change = database.prepare(`update ${table} set ${column} = ?`)
    const original = database.prepare<[], Row>(`select * from ${table}`).get() ?? {}
    change.run(value)
    try {
      return await loaders[table]?.(store, { ...original, [column]: value })
    } finally {
      change.run(original[column] ?? null)
    }
  }

  for (const [table, load] of Object.entries(loaders)) {
    it(`is noticed in every column of ${table}`, async () => {
      const row = database.prepare<[], Row>(`select * from ${table}`).get() ?? {}
      expect(await load(store, row), 'before').to.not.equal(undefined)
      for (const { name, type } of columnsOf(database, table)) {
        if (notLoaded.includes(`${table}.${name}`)) continue
        const error = await rejected(loadWith(table, name, changed(row[name] ?? null, type)), IntegrityError)
        expect(error.message, name).to.match(new RegExp(`row of ${table} for "`))
      }
      expect(await load(store, row), 'after').to.not.equal(undefined)
    })
  }

  it('is noticed when a value becomes one of another type', async () => {
    await rejected(loadWith('keys', 'policy', Buffer.from('{}')), IntegrityError)
    await rejected(loadWith('keys', 'mac', 'text'), IntegrityError)
    await rejected(loadWith('keys', 'created_at', 1.5), IntegrityError)
  })

  it('is noticed when an optional value is taken away', async () => {
    const optional = {
      keys: [
        'deletion_date', 'next_rotation', 'rotation_period_days', 'manager', 'custom_key_store_id', 'primary_region', 'pending_window_days',
      ],
      key_versions: ['rotation_date', 'rotation_type', 'import_way', 'valid_to', 'import_description'],
      grants: ['name', 'retiring_principal', 'constraints'],
      approval_requests: ['ended_at', 'pending_key'],
    }
    for (const [table, columns] of Object.entries(optional)) {
      for (const column of columns) await rejected(loadWith(table, column, null), IntegrityError)
    }
  })

  it('is noticed in lists of aliases', async () => {
    database.prepare('update aliases set target_key_id = ?').run(keyId(2))
    await rejected(store.aliases.list(accountId, region, undefined, undefined, 9), IntegrityError)
    await rejected(store.aliases.list(accountId, region, keyId(2), undefined, 9), IntegrityError)
  })

  it('is noticed in lists of grants', async () => {
    const [name, principal] = ['other', 'arn:aws:iam::111122223333:user/other']
    database.prepare('update grants set name = ?, grantee_principal = ?, retiring_principal = ?').run(name, principal, principal)
    await rejected(store.grants.list(region, keyId(1), { granteePrincipal: principal }, undefined, 9), IntegrityError)
    await rejected(store.grants.listRetirable(region, { principal }, undefined, 9), IntegrityError)
    const forged = { name, granteePrincipal: principal, retiringPrincipal: principal, constraints, granteeId: 'AIDAA', retiringId: 'AIDAB' }
    await rejected(store.grants.twin(sampleGrant(1, 1, forged)), IntegrityError)
  })

  it('is noticed when a grant is moved to another key, and when its constraints are those of another', async () => {
    await store.grants.insert(sampleGrant(1, 2))
    database.exec('update grants set constraints = null where name is not null')
    await rejected(store.grants.get(region, keyId(1), sampleGrant(1, 1).grantId), IntegrityError)
    database.exec(`update grants set key_id = '${keyId(2)}'`)
    await rejected(store.grants.get(region, keyId(2), sampleGrant(1, 2).grantId), IntegrityError)
  })

  it('is noticed when the row of one key is copied over that of another', async () => {
    await store.keys.insert(sampleKey(2), [sampleVersion(2, 1)])
    database.exec(`update keys set (state, policy, mac) = (select state, policy, mac from keys where key_id = '${keyId(1)}')
      where key_id = '${keyId(2)}'`)
    await rejected(store.keys.get(region, keyId(2)), IntegrityError)
  })

  it('hands out no seals of a budget that was set back', async () => {
    database.exec('update seal_budgets set reserved = 0')
    await rejected(store.keys.reserveSeals(region, keyId(1), 1, 1, 100), IntegrityError)
    database.exec('update seal_budgets set reserved = 5')
    expect(await store.keys.reserveSeals(region, keyId(1), 1, 1, 5)).to.equal(0)
  })

  it('hands out no seals of a budget that was deleted, also after the version is written again', async () => {
    database.exec('delete from seal_budgets')
    const key = (await store.keys.get(region, keyId(1)))?.key ?? sampleKey(1)
    await store.keys.update(key, [sampleVersion(1, 1)])
    const error = await rejected(store.keys.reserveSeals(region, keyId(1), 1, 1, 100), IntegrityError)
    expect(error.message).to.contain(`no row of seal_budgets for "${region} ${keyId(1)} 1"`)
  })

  it('is noticed when the current version was deleted', async () => {
    database.exec('delete from key_versions')
    const error = await rejected(store.keys.get(region, keyId(1)), IntegrityError)
    expect(error.message).to.contain('no row of key_versions')
  })
})

async function fill(store: Store): Promise<void> {
  const schedule = { periodInDays: 90, nextRotation: 1 }
  const rotation = { date: 3, type: 'ON_DEMAND' } as const
  const material = { way: 'process', validTo: 4, description: 'a' } as const
  await store.keys.insert(
    sampleKey(1, {
      state: 'PendingDeletion', deletionDate: 2, pendingWindowInDays: 7, schedule, manager: 'AWS', customKeyStoreId: 'cks-1',
      multiRegion: { primaryRegion: region }, policyBindings: { a: 'b' },
    }),
    [sampleVersion(1, 1, { rotation, import: material })],
  )
  await store.keys.reserveSeals(region, keyId(1), 1, 5, 100)
  await store.aliases.insert({ accountId, region, name: 'alias/a', targetKeyId: keyId(1), createdAt: 1, updatedAt: 2 })
  await store.grants.insert(sampleGrant(1, 1, {
    name: 'a', retiringPrincipal: 'arn:aws:iam::111122223333:user/b', constraints, granteeId: 'AIDAA', retiringId: 'AIDAB',
  }))
  await store.customKeyStores.insert(sampleCustomKeyStore(1))
  await store.invocations.put(sampleInvocation(1))
  await store.approvals.insert(sampleApproval(1, { endedAt: 9 }))
  await store.identities.insertAccount({ accountId, name: 'a', createdAt: 1 })
  await store.identities.insert(sampleUser('a'))
  await store.credentials.put({
    accessKeyId: 'AKIAEXAMPLE', principalArn: 'arn:aws:iam::111122223333:user/a', accountId: '111122223333',
    principalId: 'AIDAA', active: false, createdAt: 5, secret: { rootVersion: 1, iv: Uint8Array.of(1, 2), ciphertext: Uint8Array.of(3) },
  })
  await store.instance.put({ accountId: '111122223333', createdAt: 1, roots: { seal: 1, mac: 1, audit: 1 }, head: 1 })
}

function columnsOf(database: BetterSqlite3.Database, table: string): readonly { readonly name: string, readonly type: string }[] {
  return database.prepare<[string], { name: string, type: string }>('select name, type from pragma_table_info(?)').all(table)
}

/** Another value that the column could hold. */
function changed(value: Value, type: string): Value {
  if (typeof value === 'number') return value + 1
  if (typeof value === 'string') return `${value}x`
  if (value === null) return type === 'text' ? 'x' : 1
  return Buffer.from(value.map((byte, at) => (at === value.length - 1 ? byte ^ 1 : byte)))
}
