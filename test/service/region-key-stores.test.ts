import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { replicateKey } from '../../src/api/multi-region.js'
import { rotateKeyOnDemand } from '../../src/api/rotation.js'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import { versionMaterial } from '../../src/domain/material.js'
import { deleteExpiredKeys } from '../../src/jobs/due-keys.js'
import type { Hsm } from '../../src/ports/hsm.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { importInto, newExternalKey } from '../support/importing.js'
import { RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import { call, keyStoresOf, openTestHsm, openTestStore, region, servicesOver, storedKey, type TestStore } from '../support/services.js'
import { freshToken } from '../support/softhsm.js'

const elsewhere = 'us-east-1'
const dayMs = 86_400_000
const plaintext = Buffer.from('secret')

describe('regions whose keys are in another HSM', function () {
  this.timeout(60_000)
  let hsm: Hsm
  let other: Hsm
  let opened: TestStore
  let clock: MovedClock
  let services: Services

  before(async () => {
    // Before a token is open in this process.
    const token = await freshToken()
    hsm = await openTestHsm()
    other = await openHsm({ ...token, profile: 'softhsm', host: 'process', lanes: { count: 1 } }, new RecordedLog())
  })
  after(async () => {
    await other.close()
    await hsm.close()
  })
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    clock = new MovedClock()
    const keyStores = keyStoresOf({ default: hsm, other }, 'default', { [elsewhere]: 'other' })
    services = servicesOver({ hsm, keyStores, store: opened.store, clock })
  })
  afterEach(() => opened.close())

  const seal = async (KeyId: string, at: string) =>
    (await call(services, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) }, undefined, at)).CiphertextBlob ?? new Uint8Array()
  const open = async (CiphertextBlob: Uint8Array, at: string) =>
    Buffer.from((await call(services, decrypt, { CiphertextBlob }, undefined, at)).Plaintext ?? [])

  it('make them there', async () => {
    for (const [at, keyStore] of [[region, 'default'], [elsewhere, 'other']] as const) {
      const KeyId = (await call(services, createKey, {}, undefined, at)).KeyMetadata?.KeyId ?? ''
      const { key, versions } = await storedKey(opened.store, KeyId, at)
      expect(key.keyStore).to.equal(keyStore)
      const [version] = versions.values()
      const holds = async (one: Hsm) => version !== undefined && await one.find(versionMaterial(version)) !== undefined
      expect([await holds(hsm), await holds(other)]).to.deep.equal([keyStore === 'default', keyStore === 'other'])
      expect(await open(await seal(KeyId, at), at)).to.deep.equal(plaintext)
    }
  })

  it('cannot be given a key that was made in the first', async () => {
    const { KeyMetadata: key } = await call(services, createKey, { MultiRegion: true })
    const KeyId = key?.KeyId ?? ''
    const { message } = await refused(call(services, replicateKey, { KeyId, ReplicaRegion: elsewhere }), 'UnsupportedOperationException')
    expect(message).to.contain('cannot leave the one that made it')
    expect(await opened.store.keys.regionsOf(KeyId)).to.deep.equal([region])
  })

  it('open each other\'s ciphertexts of a key whose material both were given', async () => {
    const KeyId = await newExternalKey(services, { MultiRegion: true })
    const materials = [randomBytes(32), randomBytes(32)] as const
    await importInto(services, KeyId, materials[0])
    await call(services, replicateKey, { KeyId, ReplicaRegion: elsewhere })
    await importInto(services, KeyId, materials[0], { at: elsewhere })
    expect((await storedKey(opened.store, KeyId, elsewhere)).key.keyStore).to.equal('other')
    const before = [await seal(KeyId, region), await seal(KeyId, elsewhere)]
    await importInto(services, KeyId, materials[1], { asked: { ImportType: 'NEW_KEY_MATERIAL' } })
    await importInto(services, KeyId, materials[1], { at: elsewhere })
    await call(services, rotateKeyOnDemand, { KeyId })
    for (const blob of [...before, await seal(KeyId, region), await seal(KeyId, elsewhere)]) {
      for (const at of [region, elsewhere]) expect(await open(blob, at)).to.deep.equal(plaintext)
    }
  })

  it('keep theirs when the key is deleted in the other', async () => {
    const KeyId = await newExternalKey(services, { MultiRegion: true })
    const material = randomBytes(32)
    await importInto(services, KeyId, material)
    await call(services, replicateKey, { KeyId, ReplicaRegion: elsewhere })
    await importInto(services, KeyId, material, { at: elsewhere })
    const [version] = (await storedKey(opened.store, KeyId)).versions.values()
    if (!version) throw new Error('the key has no version')
    await call(services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 }, undefined, elsewhere)
    clock.advance(8 * dayMs)
    expect(await deleteExpiredKeys(services, 'test')).to.equal(1)
    expect(await other.find(versionMaterial(version))).to.equal(undefined)
    expect(await open(await seal(KeyId, region), region)).to.deep.equal(plaintext)
  })
})
