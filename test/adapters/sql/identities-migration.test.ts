import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { Kysely } from 'kysely'
import { migrate } from '../../../src/adapters/sql/migrate.js'
import { initial } from '../../../src/adapters/sql/migrations/0001-initial.js'
import { wholeApi } from '../../../src/adapters/sql/migrations/0002-whole-api.js'
import { rowDigest } from '../../../src/adapters/sql/rows.js'
import type { Tables } from '../../../src/adapters/sql/schema.js'
import { openSqlite } from '../../../src/adapters/sql/sqlite.js'
import { ImmediateSqliteDialect } from '../../../src/adapters/sql/sqlite-dialect.js'
import type { Store } from '../../../src/ports/store.js'
import { adoptIdentities } from '../../../src/service/identities/first-identities.js'
import { accountId, keyId, region } from '../../contract/store-samples.js'
import { userCaller } from '../../support/callers.js'
import { slotsOfUse } from '../../support/grant-slots.js'
import { softwareRowAuthenticator } from '../../support/row-authenticator.js'

const administrator = `arn:aws:iam::${accountId}:user/administrator`
const grantee = `arn:aws:iam::${accountId}:user/grantee`
const grantId = 'ab'.repeat(32)
const installed = { accountId, createdAt: 5, roots: { seal: 1, mac: 1, audit: 1 }, head: 7 }

/** Rows as the program wrote them that had migrations 0001 and 0002 only. */
const rows: readonly (readonly [table: string, columns: Readonly<Record<string, string | number | Uint8Array | null>>])[] = [
  ['aliases', { region, name: 'alias/a', target_key_id: keyId(1), created_at: 1, updated_at: 2 }],
  ['custom_key_stores', {
    id: 'cks-1', region, name: '"store"', key_store: 'token', cluster_id: '"cluster"', trust_anchor_certificate: '"pem"', created_at: 1,
    connected: 1,
  }],
  ['grants', {
    region, key_id: keyId(1), grant_id: grantId, name: null, created_at: 3, grantee_principal: grantee, grantee_service_principal: null,
    retiring_principal: null, retiring_service_principal: null, issuing_account: `arn:aws:iam::${accountId}:root`,
    operations: '["Decrypt"]', constraints: '{"EncryptionContextSubset":{"a":"1","b":"2"}}',
  }],
  ['access_keys', {
    access_key_id: 'CVAK1', principal_arn: administrator, account_id: accountId, administrator: 1, active: 1, created_at: 5,
    secret_root_version: 1, secret_iv: Uint8Array.of(1), secret_ciphertext: Uint8Array.of(2),
  }],
]

describe('migration 0003, and what the service adds to it', () => {
  const authenticator = softwareRowAuthenticator()
  const random = async (length: number) => Uint8Array.from({ length }, (_, at) => at)
  let directory: string
  let file: string
  let store: Store

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-identities-'))
    file = join(directory, 'claviger.db')
    await writeOld()
    store = await openSqlite({ file, authenticator })
  })
  afterEach(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })

  async function writeOld(): Promise<void> {
    const database = new BetterSqlite3(file)
    await migrate(new Kysely<Tables>({ dialect: new ImmediateSqliteDialect(database) }), async () => {}, [initial, wholeApi])
    for (const [table, columns] of rows) {
      const row = { ...columns, mac: await authenticator.tag(rowDigest(table, columns)) }
      const names = Object.keys(row)
      database.prepare(`insert into ${table} (${names.join()}) values (${names.map(name => `@${name}`).join()})`).run(row)
    }
    database.close()
  }

  async function adopt(): Promise<void> {
    await store.customKeyStores.adopt(accountId)
    await adoptIdentities(installed, store, { random })
  }

  it('gives what there is to the account there was, under MACs that are good', async () => {
    expect((await store.customKeyStores.all()).map(({ id, accountId: of }) => [id, of])).to.deep.equal([['cks-1', '']])
    await adopt()
    expect(await store.aliases.get(accountId, region, 'alias/a'))
      .to.deep.equal({ accountId, region, name: 'alias/a', targetKeyId: keyId(1), createdAt: 1, updatedAt: 2 })
    expect((await store.customKeyStores.all()).map(({ id, accountId: of }) => [id, of])).to.deep.equal([['cks-1', accountId]])
    expect(await store.identities.account(accountId)).to.deep.equal({ accountId, name: 'main', createdAt: 5 })
  })

  it('makes the administrator a user whose access key goes on working', async () => {
    await adopt()
    const user = await store.identities.get(accountId, 'user', 'administrator')
    expect(user?.attachedPolicies).to.deep.equal(['arn:aws:iam::aws:policy/AdministratorAccess'])
    expect((await store.credentials.get('CVAK1'))?.principalId).to.equal(user?.id)
  })

  it('finds older grants by what a call brings', async () => {
    const use = { caller: userCaller('grantee'), operation: 'Decrypt', context: { a: '1', b: '2', c: '3' }, sourceArn: undefined }
    const found = await store.grants.inSlots(region, keyId(1), slotsOfUse(use))
    expect(found.flat().map(grant => grant.grantId)).to.deep.equal([grantId])
    expect((await store.grants.get(region, keyId(1), grantId))?.granteePrincipal).to.equal(grantee)
  })

  it('is done once, and again from the start when a crash came between', async () => {
    await adoptIdentities(installed, { ...store, aliases: { ...store.aliases, adopt: () => Promise.reject(new Error('killed')) } },
      { random }).catch(() => {})
    expect(await store.identities.account(accountId)).to.equal(undefined)
    await adopt()
    const user = await store.identities.get(accountId, 'user', 'administrator')
    await adopt()
    expect(await store.identities.get(accountId, 'user', 'administrator')).to.deep.equal(user)
    expect(await store.identities.count(accountId, 'user')).to.equal(1)
  })
})
