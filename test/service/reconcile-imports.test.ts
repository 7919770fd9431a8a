import { expect } from 'chai'
import { createKey } from '../../src/api/keys.js'
import type { KeyVersion } from '../../src/domain/key.js'
import { backingKey, versionMaterial } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { reconcile } from '../../src/service/reconcile.js'
import type { Services } from '../../src/service/services.js'
import { call, openTestHsm, openTestStore, region, servicesOver, storedKey, type TestStore } from '../support/services.js'

const elsewhere = 'us-east-1'

describe('reconciler and imported material', () => {
  let hsm: Hsm
  let opened: TestStore
  let services: Services

  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    services = servicesOver({ hsm, store: opened.store })
  })
  afterEach(() => opened.close())

  async function newKey(MultiRegion = false): Promise<string> {
    return (await call(services, createKey, { Origin: 'EXTERNAL', MultiRegion })).KeyMetadata?.KeyId ?? ''
  }

  /** The row of a version as an import has it. Its object is made inside, which nothing here looks at. */
  async function version(keyId: string, number: number, of: Partial<KeyVersion>): Promise<KeyVersion> {
    const { key } = await storedKey(opened.store, keyId)
    return { ...services.keyVersions.draft(key, number), import: { way: 'process' }, ...of }
  }

  const isThere = async (one: KeyVersion) => (await hsm.list()).some(({ label }) => label === versionMaterial(one).name)

  async function halfMade(keyId: string, number: number): Promise<KeyVersion> {
    const { key } = await storedKey(opened.store, keyId)
    const draft = await version(keyId, number, { state: 'creating' })
    await opened.store.keys.update(key, [draft])
    await hsm.createMaterial(backingKey(keyId, number, draft.kind))
    return draft
  }

  it('takes back the first material of a key, and never the key', async () => {
    const keyId = await newKey()
    const draft = await halfMade(keyId, 1)
    expect(await reconcile(services, 'next', true)).to.deep.equal({ undone: 1 })
    const { key, versions } = await storedKey(opened.store, keyId)
    expect([key.state, key.currentVersion, versions.size]).to.deep.equal(['PendingImport', 0, 0])
    expect(await isThere(draft)).to.equal(false)
  })

  it('keeps the row of material that was to come back', async () => {
    const keyId = await newKey()
    const { key } = await storedKey(opened.store, keyId)
    const absent = await version(keyId, 1, { state: 'absent' })
    await opened.store.keys.update({ ...key, currentVersion: 1 }, [absent])
    const draft = await halfMade(keyId, 1)
    await reconcile(services, 'next', true)
    const stored = await storedKey(opened.store, keyId)
    expect(stored.key.state).to.equal('PendingImport')
    expect(stored.versions.get(1)).to.deep.include({ state: 'absent', keyMaterialId: absent.keyMaterialId, import: { way: 'process' } })
    expect(await isThere(draft)).to.equal(false)
  })

  it('leaves the object that a relative in another Region needs', async () => {
    const keyId = await newKey(true)
    const { key } = await storedKey(opened.store, keyId)
    await opened.store.keys.update({ ...key, currentVersion: 1 }, [await version(keyId, 1, { state: 'absent' })])
    const ready = { ...await version(keyId, 1, { state: 'ready' }), region: elsewhere }
    await opened.store.keys.insert({ ...key, region: elsewhere, currentVersion: 1, state: 'Enabled', revision: 1 }, [ready])
    const draft = await halfMade(keyId, 1)
    await reconcile(services, 'next', true)
    expect((await storedKey(opened.store, keyId)).versions.get(1)?.state).to.equal('absent')
    expect(await isThere(draft)).to.equal(true)
    const { key: other, versions } = await storedKey(opened.store, keyId, elsewhere)
    expect([other.state, versions.get(1)?.state]).to.deep.equal(['Enabled', 'ready'])
    expect(await opened.store.keys.regionsOf(keyId)).to.deep.equal([region, elsewhere])
  })
})
