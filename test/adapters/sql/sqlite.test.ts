import { expect } from 'chai'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import BetterSqlite3 from 'better-sqlite3'
import { migrations } from '../../../src/adapters/sql/migrations/all.js'
import { openSqlite, type SqliteOptions } from '../../../src/adapters/sql/sqlite.js'
import type { Store } from '../../../src/ports/store.js'
import { storeContract } from '../../contract/store.js'
import { keyId, region, rejected, sampleKey, sampleVersion } from '../../contract/store-samples.js'
import { softwareRowAuthenticator } from '../../support/row-authenticator.js'
import { nextLine, source, startChild, support } from './child.js'

describe('SQLite', () => {
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'claviger-sqlite-'))
    file = join(directory, 'claviger.db')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  storeContract('SQLite', authenticator => openSqlite({ file, authenticator }))

  describe('openSqlite', () => {
    const authenticator = softwareRowAuthenticator()
    let opened: Store[]
    beforeEach(() => { opened = [] })
    afterEach(() => Promise.all(opened.map(store => store.close())))

    async function open(options: Partial<SqliteOptions> = {}): Promise<Store> {
      const store = await openSqlite({ file, authenticator, ...options })
      opened.push(store)
      return store
    }

    function edit(statement: string): void {
      const database = new BetterSqlite3(file)
      database.exec(statement)
      database.close()
    }

    it('keeps everything when opened again', async () => {
      const first = await openSqlite({ file, authenticator })
      await first.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
      await first.keys.reserveSeals(region, keyId(1), 1, 7, 10)
      await first.close()
      const second = await open()
      expect(await second.keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1), versions: new Map([[1, sampleVersion(1, 1)]]) })
      expect(await second.keys.sealsReserved(region, keyId(1), 1)).to.equal(7)
    })

    it('makes files that nobody else may read, and takes that right away where it was given', async () => {
      writeFileSync(file, '')
      chmodSync(file, 0o644)
      await (await open()).probe()
      expect(readdirSync(directory)).to.have.members(['claviger.db', 'claviger.db-wal', 'claviger.db-shm'])
      for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777, name).to.equal(0o600)
    })

    it('lets processes that start at once on a new file make it once', async () => {
      const starting = Array.from({ length: 3 }, () => startChild(`
        import { openSqlite } from '${source('adapters/sql/sqlite.js')}'
        import { softwareRowAuthenticator } from '${support('row-authenticator.js')}'
        console.log('ready')
        process.stdin.once('data', async () => {
          try {
            const store = await openSqlite({ file: process.argv[1], authenticator: softwareRowAuthenticator() })
            await store.probe()
            await store.close()
            console.log('opened')
          } catch (error) { console.log(error.message) }
          process.stdin.destroy()
        })
      `, file))
      for (const child of starting) expect(await nextLine(child)).to.equal('ready')
      for (const child of starting) child.process.stdin.write('go\n')
      for (const child of starting) expect(await nextLine(child)).to.equal('opened')
    }).timeout(20_000)

    it('shows each of two connections what the other wrote, and that it wrote', async () => {
      const [one, two] = [await open(), await open()]
      const before = [one.generation(), two.generation()]
      await one.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
      await nextTurn()
      expect(one.generation()).to.equal(before[0])
      expect(two.generation()).to.not.equal(before[1])
      expect(two.generation()).to.equal(two.generation())
      expect(await two.keys.get(region, keyId(1))).to.not.equal(undefined)
    })

    it('looks for what others wrote once in a turn of the event loop, and in each turn', async () => {
      const [one, two] = [await open(), await open()]
      const write = async (number: number) => void await one.keys.insert(sampleKey(number), [sampleVersion(number, 1)])
      let before = two.generation()
      for (const number of [1, 2, 3]) {
        await write(number)
        await nextTurn()
        const now = two.generation()
        expect(now, `after write ${number}`).to.not.equal(before)
        // Nothing can be received before the turn ends, so nobody can know of this write yet.
        edit('update keys set revision = revision + 1')
        expect(two.generation()).to.equal(now)
        await nextTurn()
        expect(two.generation(), 'in the next turn').to.not.equal(now)
        before = two.generation()
      }
    })

    it('lets reservations of two connections share one cap', async () => {
      const stores = [await open(), await open()]
      await stores[0]?.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
      const reserve = async (at: number) => await stores[at % 2]?.keys.reserveSeals(region, keyId(1), 1, 7, 100) ?? 0
      const granted = await Promise.all(Array.from({ length: 20 }, (_, at) => reserve(at)))
      expect(granted.reduce((sum, count) => sum + count, 0)).to.equal(100)
    })

    it('refuses a database that a newer program has changed', async () => {
      await (await openSqlite({ file, authenticator })).close()
      edit('insert into migrations (number, name) values (99, \'0099-later\')')
      for (const options of [{}, { readOnly: true as const }]) {
        expect((await rejected(open(options))).message).to.contain('use a newer program')
      }
    })

    it('refuses a database of another program', async () => {
      edit('create table migrations (number integer primary key, name text); insert into migrations values (1, \'init\')')
      expect((await rejected(open())).message).to.contain('not those of this program')
      writeFileSync(file, 'not a database, whatever its name may say'.repeat(100))
      expect((await rejected(open())).message).to.contain('not a database')
    })

    it('takes a key only if it would come back as it is', async () => {
      const store = await open()
      await rejected(store.keys.insert(sampleKey(1, { policy: '"\ud800"' }), [sampleVersion(1, 1)]), TypeError)
      expect(await store.keys.get(region, keyId(1))).to.equal(undefined)
    })

    describe('read-only', () => {
      const readOnly = true

      it('reads beside a server that writes, and changes nothing', async () => {
        const server = await open()
        const reader = await open({ readOnly })
        const before = reader.generation()
        await server.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
        await nextTurn()
        expect(reader.generation()).to.not.equal(before)
        expect(await reader.keys.list(undefined, region, undefined, 9)).to.deep.equal([keyId(1)])
        expect((await reader.keys.get(region, keyId(1)))?.key).to.deep.equal(sampleKey(1))
        for (const write of [() => reader.probe(), () => reader.keys.update(sampleKey(1)), () => reader.leases.acquire('a', 'b', 0, 1)]) {
          expect((await rejected(write())).message).to.contain('readonly')
        }
      })

      it('reads what a server that is gone left behind', async () => {
        const server = await openSqlite({ file, authenticator })
        await server.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
        await server.close()
        expect(await (await open({ readOnly })).keys.list(undefined, region, undefined, 9)).to.deep.equal([keyId(1)])
      })

      it('makes no database and no schema', async () => {
        expect((await rejected(open({ readOnly }))).message).to.contain('there is no database at')
        expect(readdirSync(directory)).to.deep.equal([])
        writeFileSync(file, '')
        expect((await rejected(open({ readOnly }))).message).to.contain(`0 of ${migrations.length} migrations: start the server`)
      })
    })
  })

  describe('killed with -9', () => {
    const secret = '07'.repeat(32)
    const writer = `
      import { openSqlite } from '${source('adapters/sql/sqlite.js')}'
      import { softwareRowAuthenticator } from '${support('row-authenticator.js')}'
      import { sampleKey, sampleVersion } from '${new URL('../../contract/store-samples.js', import.meta.url).href}'
      const [, file, secret, start] = process.argv
      const store = await openSqlite({ file, authenticator: softwareRowAuthenticator(Buffer.from(secret, 'hex')) })
      process.stdin.resume().on('end', () => process.exit())
      async function write(number) {
        const key = sampleKey(number, { state: 'Creating' })
        await store.keys.insert(key, [sampleVersion(number, 1, { state: 'creating' })])
        await store.keys.update({ ...key, state: 'Enabled', currentVersion: 2 }, [sampleVersion(number, 1), sampleVersion(number, 2)])
        console.log(number)
      }
      for (let number = Number(start); ; number += 4) await Promise.all([0, 1, 2, 3].map(more => write(number + more)))
    `

    it('leaves all or nothing of every write, and all of those that were acknowledged', async () => {
      const acknowledged: number[] = []
      for (const [round, lines] of [1, 6, 23].entries()) {
        const child = startChild(writer, file, secret, String(round * 10_000))
        for (let line = 0; line < lines; line++) acknowledged.push(Number(await nextLine(child)))
        await child.end('SIGKILL')
      }
      const store = await openSqlite({ file, authenticator: softwareRowAuthenticator(Buffer.from(secret, 'hex')) })
      try {
        expect(await store.keys.list(undefined, region, undefined, 100_000)).to.include.members(acknowledged.map(keyId))
        await everyKeyIsWhole(store)
      } finally {
        await store.close()
      }
    }).timeout(20_000)

    async function everyKeyIsWhole(store: Store): Promise<void> {
      const unfinished = (await store.keys.unsettled(100_000)).map(name => name.keyId)
      for (const id of [...await store.keys.list(undefined, region, undefined, 100_000), ...unfinished]) {
        const view = await store.keys.get(region, id)
        expect([...view?.versions.keys() ?? []]).to.deep.equal(unfinished.includes(id) ? [1] : [1, 2])
        for (const version of view?.versions.keys() ?? []) expect(await store.keys.sealsReserved(region, id, version)).to.equal(0)
      }
    }
  })
})
