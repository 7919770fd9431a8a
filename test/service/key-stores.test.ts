import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { generateDataKey } from '../../src/api/data-keys.js'
import { createKey, describeKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { generateRandom } from '../../src/api/random.js'
import { enableKeyRotation, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import { HsmError, type Hsm, type HsmErrorKind } from '../../src/ports/hsm.js'
import { readiness } from '../../src/service/readiness.js'
import { reconcile, reportKeysWithoutStore, reportOrphans } from '../../src/service/reconcile.js'
import type { Services } from '../../src/service/services.js'
import { onEveryCall } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, keyStoresOf, newKey, region, storedKey, type ServicesOptions } from '../support/services.js'

const plaintext = Buffer.from('a data key of thirty-two bytes..')

describe('several key stores', () => {
  const on = serviceSuite()

  interface Watched {
    readonly services: Services
    readonly asked: Record<'default' | 'other', string[]>
    readonly down: Map<string, HsmErrorKind>
  }

  /**
   * Services that make new keys in the store `forNewKeys`, and whose stores fail while they are in `down`. There is one token behind
   * both names: what matters is which of them is asked.
   */
  function watched(forNewKeys: 'default' | 'other', options: Partial<ServicesOptions> = {}): Watched {
    const asked = { default: [] as string[], other: [] as string[] }
    const down = new Map<string, HsmErrorKind>()
    const store = (name: 'default' | 'other') => onEveryCall(on.hsm, method => {
      asked[name].push(method)
      const kind = down.get(name)
      if (kind) throw new HsmError(kind, 'the device is gone')
    })
    const keyStores = keyStoresOf({ default: store('default'), other: store('other') }, forNewKeys)
    return { services: on.newServices({ keyStores, ...options }), asked, down }
  }

  const seal = async (services: Services, KeyId: string) =>
    (await call(services, encrypt, { KeyId, Plaintext: Buffer.from(plaintext) })).CiphertextBlob
  const open = async (services: Services, CiphertextBlob: Uint8Array | undefined) =>
    Buffer.from((await call(services, decrypt, CiphertextBlob ? { CiphertextBlob } : {})).Plaintext ?? [])
  const idOfNew = async (services: Services) => (await newKey(services)).key.keyId

  it('make a key, its data keys and its rotations in the one for new keys, and ask no other for them', async () => {
    const { services, asked } = watched('other')
    const KeyId = await idOfNew(services)
    expect((await storedKey(on.store, KeyId)).key.keyStore).to.equal('other')
    asked.default.length = 0
    await call(services, rotateKeyOnDemand, { KeyId })
    const { CiphertextBlob } = await call(services, generateDataKey, { KeyId, KeySpec: 'AES_256' })
    await open(services, CiphertextBlob)
    // What the default store still does is vouch for the rows.
    expect(asked.default.filter(method => method !== 'mac')).to.deep.equal([])
    expect(asked.other).to.include.members(['random', 'seal', 'open', 'createMaterial'])
  })

  it('take random bytes that are nobody\'s from that of the roots', async () => {
    const { services, asked } = watched('other')
    await call(services, generateRandom, { NumberOfBytes: 16 })
    expect([asked.default, asked.other]).to.deep.equal([['random'], []])
  })

  it('keep old keys usable where they are when new ones are made elsewhere', async () => {
    const before = watched('default').services
    const KeyId = await idOfNew(before)
    const blob = await seal(before, KeyId)
    const { services, asked } = watched('other')
    expect(await open(services, blob)).to.deep.equal(plaintext)
    await call(services, rotateKeyOnDemand, { KeyId })
    expect(await open(services, await seal(services, KeyId))).to.deep.equal(plaintext)
    expect(asked.other).to.deep.equal([])
    expect((await storedKey(on.store, await idOfNew(services))).key.keyStore).to.equal('other')
  })

  const unavailable = 'KeyUnavailableException'
  for (const [kind, code] of [['lost', unavailable], ['login', unavailable], ['busy', 'ThrottlingException']] as const) {
    it(`answer ${code} for keys of one that is ${kind}, and serve all others`, async () => {
      const [there, away] = [await idOfNew(watched('default').services), await idOfNew(watched('other').services)]
      const blob = await seal(watched('other').services, away)
      const { services, down } = watched('other')
      down.set('other', kind)
      await refused(open(services, blob), code)
      await refused(seal(services, away), code)
      await refused(call(services, generateDataKey, { KeyId: away, KeySpec: 'AES_256' }), code)
      await refused(call(services, rotateKeyOnDemand, { KeyId: away }), code)
      await refused(call(services, createKey, {}), code)
      expect(await on.store.keys.unsettled(10)).to.deep.equal([])
      expect(await open(services, await seal(services, there))).to.deep.equal(plaintext)
      expect((await call(services, describeKey, { KeyId: away })).KeyMetadata?.KeyState).to.equal('Enabled')
      down.clear()
      expect(await open(services, blob)).to.deep.equal(plaintext)
    })
  }

  it('answer KeyUnavailableException for keys of one that is not configured any more, and name it', async () => {
    const there = await idOfNew(watched('default').services)
    const gone = [await idOfNew(watched('other').services), await idOfNew(watched('other').services)]
    const services = on.newServices()
    for (const KeyId of gone) await refused(seal(services, KeyId), 'KeyUnavailableException')
    await seal(services, there)
    expect(await reportKeysWithoutStore(services)).to.deep.equal(['other'])
    expect(on.log.entries.find(({ level }) => level === 'error')?.fields).to.deep.equal({ keyStore: 'other', keys: 2 })
    expect(await reportKeysWithoutStore(watched('other').services)).to.deep.equal([])
  })

  it('say what is missing on a device that answers, and what is lost on one that does not', async () => {
    const { services, down, asked } = watched('other')
    const KeyId = await idOfNew(services)
    const blob = await seal(services, KeyId)
    await on.hsm.destroyMaterial(backingKey(KeyId, 1, 'gcm'))
    await refused(open(services, blob), 'KMSInternalException')
    asked.other.length = 0
    // A device that was taken away between the call and the question.
    const lying = onEveryCall(on.hsm, method => {
      if (method === 'probe') throw new HsmError('lost', 'the device is gone')
      throw new HsmError(method === 'open' ? 'missing' : 'evidence', 'it seems to be empty')
    })
    const seeming = on.newServices({ keyStores: keyStoresOf({ default: on.hsm, other: lying }) })
    await refused(open(seeming, blob), 'KeyUnavailableException')
    await refused(seal(seeming, KeyId), 'KeyUnavailableException')
    down.clear()
  })

  describe('readiness', () => {
    it('is not lost with a store that is not that of the roots, but names it', async () => {
      const { services, down } = watched('default')
      const all = { 'hsm': 'ok', 'store': 'ok', 'audit': 'ok', 'keyStore:other': 'ok' }
      expect(await readiness(services)).to.deep.equal({ ok: true, checks: all })
      down.set('other', 'lost')
      expect(await readiness(services)).to.deep.equal({ ok: true, checks: { ...all, 'keyStore:other': 'failed' } })
    })

    it('is lost with the store of the roots', async () => {
      const { services, down } = watched('default')
      down.set('default', 'lost')
      const { ok, checks } = await readiness(services)
      expect({ ok, hsm: checks.hsm, other: checks['keyStore:other'] }).to.deep.equal({ ok: false, hsm: 'failed', other: 'ok' })
    })

    it('does not wait for a store that hangs', async () => {
      const hanging = onEveryCall(on.hsm, () => new Promise<void>(() => {}))
      const services = on.newServices({ keyStores: keyStoresOf({ default: on.hsm, other: hanging }) })
      const { ok, checks } = await readiness(services)
      expect({ ok, other: checks['keyStore:other'] }).to.deep.equal({ ok: true, other: 'failed' })
    })
  })

  describe('scheduled work', () => {
    /** More keys than one run takes on would take too long to make; they are due in the order of their dates. */
    async function due(services: Services): Promise<string> {
      const KeyId = await idOfNew(services)
      await call(services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      on.clock.advance(1)
      return KeyId
    }

    it('neither marks nor records the deletion of keys whose store is away, and deletes the others', async () => {
      const away = [await due(watched('other').services), await due(watched('other').services)]
      const there = await due(watched('default').services)
      on.clock.advance(7 * dayMs)
      const { services, down, asked } = watched('default')
      down.set('other', 'lost')
      for (let run = 0; run < 3; run++) expect(await deleteExpiredKeys(services, 'this')).to.equal(run === 0 ? 1 : 0)
      await refused(call(services, describeKey, { KeyId: there }), 'NotFoundException')
      for (const keyId of away) expect((await storedKey(on.store, keyId)).key.state).to.equal('PendingDeletion')
      expect(on.audit.events.filter(({ eventName }) => eventName === 'DeleteKey')).to.have.length(1)
      // One key of the store and run is tried, and the store is asked whether it is there at all.
      expect(asked.other).to.deep.equal(Array.from({ length: 6 }, () => 'probe'))
      down.clear()
      expect(await deleteExpiredKeys(services, 'this')).to.equal(2)
      for (const keyId of away) expect(await on.hsm.find(backingKey(keyId, 1, 'gcm'))).to.equal(undefined)
    })

    it('does so, too, for a store that is not configured any more', async () => {
      const [away, there] = [await due(watched('other').services), await due(watched('default').services)]
      on.clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(on.newServices(), 'this')).to.equal(1)
      expect((await storedKey(on.store, away)).key.state).to.equal('PendingDeletion')
      expect((await storedKey(on.store, there)).key.state).to.equal('Destroyed')
    })

    it('takes no token for the one of its keys that shows none of them', async () => {
      const keyId = await due(watched('other').services)
      on.clock.advance(7 * dayMs)
      const blank = { find: async () => undefined, list: async () => [], destroyMaterial: async () => 0 }
      const other: Hsm = new Proxy(on.hsm, {
        get: (target, property) => (property in blank ? blank[property as keyof typeof blank] : Reflect.get(target, property)) as unknown,
      })
      const services = on.newServices({ keyStores: keyStoresOf({ default: on.hsm, other }) })
      expect(await deleteExpiredKeys(services, 'this')).to.equal(0)
      expect((await storedKey(on.store, keyId)).key.state).to.equal('PendingDeletion')
      expect(on.audit.events.filter(({ eventName }) => eventName === 'DeleteKey')).to.have.length(0)
      expect(await deleteExpiredKeys(watched('other').services, 'this')).to.equal(1)
      expect(await on.hsm.find(backingKey(keyId, 1, 'gcm'))).to.equal(undefined)
    })

    it('deletes a key whose objects are lost, and says so', async () => {
      await idOfNew(watched('other').services)
      const keyId = await due(watched('other').services)
      const material = backingKey(keyId, 1, 'gcm')
      await on.hsm.destroyMaterial(material)
      on.clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(watched('other').services, 'this')).to.equal(1)
      expect(on.log.entries.find(({ message }) => message === 'a key is deleted whose objects are not in the HSM')?.fields)
        .to.deep.equal({ keyStore: 'other', keyId, objects: [material.name] })
    })

    it('rotates what it can when a store is away', async () => {
      const ids = [await idOfNew(watched('other').services), await idOfNew(watched('default').services)]
      for (const KeyId of ids) await call(watched('default').services, enableKeyRotation, { KeyId, RotationPeriodInDays: 90 })
      on.clock.advance(90 * dayMs)
      const { services, down } = watched('default')
      down.set('other', 'lost')
      expect(await rotateDueKeys(services, 'this')).to.equal(1)
      expect(await Promise.all(ids.map(async keyId => (await storedKey(on.store, keyId)).key.currentVersion))).to.deep.equal([1, 2])
    })
  })

  describe('a crash of the device while a key is made', () => {
    it('leaves nothing that is shown, and what is left goes when the device is back', async () => {
      let dead = false
      const dying = onEveryCall(on.hsm, () => {
        if (dead) throw new HsmError('lost', 'the device is gone')
      })
      // Made in the token, and the answer lost on its way.
      const lossy: Hsm = new Proxy(dying, {
        get: (target, property) => property === 'createMaterial'
          ? async (...given: Parameters<Hsm['createMaterial']>) => {
            await on.hsm.createMaterial(...given)
            dead = true
            throw new HsmError('lost', 'the device is gone')
          }
          : Reflect.get(target, property) as unknown,
      })
      const keyStores = keyStoresOf({ default: on.hsm, other: lossy }, 'other')
      const services = on.newServices({ keyStores, owner: 'this' })
      await refused(call(services, createKey, {}), 'KeyUnavailableException')
      const [left] = await on.store.keys.unsettled(10)
      expect(await on.store.keys.list(undefined, region, undefined, 10)).to.deep.equal([])
      expect(await reconcile(services, 'this', true)).to.deep.equal({ undone: 0 })
      dead = false
      expect(await reconcile(services, 'this', true)).to.deep.equal({ undone: 1 })
      expect(await on.store.keys.unsettled(10)).to.deep.equal([])
      expect(await on.hsm.find(backingKey(left?.keyId ?? '', 1, 'gcm'))).to.equal(undefined)
    })
  })

  it('tell of a key in another store than its row says', async () => {
    const { services } = watched('other')
    const name = backingKey(await idOfNew(services), 1, 'gcm').name
    expect(await reportOrphans(services, 'other')).to.not.include(name)
    expect(await reportOrphans(services, 'default')).to.include(name)
  })
})
