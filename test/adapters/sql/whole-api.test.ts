import { expect } from 'chai'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { migrate } from '../../../src/adapters/sql/migrate.js'
import { initial } from '../../../src/adapters/sql/migrations/0001-initial.js'
import { rowDigest } from '../../../src/adapters/sql/rows.js'
import type { Tables } from '../../../src/adapters/sql/schema.js'
import { openSqlite } from '../../../src/adapters/sql/sqlite.js'
import { ImmediateSqliteDialect } from '../../../src/adapters/sql/sqlite-dialect.js'
import type { Store } from '../../../src/ports/store.js'
import { keyId, region, sampleGrant, sampleKey, sampleVersion } from '../../contract/store-samples.js'
import { softwareRowAuthenticator } from '../../support/row-authenticator.js'

/** Rows as the program wrote them that had migration 0001 only: the columns of then, with MACs over these. */
const rows: readonly (readonly [table: string, columns: Readonly<Record<string, string | number | null>>])[] = [
  ['keys', {
    region, key_id: keyId(1), account_id: '111122223333', arn: `arn:aws:kms:${region}:111122223333:key/${keyId(1)}`,
    created_at: 1_700_000_000_000, description: '"a key"', key_spec: 'SYMMETRIC_DEFAULT', key_usage: 'ENCRYPT_DECRYPT', origin: 'AWS_KMS',
    key_store: 'default', state: 'Enabled', deletion_date: null, current_version: 2, rotation_period_days: 90, next_rotation: 5,
    on_demand_rotations: 0, policy: '{}', tags: '[]', revision: 3,
  }],
  ...[1, 2].map(version => ['key_versions', {
    region, key_id: keyId(1), version, state: 'ready', suite: version === 1 ? 'cbc-hmac' : 'gcm',
    key_material_id: version.toString(16).padStart(64, '0'), created_at: 1_700_000_000_000 + version,
    rotation_date: version === 1 ? null : 7, rotation_type: version === 1 ? null : 'ON_DEMAND', evidence: '[]', owner: 'process-1',
  }] as const),
  ...[1, 2].map(version => ['seal_budgets', { region, key_id: keyId(1), version, reserved: 10 * version }] as const),
  ['aliases', { region, name: 'alias/a', target_key_id: keyId(1), created_at: 1, updated_at: 2 }],
  ['installation', { id: 1, account_id: '111122223333', created_at: 5, seal_root: 1, mac_root: 2, audit_root: 3, head: 7 }],
]

describe('migration 0002', () => {
  const authenticator = softwareRowAuthenticator()
  let directory: string
  let store: Store

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-whole-api-'))
    const file = join(directory, 'claviger.db')
    await writeOld(file)
    store = await openSqlite({ file, authenticator })
  })
  after(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })

  async function writeOld(file: string): Promise<void> {
    const database = new BetterSqlite3(file)
    await migrate(new Kysely<Tables>({ dialect: new ImmediateSqliteDialect(database) }), async () => {}, [initial])
    for (const [table, columns] of rows) {
      const row = { ...columns, mac: await authenticator.tag(rowDigest(table, columns)) }
      const names = Object.keys(row)
      database.prepare(`insert into ${table} (${names.join()}) values (${names.map(name => `@${name}`).join()})`).run(row)
    }
    database.close()
  }

  const key = sampleKey(1, { currentVersion: 2, schedule: { periodInDays: 90, nextRotation: 5 }, revision: 3 })
  const versions = new Map([
    [1, sampleVersion(1, 1, { kind: 'cbc-hmac', evidence: [] })],
    [2, sampleVersion(1, 2, { evidence: [], rotation: { date: 7, type: 'ON_DEMAND' } })],
  ])

  it('leaves the MACs of older rows good', async () => {
    expect(await store.keys.get(region, keyId(1))).to.deep.equal({ key, versions })
    expect(await store.keys.sealsReserved(region, keyId(1), 2)).to.equal(20)
    expect((await store.instance.get())?.head).to.equal(7)
  })

  it('finds older keys by what they are due for, and takes no material that never expires for expired', async () => {
    expect(await store.keys.dueForRotation(5, 9)).to.deep.equal([{ region, keyId: keyId(1) }])
    expect(await store.keys.regionsOf(keyId(1))).to.deep.equal([region])
    expect(await store.keys.dueForExpiry(2 ** 50, 9)).to.deep.equal([])
  })

  it('lets older keys be changed, to what only newer ones can be', async () => {
    const written = await store.keys.update({ ...key, multiRegion: { primaryRegion: region } })
    expect(await store.keys.get(region, keyId(1))).to.deep.equal({ key: written, versions })
    await store.grants.insert(sampleGrant(1, 1))
    expect(await store.grants.count(region, keyId(1))).to.equal(1)
  })
})
