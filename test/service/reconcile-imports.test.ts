import { expect } from 'chai'
import { createKey } from '../../src/api/keys.js'
import type { KeyVersion } from '../../src/domain/key.js'
import { backingKey, versionMaterial } from '../../src/domain/material.js'
import { reconcile } from '../../src/service/reconcile.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, region, storedKey } from '../support/services.js'

const elsewhere = 'us-east-1'

describe('reconciler and imported material', () => {
  const on = serviceSuite()

  async function newKey(MultiRegion = false): Promise<string> {
    return (await call(on.services, createKey, { Origin: 'EXTERNAL', MultiRegion })).KeyMetadata?.KeyId ?? ''
  }

  /** The row of a version as an import has it. Its object is made inside, which nothing here looks at. */
  async function version(keyId: string, number: number, of: Partial<KeyVersion>): Promise<KeyVersion> {
    const { key } = await storedKey(on.store, keyId)
    return { ...on.services.keyVersions.draft(key, number), import: { way: 'process' }, ...of }
  }

  const isThere = async (one: KeyVersion) => (await on.hsm.list()).some(({ label }) => label === versionMaterial(one).name)

  async function halfMade(keyId: string, number: number): Promise<KeyVersion> {
    const { key } = await storedKey(on.store, keyId)
    const draft = await version(keyId, number, { state: 'creating' })
    await on.store.keys.update(key, [draft])
    await on.hsm.createMaterial(backingKey(keyId, number, draft.kind))
    return draft
  }

  it('takes back the first material of a key, and never the key', async () => {
    const keyId = await newKey()
    const draft = await halfMade(keyId, 1)
    expect(await reconcile(on.services, 'next', true)).to.deep.equal({ undone: 1 })
    const { key, versions } = await storedKey(on.store, keyId)
    expect([key.state, key.currentVersion, versions.size]).to.deep.equal(['PendingImport', 0, 0])
    expect(await isThere(draft)).to.equal(false)
  })

  it('keeps the row of material that was to come back', async () => {
    const keyId = await newKey()
    const { key } = await storedKey(on.store, keyId)
    const absent = await version(keyId, 1, { state: 'absent' })
    await on.store.keys.update({ ...key, currentVersion: 1 }, [absent])
    const draft = await halfMade(keyId, 1)
    await reconcile(on.services, 'next', true)
    const stored = await storedKey(on.store, keyId)
    expect(stored.key.state).to.equal('PendingImport')
    expect(stored.versions.get(1)).to.deep.include({ state: 'absent', keyMaterialId: absent.keyMaterialId, import: { way: 'process' } })
    expect(await isThere(draft)).to.equal(false)
  })

  it('leaves the object that a relative in another Region needs', async () => {
    const keyId = await newKey(true)
    const { key } = await storedKey(on.store, keyId)
    await on.store.keys.update({ ...key, currentVersion: 1 }, [await version(keyId, 1, { state: 'absent' })])
    const ready = { ...await version(keyId, 1, { state: 'ready' }), region: elsewhere }
    await on.store.keys.insert({ ...key, region: elsewhere, currentVersion: 1, state: 'Enabled', revision: 1 }, [ready])
    const draft = await halfMade(keyId, 1)
    await reconcile(on.services, 'next', true)
    expect((await storedKey(on.store, keyId)).versions.get(1)?.state).to.equal('absent')
    expect(await isThere(draft)).to.equal(true)
    const { key: other, versions } = await storedKey(on.store, keyId, elsewhere)
    expect([other.state, versions.get(1)?.state]).to.deep.equal(['Enabled', 'ready'])
    expect(await on.store.keys.regionsOf(keyId)).to.deep.equal([region, elsewhere])
  })
})
