import { expect } from 'chai'
import type { Key, KeyState, KeyVersion } from '../../src/domain/key.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { keyId, region, rejected, sampleKey, sampleVersion } from './store-samples.js'

const cap = 1_000

export function keysContract(store: () => Store): void {
  it('does not know a key that was never written', async () => {
    expect(await store().keys.get(region, keyId(1))).to.equal(undefined)
  })

  it('gives back every member of a key and its versions', async () => {
    const key = sampleKey(1, {
      state: 'PendingDeletion',
      deletionDate: 2 ** 43,
      schedule: { periodInDays: 365, nextRotation: 2 ** 42 },
      tags: [{ TagKey: 'a"', TagValue: '' }],
      policy: '{"é": 1}',
    })
    const version = sampleVersion(1, 1, { rotation: { date: 2 ** 41, type: 'AUTOMATIC' } })
    await store().keys.insert(key, version)
    expect(await store().keys.get(region, key.keyId)).to.deep.equal({ key, versions: new Map([[1, version]]) })
  })

  it('leaves out members that a key does not have', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    const view = await store().keys.get(region, keyId(1))
    expect(view?.key).to.not.have.any.keys('deletionDate', 'schedule')
    expect(view?.versions.get(1)).to.not.have.any.keys('rotation')
  })

  for (const description of ['', 'zero \0 byte', 'unpaired \ud800 surrogate', '𝄞 "quoted" \\ \n', 'é']) {
    it(`gives back the description ${JSON.stringify(description)}`, async () => {
      await store().keys.insert(sampleKey(1, { description }), sampleVersion(1, 1))
      expect((await store().keys.get(region, keyId(1)))?.key.description).to.equal(description)
    })
  }

  it('keeps keys of one id in two regions apart', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    expect(await store().keys.get('us-east-1', keyId(1))).to.equal(undefined)
  })

  it('refuses a second key of the same name and keeps the first', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await rejected(store().keys.insert(sampleKey(1, { description: 'second' }), sampleVersion(1, 1)))
    expect((await store().keys.get(region, keyId(1)))?.key.description).to.equal(sampleKey(1).description)
  })

  it('refuses a version of another key', async () => {
    await rejected(store().keys.insert(sampleKey(1), sampleVersion(2, 1)), TypeError)
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await rejected(store().keys.update(sampleKey(1), [sampleVersion(2, 1)]), TypeError)
  })

  it('counts the keys of each key store that are not destroyed, in all regions', async () => {
    expect([...await store().keys.countByKeyStore()]).to.deep.equal([])
    const keys: readonly Partial<Key>[] = [
      {}, { state: 'PendingDeletion', region: 'us-east-1' }, { keyStore: 'b', state: 'Creating' }, { keyStore: 'c', state: 'Destroyed' },
    ]
    for (const [at, of] of keys.entries()) {
      await store().keys.insert(sampleKey(at, of), sampleVersion(at, 1, { region: of.region ?? region }))
    }
    expect([...await store().keys.countByKeyStore()]).to.deep.equal([['b', 1], ['default', 2]])
  })

  it('counts the revision up and answers what it wrote', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    const written = await store().keys.update({ ...sampleKey(1), state: 'Disabled' })
    expect(written).to.deep.equal({ ...sampleKey(1), state: 'Disabled', revision: 1 })
    expect((await store().keys.get(region, keyId(1)))?.key).to.deep.equal(written)
  })

  it('changes known versions and adds new ones, with their budgets', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1, { state: 'creating' }))
    await store().keys.reserveSeals(region, keyId(1), 1, 5, cap)
    await store().keys.update({ ...sampleKey(1), currentVersion: 2 }, [sampleVersion(1, 1), sampleVersion(1, 2)])
    expect((await store().keys.get(region, keyId(1)))?.versions)
      .to.deep.equal(new Map([[1, sampleVersion(1, 1)], [2, sampleVersion(1, 2)]]))
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(5)
    expect(await store().keys.sealsReserved(region, keyId(1), 2)).to.equal(0)
  })

  it('refuses a write decided on an old revision and writes nothing of it', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await store().keys.update(sampleKey(1))
    await rejected(store().keys.update({ ...sampleKey(1), currentVersion: 2 }, [sampleVersion(1, 2)]), StaleWriteError)
    const view = await store().keys.get(region, keyId(1))
    expect(view?.key.currentVersion).to.equal(1)
    expect([...view?.versions.keys() ?? []]).to.deep.equal([1])
  })

  it('refuses to update a key that does not exist', async () => {
    await rejected(store().keys.update(sampleKey(1)), StaleWriteError)
  })

  it('lets one of 50 writes at once on one revision through', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    const writes = Array.from({ length: 50 }, (_, at) => store().keys.update({ ...sampleKey(1), description: `${at}` }))
    const results = await Promise.allSettled(writes)
    expect(results.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
    for (const result of results) if (result.status === 'rejected') expect(result.reason).to.be.instanceOf(StaleWriteError)
    expect((await store().keys.get(region, keyId(1)))?.key.revision).to.equal(1)
  })

  it('writes 50 keys at once', async () => {
    const numbers = Array.from({ length: 50 }, (_, at) => at)
    await Promise.all(numbers.map(number => store().keys.insert(sampleKey(number), sampleVersion(number, 1))))
    await Promise.all(numbers.map(number => store().keys.update({ ...sampleKey(number), currentVersion: 2 }, [sampleVersion(number, 2)])))
    const views = await Promise.all(numbers.map(number => store().keys.get(region, keyId(number))))
    expect(views.map(view => [view?.key.revision, view?.versions.size])).to.deep.equal(numbers.map(() => [1, 2]))
  })

  it('never shows a key of one write with the versions of another', async () => {
    let key = sampleKey(1)
    await store().keys.insert(key, sampleVersion(1, 1))
    const writing = new AbortController()
    const reads = Array.from({ length: 4 }, async () => {
      while (!writing.signal.aborted) {
        const view = await store().keys.get(region, keyId(1))
        expect(view?.versions.size).to.equal(view?.key.currentVersion)
      }
    })
    for (let version = 2; version <= 20; version++) {
      key = await store().keys.update({ ...key, currentVersion: version }, [sampleVersion(1, version)])
    }
    writing.abort()
    await Promise.all(reads)
  })

  it('removes a half-made key with its versions and budgets, and may be asked twice', async () => {
    await store().keys.insert(sampleKey(1, { state: 'Creating' }), sampleVersion(1, 1, { state: 'creating' }))
    await store().keys.remove(region, keyId(1))
    await store().keys.remove(region, keyId(1))
    expect(await store().keys.get(region, keyId(1))).to.equal(undefined)
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
  })

  it('refuses to remove a finished key', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await rejected(store().keys.remove(region, keyId(1)), StaleWriteError)
    expect(await store().keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1), versions: new Map([[1, sampleVersion(1, 1)]]) })
  })

  it('removes a half-made version and may be asked twice', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await store().keys.update(sampleKey(1), [sampleVersion(1, 2, { state: 'creating' })])
    await store().keys.removeVersion(region, keyId(1), 2)
    await store().keys.removeVersion(region, keyId(1), 2)
    expect([...(await store().keys.get(region, keyId(1)))?.versions.keys() ?? []]).to.deep.equal([1])
  })

  it('gives back a half-made key whose version is gone already, so that it can be undone', async () => {
    await store().keys.insert(sampleKey(1, { state: 'Creating' }), sampleVersion(1, 1, { state: 'creating' }))
    await store().keys.removeVersion(region, keyId(1), 1)
    expect(await store().keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1, { state: 'Creating' }), versions: new Map() })
  })

  it('refuses to remove a finished version', async () => {
    await store().keys.insert(sampleKey(1), sampleVersion(1, 1))
    await rejected(store().keys.removeVersion(region, keyId(1), 1), StaleWriteError)
    expect((await store().keys.get(region, keyId(1)))?.versions.size).to.equal(1)
  })
}

