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
import { replacing } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, keyStoresOf, newKey, region, storedKey } from '../support/services.js'

describe('capacity', () => {
  const on = serviceSuite()

  /** A token with room for `free` more objects, which says so only when it is asked to make one. */
  function bounded(free: number): { readonly hsm: Hsm, readonly made: string[] } {
    const max = 100
    let used = max - free
    const made: string[] = []
    return {
      made,
      hsm: replacing(on.hsm, {
        capacity: async () => ({ used, max }),
        async createMaterial(material) {
          if (used >= max) throw new HsmError('capacity', `${used} of ${max} objects`)
          used++
          made.push(material.name)
          return on.hsm.createMaterial(material)
        },
      }),
    }
  }

  const over = (token: Hsm): Services => on.newServices({ hsm: token })

  it('that is used up refuses a new key, of which nothing stays, and the log says how full the token is', async () => {
    const services = over(bounded(1).hsm)
    await newKey(services)
    const { message } = await refused(call(services, createKey, {}), 'LimitExceededException')
    expect(message).to.equal('The HSM has no room for another key.')
    expect(await on.store.keys.list(undefined, region, undefined, 10)).to.have.length(1)
    expect(await on.store.keys.unsettled(10)).to.deep.equal([])
    const { fields } = on.log.entries.find(({ level }) => level === 'warn') ?? {}
    expect(fields?.keyStore).to.equal('default')
    expect(fields?.error).to.have.property('message', '100 of 100 objects')
  })

  it('that is used up refuses a rotation before anything changes, and the key stays usable', async () => {
    const services = over(bounded(1).hsm)
    const { key: { keyId: KeyId } } = await newKey(services)
    const { CiphertextBlob } = await call(services, encrypt, { KeyId, Plaintext: Buffer.from('before') })
    const stored = await storedKey(on.store, KeyId)
    await refused(call(services, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    expect(await storedKey(on.store, KeyId)).to.deep.equal(stored)
    expect(Buffer.from((await call(services, decrypt, { CiphertextBlob: CiphertextBlob ?? new Uint8Array() })).Plaintext ?? []).toString())
      .to.equal('before')
    await call(services, encrypt, { KeyId, Plaintext: Buffer.from('after') })
  })

  it('that is used up in the middle of a rotation leaves the key as it was', async () => {
    const { key: { keyId: KeyId } } = await newKey(over(on.hsm))
    const services = over(replacing(on.hsm, {
      createMaterial: async () => Promise.reject(new HsmError('capacity', 'CKR_DEVICE_MEMORY')),
    }))
    await refused(call(services, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    const { key: { currentVersion, onDemandRotations }, versions } = await storedKey(on.store, KeyId)
    expect({ currentVersion, onDemandRotations, versions: [...versions.keys()] }).to.deep.equal({
      currentVersion: 1, onDemandRotations: 0, versions: [1],
    })
  })

  it('counts both objects of a version that has two', async () => {
    const { key: { keyId: KeyId } } = await newKey(over(on.hsm))
    const token = bounded(1).hsm
    const twofold = new Proxy(token, {
      get: (target, property) => property === 'suite' ? 'cbc-hmac' : Reflect.get(target, property) as unknown,
    })
    await refused(call(over(twofold), rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    expect([...(await storedKey(on.store, KeyId)).versions.keys()]).to.deep.equal([1])
    await call(over(token), rotateKeyOnDemand, { KeyId })
  })

  it('that is used up is logged once by the rotations that are due, which are done when there is room', async () => {
    const made = over(on.hsm)
    const ids = [(await newKey(made)).key.keyId, (await newKey(made)).key.keyId]
    for (const KeyId of ids) await call(made, enableKeyRotation, { KeyId, RotationPeriodInDays: 90 })
    on.clock.advance(90 * dayMs)
    expect(await rotateDueKeys(over(bounded(0).hsm), 'this')).to.equal(0)
    expect(on.log.entries.filter(({ level }) => level === 'error')).to.have.length(1)
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
      const other = replacing(on.hsm, {
        async capacity() {
          counted++
          return capacity
        },
      })
      return on.newServices({ keyStores: keyStoresOf({ default: on.hsm, other }) })
    }

    const warnings = () => on.log.entries.filter(({ level }) => level === 'warn').map(({ fields }) => fields)

    it('is warned of from 90 percent on, once until there is room again', async () => {
      const watched = services()
      await watched.capacity.look()
      expect(warnings()).to.deep.equal([])
      for (const used of [90, 95, 100]) {
        capacity = { used, max: 100 }
        await watched.capacity.look()
        expect((await readiness(watched))).to.deep.include({ ok: true }).and.to.have.nested.property('checks.keyStore:other', 'nearly full')
      }
      expect(warnings()).to.deep.equal([{ keyStore: 'other', used: 90, max: 100 }])
      expect(watched.capacity.latest('other')).to.deep.equal({ used: 100, max: 100 })
      capacity = { used: 50, max: 100 }
      await watched.capacity.look()
      expect(watched.capacity.isNearlyFull('other')).to.equal(false)
      capacity = { used: 91, max: 100 }
      await watched.capacity.look()
      expect(warnings()).to.have.length(2)
    })

    it('is counted seldom in a token whose limit nobody knows: that is a search', async () => {
      capacity = { used: 1_000, max: undefined }
      const watched = services()
      for (let look = 0; look < 120; look++) await watched.capacity.look()
      expect(counted).to.equal(2)
      expect(watched.capacity.isNearlyFull('other')).to.equal(false)
    })

    it('is not known of a store that is away, which holds up no other', async () => {
      const away = replacing(on.hsm, { capacity: async () => Promise.reject(new HsmError('lost', 'gone')) })
      const watch = new CapacityWatch(keyStoresOf({ a: away, b: on.hsm }), on.log)
      await watch.look()
      expect(watch.latest('a')).to.equal(undefined)
      expect(watch.latest('b')?.used).to.be.greaterThan(0)
    })
  })
})
