import { expect } from 'chai'
import type { Import, Key } from '../../src/domain/key.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { accountId, keyId, region, rejected, sampleKey, sampleVersion } from './store-samples.js'

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
    await store().keys.insert(key, [version])
    expect(await store().keys.get(region, key.keyId)).to.deep.equal({ key, versions: new Map([[1, version]]) })
  })

  it('gives back what only some keys have', async () => {
    const key = sampleKey(1, {
      keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY', origin: 'AWS_CLOUDHSM', manager: 'AWS', customKeyStoreId: 'cks-0123456789abcdef0',
      multiRegion: { primaryRegion: 'us-east-1' }, state: 'PendingReplicaDeletion', pendingWindowInDays: 7,
    })
    const version = sampleVersion(1, 1, { kind: 'rsa-2048-sign' })
    await store().keys.insert(key, [version])
    expect(await store().keys.get(region, key.keyId)).to.deep.equal({ key, versions: new Map([[1, version]]) })
  })

  const imports: readonly Import[] = [
    { way: 'hsm' }, { way: 'hsm', validTo: 0, description: '' },
    { way: 'process', validTo: 2 ** 42, description: 'zero \0 byte, unpaired \ud800' },
  ]
  for (const of of imports) {
    it(`gives back an import of ${JSON.stringify(of)}`, async () => {
      const version = sampleVersion(1, 1, { import: of, state: 'absent' })
      await store().keys.insert(sampleKey(1, { origin: 'EXTERNAL', state: 'PendingImport' }), [version])
      expect((await store().keys.get(region, keyId(1)))?.versions.get(1)).to.deep.equal(version)
    })
  }

  it('gives back a key without any version, and gives it its first', async () => {
    const key = sampleKey(1, { origin: 'EXTERNAL', state: 'PendingImport', currentVersion: 0 })
    await store().keys.insert(key, [])
    expect(await store().keys.get(region, keyId(1))).to.deep.equal({ key, versions: new Map() })
    await store().keys.update({ ...key, state: 'Enabled', currentVersion: 1 }, [sampleVersion(1, 1)])
    expect((await store().keys.get(region, keyId(1)))?.versions).to.deep.equal(new Map([[1, sampleVersion(1, 1)]]))
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(0)
  })

  it('inserts several versions, each with its budget', async () => {
    await store().keys.insert(sampleKey(1, { currentVersion: 3 }), [1, 2, 3].map(version => sampleVersion(1, version)))
    expect([...(await store().keys.get(region, keyId(1)))?.versions.keys() ?? []]).to.deep.equal([1, 2, 3])
    for (const version of [1, 2, 3]) expect(await store().keys.reserveSeals(region, keyId(1), version, 5, cap)).to.equal(5)
  })

  it('writes nothing of a key when one of its versions cannot be inserted', async () => {
    await rejected(store().keys.insert(sampleKey(1), [sampleVersion(1, 1), sampleVersion(1, 1)]))
    await rejected(store().keys.insert(sampleKey(1), [sampleVersion(1, 1), sampleVersion(2, 2)]), TypeError)
    expect(await store().keys.get(region, keyId(1))).to.equal(undefined)
  })

  it('leaves out members that a key does not have', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    const view = await store().keys.get(region, keyId(1))
    expect(view?.key).to.not.have.any.keys('deletionDate', 'schedule', 'customKeyStoreId', 'multiRegion', 'pendingWindowInDays')
    expect(view?.versions.get(1)).to.not.have.any.keys('rotation', 'import')
  })

  for (const description of ['', 'zero \0 byte', 'unpaired \ud800 surrogate', '𝄞 "quoted" \\ \n', 'é']) {
    it(`gives back the description ${JSON.stringify(description)}`, async () => {
      await store().keys.insert(sampleKey(1, { description }), [sampleVersion(1, 1)])
      expect((await store().keys.get(region, keyId(1)))?.key.description).to.equal(description)
    })
  }

  it('keeps keys of one id in two regions apart', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    expect(await store().keys.get('us-east-1', keyId(1))).to.equal(undefined)
  })

  it('refuses a second key of the same name and keeps the first', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await rejected(store().keys.insert(sampleKey(1, { description: 'second' }), [sampleVersion(1, 1)]))
    expect((await store().keys.get(region, keyId(1)))?.key.description).to.equal(sampleKey(1).description)
  })

  it('refuses a version of another key', async () => {
    await rejected(store().keys.insert(sampleKey(1), [sampleVersion(2, 1)]), TypeError)
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await rejected(store().keys.update(sampleKey(1), [sampleVersion(2, 1)]), TypeError)
  })

  it('counts the keys of an account in one region that are not destroyed', async () => {
    const keys: readonly Partial<Key>[] = [
      {}, { state: 'Creating' }, { state: 'PendingDeletion' }, { state: 'Destroying' }, { state: 'PendingImport' },
      { state: 'PendingReplicaDeletion' }, { state: 'Disabled' }, { state: 'Destroyed' }, { region: 'us-east-1' },
      { accountId: '444455556666' },
    ]
    for (const [at, of] of keys.entries()) {
      await store().keys.insert(sampleKey(at, of), [sampleVersion(at, 1, { region: of.region ?? region })])
    }
    const counts = [[accountId, region], [accountId, 'us-east-1'], ['444455556666', region], ['444455556666', 'us-east-1']] as const
    expect(await Promise.all(counts.map(([account, where]) => store().keys.countOf(account, where)))).to.deep.equal([7, 1, 1, 0])
  })

  it('counts the keys of each key store that are not destroyed, in all regions', async () => {
    expect([...await store().keys.countByKeyStore()]).to.deep.equal([])
    const keys: readonly Partial<Key>[] = [
      {}, { state: 'PendingDeletion', region: 'us-east-1' }, { keyStore: 'b', state: 'Creating' }, { keyStore: 'c', state: 'Destroyed' },
    ]
    for (const [at, of] of keys.entries()) {
      await store().keys.insert(sampleKey(at, of), [sampleVersion(at, 1, { region: of.region ?? region })])
    }
    expect([...await store().keys.countByKeyStore()]).to.deep.equal([['b', 1], ['default', 2]])
  })

  it('counts the revision up and answers what it wrote', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    const written = await store().keys.update({ ...sampleKey(1), state: 'Disabled' })
    expect(written).to.deep.equal({ ...sampleKey(1), state: 'Disabled', revision: 1 })
    expect((await store().keys.get(region, keyId(1)))?.key).to.deep.equal(written)
  })

  it('changes known versions and adds new ones, with their budgets', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1, { state: 'creating' })])
    await store().keys.reserveSeals(region, keyId(1), 1, 5, cap)
    await store().keys.update({ ...sampleKey(1), currentVersion: 2 }, [sampleVersion(1, 1), sampleVersion(1, 2)])
    expect((await store().keys.get(region, keyId(1)))?.versions)
      .to.deep.equal(new Map([[1, sampleVersion(1, 1)], [2, sampleVersion(1, 2)]]))
    expect(await store().keys.sealsReserved(region, keyId(1), 1)).to.equal(5)
    expect(await store().keys.sealsReserved(region, keyId(1), 2)).to.equal(0)
  })

  it('refuses a write decided on an old revision and writes nothing of it', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await store().keys.update(sampleKey(1))
    await rejected(store().keys.update({ ...sampleKey(1), currentVersion: 2 }, [sampleVersion(1, 2)]), StaleWriteError)
    const view = await store().keys.get(region, keyId(1))
    expect(view?.key.currentVersion).to.equal(1)
    expect([...view?.versions.keys() ?? []]).to.deep.equal([1])
  })

  it('changes several keys at once, in the order given', async () => {
    for (const number of [1, 2]) await store().keys.insert(sampleKey(number), [sampleVersion(number, 1)])
    const written = await store().keys.updateAll([
      { key: { ...sampleKey(2), currentVersion: 2 }, versions: [sampleVersion(2, 2)] }, { key: { ...sampleKey(1), description: 'other' } },
    ])
    expect(written.map(({ keyId, revision }) => [keyId, revision])).to.deep.equal([[keyId(2), 1], [keyId(1), 1]])
    for (const key of written) expect((await store().keys.get(region, key.keyId))?.key).to.deep.equal(key)
    expect([...(await store().keys.get(region, keyId(2)))?.versions.keys() ?? []]).to.deep.equal([1, 2])
    expect(await store().keys.sealsReserved(region, keyId(2), 2)).to.equal(0)
    expect(await store().keys.updateAll([])).to.deep.equal([])
  })

  it('changes no key when one of several has another revision by now', async () => {
    for (const number of [1, 2]) await store().keys.insert(sampleKey(number), [sampleVersion(number, 1)])
    const other = await store().keys.update({ ...sampleKey(2), description: 'first' })
    const change = (number: number) => ({ key: { ...sampleKey(number), currentVersion: 2 }, versions: [sampleVersion(number, 2)] })
    for (const changes of [[1, 2], [2, 1], [1, 1], [1, 3]]) await rejected(store().keys.updateAll(changes.map(change)), StaleWriteError)
    await rejected(store().keys.updateAll([change(1), { ...change(2), versions: [sampleVersion(1, 2)] }]), TypeError)
    expect((await store().keys.get(region, keyId(1)))).to.deep.equal({ key: sampleKey(1), versions: new Map([[1, sampleVersion(1, 1)]]) })
    expect((await store().keys.get(region, keyId(2)))).to.deep.equal({ key: other, versions: new Map([[1, sampleVersion(2, 1)]]) })
  })

  it('refuses to update a key that does not exist', async () => {
    await rejected(store().keys.update(sampleKey(1)), StaleWriteError)
  })

  it('lets one of 50 writes at once on one revision through', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    const writes = Array.from({ length: 50 }, (_, at) => store().keys.update({ ...sampleKey(1), description: `${at}` }))
    const results = await Promise.allSettled(writes)
    expect(results.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
    for (const result of results) if (result.status === 'rejected') expect(result.reason).to.be.instanceOf(StaleWriteError)
    expect((await store().keys.get(region, keyId(1)))?.key.revision).to.equal(1)
  })

  it('writes 50 keys at once', async () => {
    const numbers = Array.from({ length: 50 }, (_, at) => at)
    await Promise.all(numbers.map(number => store().keys.insert(sampleKey(number), [sampleVersion(number, 1)])))
    await Promise.all(numbers.map(number => store().keys.update({ ...sampleKey(number), currentVersion: 2 }, [sampleVersion(number, 2)])))
    const views = await Promise.all(numbers.map(number => store().keys.get(region, keyId(number))))
    expect(views.map(view => [view?.key.revision, view?.versions.size])).to.deep.equal(numbers.map(() => [1, 2]))
  })

  it('never shows a key of one write with the versions of another', async () => {
    let key = sampleKey(1)
    await store().keys.insert(key, [sampleVersion(1, 1)])
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
    await store().keys.insert(sampleKey(1, { state: 'Creating' }), [sampleVersion(1, 1, { state: 'creating' })])
    await store().keys.remove(region, keyId(1))
    await store().keys.remove(region, keyId(1))
    expect(await store().keys.get(region, keyId(1))).to.equal(undefined)
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
  })

  it('refuses to remove a finished key', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await rejected(store().keys.remove(region, keyId(1)), StaleWriteError)
    expect(await store().keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1), versions: new Map([[1, sampleVersion(1, 1)]]) })
  })

  it('removes a half-made version and may be asked twice', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await store().keys.update(sampleKey(1), [sampleVersion(1, 2, { state: 'creating' })])
    await store().keys.removeVersion(region, keyId(1), 2)
    await store().keys.removeVersion(region, keyId(1), 2)
    expect([...(await store().keys.get(region, keyId(1)))?.versions.keys() ?? []]).to.deep.equal([1])
  })

  it('gives back a half-made key whose version is gone already, so that it can be undone', async () => {
    await store().keys.insert(sampleKey(1, { state: 'Creating' }), [sampleVersion(1, 1, { state: 'creating' })])
    await store().keys.removeVersion(region, keyId(1), 1)
    expect(await store().keys.get(region, keyId(1))).to.deep.equal({ key: sampleKey(1, { state: 'Creating' }), versions: new Map() })
  })

  it('refuses to remove a finished version', async () => {
    await store().keys.insert(sampleKey(1), [sampleVersion(1, 1)])
    await rejected(store().keys.removeVersion(region, keyId(1), 1), StaleWriteError)
    expect((await store().keys.get(region, keyId(1)))?.versions.size).to.equal(1)
  })
}
