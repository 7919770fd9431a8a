import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import type { Hsm } from '../../src/ports/hsm.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { Directory } from '../../src/service/directory.js'
import { accountId, keyId, region, sampleKey, sampleVersion } from '../contract/store-samples.js'
import { onEveryCall, replacing } from '../support/interruption.js'
import { rejected } from '../support/refusal.js'
import { openTestHsm, openTestStore, type TestStore } from '../support/services.js'

const alias = { accountId, region, name: 'alias/a', targetKeyId: keyId(1), createdAt: 1, updatedAt: 1 }

describe('directory', () => {
  let hsm: Hsm
  let opened: TestStore
  let reads: string[]
  let store: Store
  let directory: Directory

  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    await opened.store.keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    reads = []
    const count = (method: string) => void reads.push(method)
    store = { ...opened.store, keys: onEveryCall(opened.store.keys, count), aliases: onEveryCall(opened.store.aliases, count) }
    directory = new Directory(store)
  })
  afterEach(() => opened.close())

  async function describe1(): Promise<string | undefined> {
    return (await directory.key(region, keyId(1)))?.key.description
  }

  function redescribe(description: string): Promise<unknown> {
    return directory.change(region, keyId(1), ({ key }) => ({ key: { ...key, description } }))
  }

  it('reads a key once', async () => {
    const first = await directory.key(region, keyId(1))
    expect(await directory.key(region, keyId(1))).to.equal(first)
    expect(reads).to.deep.equal(['get'])
  })

  it('keeps keys as far as they are not too heavy, and reads the others again', async () => {
    const policy = 'x'.repeat(10_000)
    for (const number of [2, 3, 4]) await opened.store.keys.insert({ ...sampleKey(number), policy }, [sampleVersion(number, 1)])
    // Room for two such keys.
    directory = new Directory(store, 50_000)
    const readsOf = async (number: number) => {
      reads = []
      expect((await directory.key(region, keyId(number)))?.key.keyId).to.equal(keyId(number))
      return reads.length
    }
    expect([await readsOf(2), await readsOf(3), await readsOf(2), await readsOf(4)]).to.deep.equal([1, 1, 0, 1])
    expect([await readsOf(2), await readsOf(4), await readsOf(3)]).to.deep.equal([0, 0, 1])
  })

  it('reads an alias once', async () => {
    await opened.store.aliases.insert(alias)
    expect(await directory.alias(accountId, region, 'alias/a')).to.deep.equal(alias)
    await directory.alias(accountId, region, 'alias/a')
    expect(reads).to.deep.equal(['get'])
  })

  it('does not remember that a key or an alias is absent', async () => {
    expect(await directory.key(region, keyId(2))).to.equal(undefined)
    await opened.store.keys.insert(sampleKey(2), [sampleVersion(2, 1)])
    expect((await directory.key(region, keyId(2)))?.key.keyId).to.equal(keyId(2))
    expect(await directory.alias(accountId, region, 'alias/a')).to.equal(undefined)
    await opened.store.aliases.insert(alias)
    expect(await directory.alias(accountId, region, 'alias/a')).to.deep.equal(alias)
  })

  it('keeps the keys of two Regions apart', async () => {
    expect(await directory.key('us-east-1', keyId(1))).to.equal(undefined)
    expect(await describe1()).to.equal('a key')
  })

  it('shows its own change at once', async () => {
    await describe1()
    await redescribe('changed')
    expect(await describe1()).to.equal('changed')
  })

  it('answers a change with the key as it was written', async () => {
    const changed = await directory.change(region, keyId(1), ({ key }) => ({
      key: { ...key, currentVersion: 2 }, versions: [sampleVersion(1, 2)],
    }))
    expect(changed).to.deep.equal(await directory.key(region, keyId(1)))
    expect([...changed.versions.keys()]).to.deep.equal([1, 2])
  })

  it('never remembers what was read before a change and arrived after it', async () => {
    let release = () => {}
    const released = new Promise<void>(resolve => { release = resolve })
    directory = new Directory({ ...opened.store, keys: replacing(opened.store.keys, { get: holdFirst(opened.store, released) }) })
    const early = directory.key(region, keyId(1))
    // The first read has its answer before the change is written.
    await directory.key(region, keyId(2))
    await redescribe('changed')
    release()
    expect((await early)?.key.description).to.equal('a key')
    expect(await describe1()).to.equal('changed')
  })

  it('never shows an older state than one that was acknowledged (10 readers among 40 changes)', async () => {
    const changes = 40
    await redescribe('0')
    const writer = { acknowledged: 0 }
    const readers = Array.from({ length: 10 }, async () => {
      while (writer.acknowledged < changes) {
        const least = writer.acknowledged
        expect(Number(await describe1())).to.be.at.least(least)
        await new Promise(resolve => setImmediate(resolve))
      }
    })
    for (let number = 1; number <= changes; number++) {
      await redescribe(String(number))
      writer.acknowledged = number
    }
    await Promise.all(readers)
  })

  it('sees what another connection wrote', async () => {
    expect(await describe1()).to.equal('a key')
    await opened.store.aliases.insert(alias)
    await directory.alias(accountId, region, 'alias/a')
    const other = await opened.second()
    const view = await other.keys.get(region, keyId(1))
    if (!view) throw new Error('the other connection sees no key')
    await other.keys.update({ ...view.key, description: 'from elsewhere' })
    await other.aliases.remove(accountId, region, 'alias/a', keyId(1))
    await nextTurn()
    expect(await describe1()).to.equal('from elsewhere')
    expect(await directory.alias(accountId, region, 'alias/a')).to.equal(undefined)
  })

  it('forgets aliases one by one or all', async () => {
    await opened.store.aliases.insert(alias)
    await directory.alias(accountId, region, 'alias/a')
    await opened.store.aliases.remove(accountId, region, 'alias/a', keyId(1))
    directory.forgetAlias({ accountId, region }, 'alias/a')
    expect(await directory.alias(accountId, region, 'alias/a')).to.equal(undefined)
    await opened.store.aliases.insert(alias)
    await directory.alias(accountId, region, 'alias/a')
    await opened.store.aliases.removeAllOf(region, keyId(1))
    directory.forgetAllAliases()
    expect(await directory.alias(accountId, region, 'alias/a')).to.equal(undefined)
  })

  it('decides anew when another change came first, so that neither is lost', async () => {
    const append = (letter: string) => directory.change(region, keyId(1), ({ key }) => ({
      key: { ...key, description: key.description + letter },
    }))
    await Promise.all(['1', '2', '3', '4', '5'].map(append))
    expect([...await describe1() ?? ''].sort().join('').trim()).to.equal('12345aeky')
  })

  it('gives up when others keep coming first', async () => {
    const other = await opened.second()
    async function getAndLose(...name: readonly [string, string]) {
      const view = await opened.store.keys.get(...name)
      if (view) await other.keys.update(view.key)
      return view
    }
    directory = new Directory({ ...opened.store, keys: replacing(opened.store.keys, { get: getAndLose }) })
    await rejected(redescribe('never'), StaleWriteError)
  })

  it('writes nothing when there is nothing to change', async () => {
    const view = await directory.change(region, keyId(1), () => undefined)
    expect(view.key).to.deep.equal(sampleKey(1))
    expect(reads).to.deep.equal(['get'])
  })

  it('writes nothing when the decision is a refusal', async () => {
    await rejected(directory.change(region, keyId(1), () => { throw new RangeError('refused') }), RangeError)
    expect(await describe1()).to.equal('a key')
  })
})

/** Reads at once, but gives the first answer away only when told to. */
function holdFirst({ keys }: Store, until: Promise<void>): Store['keys']['get'] {
  let first = true
  return async (...name) => {
    const held = first
    first = false
    const view = await keys.get(...name)
    if (held) await until
    return view
  }
}
