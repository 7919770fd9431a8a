import { expect } from 'chai'
import type { Key, KeyState, KeyVersion } from '../../src/domain/key.js'
import type { Store } from '../../src/ports/store.js'
import { keyId, region, sampleKey, sampleVersion } from './store-samples.js'

export function keyQueriesContract(store: () => Store): void {
  async function put(number: number, of: Partial<Key>, version: Partial<KeyVersion> = {}): Promise<void> {
    await store().keys.insert(sampleKey(number, of), [sampleVersion(number, 1, version)])
  }
  const ids = (names: readonly { readonly keyId: string }[]) => names.map(name => name.keyId)

  it('lists the keys that the API may show, and those of one region', async () => {
    const states: readonly KeyState[] = [
      'Creating', 'Enabled', 'Disabled', 'PendingImport', 'PendingDeletion', 'PendingReplicaDeletion', 'Destroying', 'Destroyed',
    ]
    for (const [number, state] of states.entries()) await put(number, { state })
    expect(await store().keys.list(undefined, region, undefined, 10)).to.deep.equal([1, 2, 3, 4, 5].map(keyId))
    expect(await store().keys.list(undefined, 'us-east-1', undefined, 10)).to.deep.equal([])
  })

  it('gives back a destroyed key to who asks for it by name', async () => {
    await put(1, { state: 'Destroyed' }, { state: 'destroyed' })
    expect((await store().keys.get(region, keyId(1)))?.key.state).to.equal('Destroyed')
  })

  it('pages in ascending order, whatever the order of writing', async () => {
    for (const number of [5, 3, 1, 4, 2]) await put(number, {})
    expect(await store().keys.list(undefined, region, undefined, 2)).to.deep.equal([1, 2].map(keyId))
    expect(await store().keys.list(undefined, region, keyId(2), 2)).to.deep.equal([3, 4].map(keyId))
    expect(await store().keys.list(undefined, region, keyId(4), 2)).to.deep.equal([keyId(5)])
    expect(await store().keys.list(undefined, region, keyId(5), 2)).to.deep.equal([])
  })

  it('names enabled keys whose rotation is due, oldest first', async () => {
    const schedule = (nextRotation: number) => ({ schedule: { periodInDays: 90, nextRotation } })
    await put(1, schedule(30))
    await put(2, schedule(10))
    await put(3, schedule(31))
    await put(4, { ...schedule(10), state: 'Disabled' })
    await put(5, {})
    await put(6, { ...schedule(10), state: 'PendingImport' })
    expect(await store().keys.dueForRotation(30, 10)).to.deep.equal([2, 1].map(number => ({ region, keyId: keyId(number) })))
    expect(ids(await store().keys.dueForRotation(31, 2))).to.deep.equal([2, 1].map(keyId))
    expect(await store().keys.dueForRotation(9, 10)).to.deep.equal([])
  })

  it('names the regions of a key, in any state but Destroyed', async () => {
    const states = { 'us-east-1': 'Creating', 'eu-west-1': 'Destroyed', 'ap-south-1': 'PendingDeletion', [region]: 'Destroying' } as const
    for (const [of, state] of Object.entries(states)) await put(1, { region: of, state }, { region: of })
    await put(2, {})
    expect(await store().keys.regionsOf(keyId(1))).to.deep.equal(['ap-south-1', region, 'us-east-1'])
    expect(await store().keys.regionsOf(keyId(1), 'everywhere')).to.deep.equal(['ap-south-1', region, 'eu-west-1', 'us-east-1'])
    expect(await store().keys.regionsOf(keyId(2))).to.deep.equal([region])
    expect(await store().keys.regionsOf(keyId(3))).to.deep.equal([])
  })

  it('names, once each, keys with ready material that has expired, oldest first', async () => {
    const imported = (validTo?: number) => ({ import: { way: 'hsm' as const, ...validTo !== undefined && { validTo } } })
    await put(1, {}, imported(30))
    await put(2, {}, imported(20))
    await store().keys.update(sampleKey(2), [sampleVersion(2, 2, imported(25)), sampleVersion(2, 3, imported(99))])
    await put(3, {}, imported(31))
    await put(4, {}, { ...imported(10), state: 'absent' })
    await put(5, {}, imported())
    await put(6, {})
    for (const [at, state] of (['Destroying', 'Destroyed'] as const).entries()) await put(7 + at, { state }, imported(10))
    await put(9, { state: 'Disabled' }, imported(15))
    await put(10, { state: 'PendingDeletion' }, imported(16))
    expect(await store().keys.dueForExpiry(30, 10)).to.deep.equal([9, 10, 2, 1].map(number => ({ region, keyId: keyId(number) })))
    expect(ids(await store().keys.dueForExpiry(31, 2))).to.deep.equal([9, 10].map(keyId))
    expect(await store().keys.dueForExpiry(14, 10)).to.deep.equal([])
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

  it('names keys that waited for their replicas, once the last is destroyed', async () => {
    for (const [number, replica] of (['Destroyed', 'Destroying', 'Creating', 'Disabled'] as const).entries()) {
      await put(number, { state: 'PendingReplicaDeletion' })
      await put(number, { region: 'us-east-1', state: replica }, { region: 'us-east-1' })
    }
    expect((await store().keys.dueForDeletion(1, 10)).filter(name => name.region === region)).to.deep.equal([{ region, keyId: keyId(0) }])
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
