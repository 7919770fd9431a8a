import { expect } from 'chai'
import { cancelKeyDeletion, createKey, describeKey, enableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import type { ErrorCode } from '../../src/domain/errors.js'
import { keySpecs } from '../../src/domain/key-spec.js'
import { backingKey, materialOwner } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys } from '../../src/jobs/due-keys.js'
import { replacing } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, call, keyStoresOf, region, storedKey } from '../support/services.js'

type Asked = Parameters<typeof call<typeof createKey>>[2]

const customStore = {
  region, id: 'cks-0123456789abcdef0', name: 'store', keyStore: 'other', clusterId: 'cluster-aaaaaaaaaaa', trustAnchorCertificate: '',
  createdAt: 1,
}
const external = ['SYMMETRIC_DEFAULT', 'HMAC_256', 'RSA_2048', 'ECC_NIST_P256'] as const

describe('CreateKey', () => {
  const on = serviceSuite()

  beforeEach(() => on.restart({ keyStores: keyStoresOf({ default: on.hsm, other: on.hsm }) }))

  async function made(asked: Asked) {
    const { KeyMetadata } = await call(on.services, createKey, asked)
    if (!KeyMetadata) throw new Error('no metadata')
    return KeyMetadata
  }

  const rows = [...keySpecs.values()].flatMap(row => row.usages.map(usage => ({ row, usage })))
  for (const { row: { spec }, usage: { usage, algorithms, material = 'gcm' } } of rows) {
    it(`makes a key ${spec} for ${usage}, or says that the HSM cannot`, async () => {
      const asked = { KeySpec: spec, KeyUsage: usage }
      if (!on.hsm.kinds.has(material)) {
        await refused(call(on.services, createKey, asked), 'UnsupportedOperationException')
        expect(await on.store.keys.countByKeyStore()).to.deep.equal(new Map())
        return
      }
      const metadata = await made(asked)
      expect(metadata).to.deep.include({
        KeySpec: spec, CustomerMasterKeySpec: spec, KeyUsage: usage, KeyState: 'Enabled', Enabled: true, Origin: 'AWS_KMS',
        KeyManager: 'CUSTOMER', MultiRegion: false,
      })
      const lists = [
        metadata.EncryptionAlgorithms, metadata.SigningAlgorithms, metadata.MacAlgorithms, metadata.KeyAgreementAlgorithms,
        metadata.EncapsulationAlgorithms,
      ].filter(list => list !== undefined)
      expect(lists).to.deep.equal([algorithms])
      expect('CurrentKeyMaterialId' in metadata).to.equal(spec === 'SYMMETRIC_DEFAULT')
      expect(await on.hsm.find(backingKey(metadata.KeyId, 1, material))).to.not.equal(undefined)
    })
  }

  const wrong: readonly (readonly [string, Asked, ErrorCode, RegExp])[] = [
    ['a spec without a usage', { KeySpec: 'HMAC_256' }, 'ValidationException',
      /^You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys\.$/],
    ['a usage that the spec has not', { KeySpec: 'RSA_2048', KeyUsage: 'KEY_AGREEMENT' }, 'ValidationException',
      /^KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048$/],
    ['two specs', { KeySpec: 'RSA_2048', CustomerMasterKeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }, 'ValidationException', /KeySpec/],
    ['SM2', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, 'UnsupportedOperationException', /SM2/],
    ['Origin EXTERNAL_KEY_STORE', { Origin: 'EXTERNAL_KEY_STORE' }, 'UnsupportedOperationException', /EXTERNAL_KEY_STORE/],
    ['an XksKeyId', { XksKeyId: 'key' }, 'UnsupportedOperationException', /XksKeyId/],
    ['material for ML-DSA from outside', { KeySpec: 'ML_DSA_44', KeyUsage: 'SIGN_VERIFY', Origin: 'EXTERNAL' },
      'UnsupportedOperationException', /ML_DSA_44/],
    ['Origin AWS_CLOUDHSM without a store', { Origin: 'AWS_CLOUDHSM' }, 'ValidationException', /CustomKeyStoreId/],
    ['a store with another Origin', { CustomKeyStoreId: customStore.id }, 'ValidationException', /Origin AWS_KMS/],
    ['a store that is not there', { CustomKeyStoreId: 'cks-00000000000000000', Origin: 'AWS_CLOUDHSM' },
      'CustomKeyStoreNotFoundException', /cks-0/],
    ['another spec in a store',
      { CustomKeyStoreId: customStore.id, Origin: 'AWS_CLOUDHSM', KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
      'UnsupportedOperationException', /HMAC_256/],
    ['a multi-Region key in a store', { CustomKeyStoreId: customStore.id, Origin: 'AWS_CLOUDHSM', MultiRegion: true },
      'UnsupportedOperationException', /MultiRegion/],
  ]
  for (const [what, asked, code, text] of wrong) {
    it(`refuses ${what} with ${code}`, async () => {
      const { message } = await refused(call(on.services, createKey, asked), code)
      expect(message).to.match(text)
      expect(await on.store.keys.countByKeyStore()).to.deep.equal(new Map())
    })
  }

  describe('with Origin EXTERNAL', () => {
    for (const spec of external) {
      it(`makes a key ${spec} that has no material yet`, async () => {
        const usage = keySpecs.get(spec)?.usages[0]?.usage ?? 'ENCRYPT_DECRYPT'
        const metadata = await made({ KeySpec: spec, KeyUsage: usage, Origin: 'EXTERNAL' })
        expect(metadata).to.deep.include({ KeyState: 'PendingImport', Enabled: false, Origin: 'EXTERNAL' })
        expect(metadata).to.not.have.any.keys('CurrentKeyMaterialId', 'ExpirationModel', 'ValidTo')
        const { key, versions } = await storedKey(on.store, metadata.KeyId)
        expect([key.currentVersion, versions.size]).to.deep.equal([0, 0])
        await refused(call(on.services, enableKey, { KeyId: metadata.KeyId }), 'KMSInvalidStateException')
        expect((await call(on.services, describeKey, { KeyId: metadata.KeyId })).KeyMetadata).to.deep.equal(metadata)
      })
    }

    it('makes no object in the HSM', async () => {
      const { KeyId } = await made({ Origin: 'EXTERNAL' })
      const owners = (await on.hsm.list()).map(({ label }) => materialOwner(label))
      expect(owners.some(owner => owner?.kind === 'backing-key' && owner.keyId === KeyId)).to.equal(false)
    })

    it('makes one that waits for material again after its deletion was cancelled', async () => {
      const { KeyId } = await made({ Origin: 'EXTERNAL' })
      expect((await call(on.services, scheduleKeyDeletion, { KeyId })).KeyState).to.equal('PendingDeletion')
      await call(on.services, cancelKeyDeletion, { KeyId })
      expect((await call(on.services, describeKey, { KeyId })).KeyMetadata).to.deep.include({ KeyState: 'PendingImport', Enabled: false })
      await refused(call(on.services, cancelKeyDeletion, { KeyId }), 'KMSInvalidStateException')
    })

    it('makes one that can be deleted', async () => {
      const { KeyId } = await made({ Origin: 'EXTERNAL' })
      await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      on.clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(on.services, 'this')).to.equal(1)
      await refused(call(on.services, describeKey, { KeyId }), 'NotFoundException')
    })

    it('is refused where encryption needs a pair of objects', async () => {
      const pairs = replacing(on.hsm, { suite: 'cbc-hmac', kinds: new Set([...on.hsm.kinds, 'cbc-hmac' as const]) })
      const there = on.newServices({ hsm: pairs })
      await refused(call(there, createKey, { Origin: 'EXTERNAL' }), 'UnsupportedOperationException')
    })

    it('is refused where the HSM takes no material from outside', async () => {
      const closed = replacing(on.hsm, { kinds: new Set([...on.hsm.kinds].filter(kind => !kind.endsWith('-wrapping'))) })
      const there = on.newServices({ hsm: closed })
      await refused(call(there, createKey, { Origin: 'EXTERNAL' }), 'UnsupportedOperationException')
      expect(await on.store.keys.countByKeyStore()).to.deep.equal(new Map())
    })
  })

  it('makes a multi-Region primary', async () => {
    const metadata = await made({ MultiRegion: true })
    expect(metadata.KeyId).to.match(/^mrk-[0-9a-f]{32}$/)
    expect(metadata.MultiRegion).to.equal(true)
    expect(metadata.MultiRegionConfiguration).to.deep.equal({
      MultiRegionKeyType: 'PRIMARY', PrimaryKey: { Arn: metadata.Arn, Region: region }, ReplicaKeys: [],
    })
  })

  describe('in a custom key store', () => {
    const asked = { CustomKeyStoreId: customStore.id, Origin: 'AWS_CLOUDHSM' } as const

    async function store(connected: boolean): Promise<void> {
      await on.store.customKeyStores.insert({ ...customStore, accountId, connected })
      await on.services.customKeyStores.load()
    }

    it('makes the key in its token', async () => {
      await store(true)
      const metadata = await made(asked)
      expect(metadata).to.deep.include({
        Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: customStore.id, CloudHsmClusterId: customStore.clusterId,
      })
      expect((await storedKey(on.store, metadata.KeyId)).key.keyStore).to.equal('other')
    })

    it('is refused while the store is not connected', async () => {
      await store(false)
      await refused(call(on.services, createKey, asked), 'CustomKeyStoreInvalidStateException')
    })

    it('is refused when the store is deleted before there is a row of the key', async () => {
      await store(true)
      // Where the id of the key comes from, and so before its row.
      const other = replacing(on.hsm, {
        async random(length) {
          await on.store.customKeyStores.remove(customStore.id)
          await racing.customKeyStores.load()
          return on.hsm.random(length)
        },
      })
      const racing = on.newServices({ keyStores: keyStoresOf({ default: on.hsm, other }) })
      await racing.customKeyStores.load()
      await refused(call(racing, createKey, asked), 'CustomKeyStoreNotFoundException')
      expect(await on.store.keys.countByKeyStore()).to.deep.equal(new Map())
    })

    it('of another Region is not found', async () => {
      await store(true)
      await refused(call(on.services, createKey, asked, undefined, 'us-east-1'), 'CustomKeyStoreNotFoundException')
    })
  })
})
