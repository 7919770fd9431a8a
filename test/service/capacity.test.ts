import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createKey } from '../../src/api/keys.js'
import { enableKeyRotation, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { dayMs } from '../../src/domain/rotation.js'
import { rotateDueKeys } from '../../src/jobs/due-keys.js'
import { HsmError, type Capacity, type Hsm } from '../../src/ports/hsm.js'
import { CapacityWatch } from '../../src/service/capacity.js'
import { readiness } from '../../src/service/readiness.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { replacing } from '../support/interruption.js'
import { RecordedAudit, RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import {
  call, keyStoresOf, newKey, openTestHsm, openTestStore, region, servicesOver, storedKey, type TestStore,
} from '../support/services.js'

describe('capacity', () => {
  let hsm: Hsm
  let opened: TestStore
  let log: RecordedLog
  let clock: MovedClock

  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    log = new RecordedLog()
    clock = new MovedClock()
  })
  afterEach(() => opened.close())

  /** A token with room for `free` more objects, which says so only when it is asked to make one. */
  function bounded(free: number): { readonly hsm: Hsm, readonly made: string[] } {
    const max = 100
    let used = max - free
    const made: string[] = []
    return {
      made,
      hsm: replacing(hsm, {
        capacity: async () => ({ used, max }),
        async createMaterial(material) {
          if (used >= max) throw new HsmError('capacity', `${used} of ${max} objects`)
          used++
          made.push(material.name)
          return hsm.createMaterial(material)
        },
      }),
    }
  }

  const over = (token: Hsm): Services => servicesOver({ hsm: token, store: opened.store, log, clock, audit: new RecordedAudit() })

  it('that is used up refuses a new key, of which nothing stays, and the log says how full the token is', async () => {
    const services = over(bounded(1).hsm)
    await newKey(services)
    const { message } = await refused(call(services, createKey, {}), 'LimitExceededException')
    expect(message).to.equal('The HSM has no room for another key.')
    expect(await opened.store.keys.list(region, undefined, 10)).to.have.length(1)
    expect(await opened.store.keys.unsettled(10)).to.deep.equal([])
    const { fields } = log.entries.find(({ level }) => level === 'warn') ?? {}
    expect(fields?.keyStore).to.equal('default')
    expect(fields?.error).to.have.property('message', '100 of 100 objects')
  })

  it('that is used up refuses a rotation before anything changes, and the key stays usable', async () => {
    const services = over(bounded(1).hsm)
    const { key: { keyId: KeyId } } = await newKey(services)
    const { CiphertextBlob } = await call(services, encrypt, { KeyId, Plaintext: Buffer.from('before') })
    const stored = await storedKey(opened.store, KeyId)
    await refused(call(services, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    expect(await storedKey(opened.store, KeyId)).to.deep.equal(stored)
    expect(Buffer.from((await call(services, decrypt, { CiphertextBlob: CiphertextBlob ?? new Uint8Array() })).Plaintext ?? []).toString())
      .to.equal('before')
    await call(services, encrypt, { KeyId, Plaintext: Buffer.from('after') })
  })

  it('that is used up in the middle of a rotation leaves the key as it was', async () => {
    const { key: { keyId: KeyId } } = await newKey(over(hsm))
    const services = over(replacing(hsm, {
      createMaterial: async () => Promise.reject(new HsmError('capacity', 'CKR_DEVICE_MEMORY')),
    }))
    await refused(call(services, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    const { key: { currentVersion, onDemandRotations }, versions } = await storedKey(opened.store, KeyId)
    expect({ currentVersion, onDemandRotations, versions: [...versions.keys()] }).to.deep.equal({
      currentVersion: 1, onDemandRotations: 0, versions: [1],
    })
  })

  it('counts both objects of a version that has two', async () => {
    const { key: { keyId: KeyId } } = await newKey(over(hsm))
    const token = bounded(1).hsm
    const twofold = new Proxy(token, {
      get: (target, property) => property === 'suite' ? 'cbc-hmac' : Reflect.get(target, property) as unknown,
    })
    await refused(call(over(twofold), rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    expect([...(await storedKey(opened.store, KeyId)).versions.keys()]).to.deep.equal([1])
    await call(over(token), rotateKeyOnDemand, { KeyId })
  })

  it('that is used up is logged once by the rotations that are due, which are done when there is room', async () => {
    const made = over(hsm)
    const ids = [(await newKey(made)).key.keyId, (await newKey(made)).key.keyId]
    for (const KeyId of ids) await call(made, enableKeyRotation, { KeyId, RotationPeriodInDays: 90 })
    clock.advance(90 * dayMs)
    expect(await rotateDueKeys(over(bounded(0).hsm), 'this')).to.equal(0)
    expect(log.entries.filter(({ level }) => level === 'error')).to.have.length(1)
    expect(await rotateDueKeys(made, 'this')).to.equal(2)
  })

  describe('watched', () => {
    let capacity: Capacity
    let counted: number

    beforeEach(() => {
      counted = 0
      capacity = { used: 89, max: 100 }
    })

    function services(): Services {
      const other = replacing(hsm, {
        async capacity() {
          counted++
          return capacity
        },
      })
      return servicesOver({ hsm, keyStores: keyStoresOf({ default: hsm, other }), store: opened.store, log })
    }

    const warnings = () => log.entries.filter(({ level }) => level === 'warn').map(({ fields }) => fields)

    it('is warned of from 90 percent on, once until there is room again', async () => {
      const on = services()
      await on.capacity.look()
      expect(warnings()).to.deep.equal([])
      for (const used of [90, 95, 100]) {
        capacity = { used, max: 100 }
        await on.capacity.look()
        expect((await readiness(on))).to.deep.include({ ok: true }).and.to.have.nested.property('checks.keyStore:other', 'nearly full')
      }
      expect(warnings()).to.deep.equal([{ keyStore: 'other', used: 90, max: 100 }])
      expect(on.capacity.latest('other')).to.deep.equal({ used: 100, max: 100 })
      capacity = { used: 50, max: 100 }
      await on.capacity.look()
      expect(on.capacity.isNearlyFull('other')).to.equal(false)
      capacity = { used: 91, max: 100 }
      await on.capacity.look()
      expect(warnings()).to.have.length(2)
    })

    it('is counted seldom in a token whose limit nobody knows: that is a search', async () => {
      capacity = { used: 1_000, max: undefined }
      const on = services()
      for (let look = 0; look < 120; look++) await on.capacity.look()
      expect(counted).to.equal(2)
      expect(on.capacity.isNearlyFull('other')).to.equal(false)
    })

    it('is not known of a store that is away, which holds up no other', async () => {
      const away = replacing(hsm, { capacity: async () => Promise.reject(new HsmError('lost', 'gone')) })
      const watch = new CapacityWatch(keyStoresOf({ a: away, b: hsm }), log)
      await watch.look()
      expect(watch.latest('a')).to.equal(undefined)
      expect(watch.latest('b')?.used).to.be.greaterThan(0)
    })
  })
})