export function keyQueriesContract(store: () => Store): void {
  async function put(number: number, of: Partial<Key>, version: Partial<KeyVersion> = {}): Promise<void> {
    await store().keys.insert(sampleKey(number, of), sampleVersion(number, 1, version))
  }
  const ids = (names: readonly { readonly keyId: string }[]) => names.map(name => name.keyId)

  it('lists the keys that the API may show, and those of one region', async () => {
    const states: readonly KeyState[] = ['Creating', 'Enabled', 'Disabled', 'PendingDeletion', 'Destroying', 'Destroyed']
    for (const [number, state] of states.entries()) await put(number, { state })
    expect(await store().keys.list(region, undefined, 10)).to.deep.equal([1, 2, 3].map(keyId))
    expect(await store().keys.list('us-east-1', undefined, 10)).to.deep.equal([])
  })

  it('gives back a destroyed key to who asks for it by name', async () => {
    await put(1, { state: 'Destroyed' }, { state: 'destroyed' })
    expect((await store().keys.get(region, keyId(1)))?.key.state).to.equal('Destroyed')
  })

  it('pages in ascending order, whatever the order of writing', async () => {
    for (const number of [5, 3, 1, 4, 2]) await put(number, {})
    expect(await store().keys.list(region, undefined, 2)).to.deep.equal([1, 2].map(keyId))
    expect(await store().keys.list(region, keyId(2), 2)).to.deep.equal([3, 4].map(keyId))
    expect(await store().keys.list(region, keyId(4), 2)).to.deep.equal([keyId(5)])
    expect(await store().keys.list(region, keyId(5), 2)).to.deep.equal([])
  })

  it('names enabled keys whose rotation is due, oldest first', async () => {
    const schedule = (nextRotation: number) => ({ schedule: { periodInDays: 90, nextRotation } })
    await put(1, schedule(30))
    await put(2, schedule(10))
    await put(3, schedule(31))
    await put(4, { ...schedule(10), state: 'Disabled' })
    await put(5, {})
    expect(await store().keys.dueForRotation(30, 10)).to.deep.equal([2, 1].map(number => ({ region, keyId: keyId(number) })))
    expect(ids(await store().keys.dueForRotation(31, 2))).to.deep.equal([2, 1].map(keyId))
    expect(await store().keys.dueForRotation(9, 10)).to.deep.equal([])
  })

  it('names keys whose deletion is due and those left half destroyed', async () => {
    await put(1, { state: 'PendingDeletion', deletionDate: 20 })
    await put(2, { state: 'PendingDeletion', deletionDate: 21 })
    await put(3, { state: 'Destroying' })
    await put(4, { state: 'Destroyed', deletionDate: 1 })
    await put(5, {})
    expect(ids(await store().keys.dueForDeletion(20, 10))).to.have.members([1, 3].map(keyId))
    expect(await store().keys.dueForDeletion(21, 2)).to.have.length(2)
  })

  it('names, once each, keys that a crash may have left half-made or half-rotated', async () => {
    await put(1, { state: 'Creating' }, { state: 'creating' })
    await put(2, {})
    await put(3, {}, { state: 'destroying' })
    await put(4, {}, { state: 'creating' })
    await store().keys.update(sampleKey(4), [sampleVersion(4, 2, { state: 'creating' })])
    await put(5, { state: 'Destroyed' }, { state: 'destroyed' })
    expect(ids(await store().keys.unsettled(10))).to.deep.equal([1, 3, 4].map(keyId))
    expect(ids(await store().keys.unsettled(2))).to.deep.equal([1, 3].map(keyId))
  })
}

