import { expect } from 'chai'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { migrate, refuseUnmigrated, type Migration } from '../../../src/adapters/sql/migrate.js'
import { migrations } from '../../../src/adapters/sql/migrations/all.js'
import type { Tables } from '../../../src/adapters/sql/schema.js'
import { ImmediateSqliteDialect } from '../../../src/adapters/sql/sqlite-dialect.js'
import { rejected } from '../../contract/store-samples.js'

describe('SQL over one connection', () => {
  let directory: string
  let database: BetterSqlite3.Database
  let other: BetterSqlite3.Database
  let db: Kysely<Tables>

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-migrate-'))
    const file = join(directory, 'claviger.db')
    database = new BetterSqlite3(file, { timeout: 0 })
    database.pragma('journal_mode = WAL')
    other = new BetterSqlite3(file, { timeout: 0 })
    db = new Kysely<Tables>({ dialect: new ImmediateSqliteDialect(database) })
  })

  afterEach(() => {
    database.close()
    other.close()
    rmSync(directory, { recursive: true })
  })

  const tables = () => other.prepare('select name from sqlite_schema where type = \'table\' order by name').pluck().all()
  const noLock = async () => {}
  const step = (name: string): Migration => ({
    name,
    async up(transaction) { await transaction.schema.createTable(name).addColumn('id', 'integer').execute() },
  })

  describe('migrate', () => {
    it('runs each step once, in order, and new ones later', async () => {
      await migrate(db, noLock, [step('a')])
      await migrate(db, noLock, [step('a')])
      await migrate(db, noLock, [step('a'), step('b'), step('c')])
      expect(tables()).to.deep.equal(['a', 'b', 'c', 'migrations'])
      expect(other.prepare('select number, name from migrations order by number').raw().all()).to.deep.equal([[1, 'a'], [2, 'b'], [3, 'c']])
    })

    it('does nothing at all when one of its steps fails', async () => {
      await migrate(db, noLock, [step('a')])
      const failing = { name: 'c', async up() { throw new Error('no') } }
      await rejected(migrate(db, noLock, [step('a'), step('b'), failing]))
      expect(tables()).to.deep.equal(['a', 'migrations'])
      await migrate(db, noLock, [step('a'), step('b')])
    })

    it('asks for the lock inside the transaction, before it looks', async () => {
      let asked = 0
      await migrate(db, async () => {
        asked++
        expect(database.inTransaction).to.equal(true)
        expect(tables()).to.deep.equal([])
        expect(() => other.exec('create table meanwhile (id)')).to.throw('locked')
      }, [step('a')])
      expect(asked).to.equal(1)
    })

    it('refuses steps that are not those that were run', async () => {
      await migrate(db, noLock, [step('a'), step('b')])
      for (const steps of [[step('a')], [step('a'), step('x')], [step('b'), step('a')]]) {
        await rejected(migrate(db, noLock, steps))
        await rejected(refuseUnmigrated(db, steps))
      }
      expect((await rejected(refuseUnmigrated(db, ['a', 'b', 'c'].map(step)))).message).to.contain('2 of 3 migrations')
      await refuseUnmigrated(db, ['a', 'b'].map(step))
    })
  })

  describe('transactions', () => {
    beforeEach(() => migrate(db, noLock, migrations))

    it('let nobody else write between a read and a write', async () => {
      await db.transaction().execute(async transaction => {
        await transaction.selectFrom('leases').selectAll().execute()
        expect(() => other.exec('insert into leases values (\'a\', \'other\', 1)')).to.throw('locked')
        await transaction.insertInto('leases').values({ name: 'a', owner: 'own', held_until: 1 }).execute()
      })
      expect(other.prepare('select owner from leases').pluck().all()).to.deep.equal(['own'])
    })

    it('see one state of the database and keep nobody out when they only read', async () => {
      await db.transaction().setAccessMode('read only').execute(async transaction => {
        expect(await transaction.selectFrom('leases').selectAll().execute()).to.have.length(0)
        other.exec('insert into leases values (\'a\', \'other\', 1)')
        expect(await transaction.selectFrom('leases').selectAll().execute()).to.have.length(0)
      })
      expect(await db.selectFrom('leases').selectAll().execute()).to.have.length(1)
    })

    it('tell why they failed when the disk is full, and the next one works', async () => {
      const pages = Number(database.pragma('page_count', { simple: true }))
      database.pragma(`max_page_count = ${pages}`)
      const fill = () => db.transaction().execute(transaction =>
        transaction.insertInto('health').values({ id: 1, value: 'x'.repeat(100_000) }).execute())
      expect((await rejected(fill())).message).to.contain('full')
      database.pragma('max_page_count = 1000')
      await fill()
      expect(other.prepare('select length(value) from health').pluck().all()).to.deep.equal([100_000])
    })
  })
})
