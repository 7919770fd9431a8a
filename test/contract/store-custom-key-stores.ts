import { expect } from 'chai'
import type { Store } from '../../src/ports/store.js'
import { sampleCustomKeyStore as sample } from './store-samples.js'

export function customKeyStoresContract(store: () => Store): void {
  const stores = () => store().customKeyStores

  it('gives back all of them', async () => {
    expect(await stores().all()).to.deep.equal([])
    const written = [
      sample(1, { connected: true }), sample(2, { region: 'us-east-1' }),
      sample(3, { name: 'zero \0, unpaired \ud800, 𝄞 "', clusterId: '', trustAnchorCertificate: '\ud800\r\n' }),
    ]
    for (const one of [...written].reverse()) expect(await stores().insert(one)).to.equal(true)
    expect(await stores().all()).to.have.deep.members(written)
  })

  it('keeps the first of two of one id, key store, or name', async () => {
    expect(await stores().insert(sample(1))).to.equal(true)
    for (const of of [{ id: sample(1).id }, { keyStore: sample(1).keyStore }, { name: sample(1).name }]) {
      expect(await stores().insert(sample(2, of)), JSON.stringify(of)).to.equal(false)
    }
    expect(await stores().insert(sample(2, { keyStore: sample(1).keyStore, region: 'us-east-1' })), 'in another region').to.equal(false)
    expect(await stores().all()).to.deep.equal([sample(1)])
  })

  it('takes one name in two regions', async () => {
    expect(await stores().insert(sample(1))).to.equal(true)
    expect(await stores().insert(sample(2, { name: sample(1).name, region: 'us-east-1' }))).to.equal(true)
  })

  it('lets one of those through that claim a key store at once', async () => {
    const claims = await Promise.all([1, 2, 3, 4].map(number => stores().insert(sample(number, { keyStore: 'token' }))))
    expect(claims.filter(Boolean)).to.have.length(1)
    expect(await stores().all()).to.have.length(1)
  })

  it('updates every member, by id', async () => {
    for (const number of [1, 2]) await stores().insert(sample(number))
    const changed = { ...sample(3), id: sample(1).id, connected: true }
    expect(await stores().update(changed)).to.equal(true)
    expect(await stores().all()).to.have.deep.members([changed, sample(2)])
    expect(await stores().update(changed), 'the same again').to.equal(true)
  })

  it('refuses an update of none, and to a name or key store that is taken', async () => {
    expect(await stores().update(sample(1))).to.equal(false)
    for (const number of [1, 2]) await stores().insert(sample(number))
    expect(await stores().update(sample(1, { name: sample(2).name }))).to.equal(false)
    expect(await stores().update(sample(1, { keyStore: sample(2).keyStore }))).to.equal(false)
    expect(await stores().all()).to.have.deep.members([1, 2].map(number => sample(number)))
  })

  it('removes one, and says when there is none; its name and key store are free again', async () => {
    for (const number of [1, 2]) await stores().insert(sample(number))
    expect(await stores().remove(sample(1).id)).to.equal(true)
    expect(await stores().remove(sample(1).id)).to.equal(false)
    expect(await stores().all()).to.deep.equal([sample(2)])
    expect(await stores().insert({ ...sample(1), id: sample(3).id })).to.equal(true)
  })
}