export function sealBudgetsContract(store: () => Store): void {
  const reserve = (count: number, limit = cap) => store().keys.reserveSeals(region, keyId(1), 1, count, limit)
  beforeEach(() => store().keys.insert(sampleKey(1), sampleVersion(1, 1)))

  it('starts at zero and grows by what was handed out', async () => {
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(0)
    expect(await reserve(300)).to.equal(300)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(300)
  })

  it('hands out what is left, then nothing', async () => {
    expect(await reserve(700)).to.equal(700)
    expect(await reserve(700)).to.equal(300)
    expect(await reserve(1)).to.equal(0)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(cap)
  })

  it('counts up to the 2^32 calls of SP 800-38D section 8.3', async () => {
    expect(await reserve(2 ** 32, 2 ** 32)).to.equal(2 ** 32)
    expect(await reserve(1, 2 ** 32)).to.equal(0)
  })

  it('hands out nothing, and takes nothing back, when the cap was lowered', async () => {
    await reserve(700)
    expect(await reserve(1, 500)).to.equal(0)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(700)
  })

  for (const count of [0, -1, 0.5, NaN]) {
    it(`refuses to reserve ${count} seals`, () => rejected(reserve(count), RangeError))
  }

  it('never exceeds the cap, however many reserve at once', async () => {
    const granted = await Promise.all(Array.from({ length: 50 }, () => reserve(30)))
    expect(granted.reduce((sum, count) => sum + count, 0)).to.equal(cap)
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(cap)
  })

  it('is not disturbed by changes of the key', async () => {
    await Promise.all([reserve(10), store().keys.update(sampleKey(1), [sampleVersion(1, 1, { state: 'destroying' })]), reserve(20)])
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(30)
  })
}
