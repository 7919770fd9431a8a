import { expect } from 'chai'
import { createKey, describeKey, listKeys } from '../../src/api/keys.js'
import { rotateKeyOnDemand } from '../../src/api/rotation.js'
import { decodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import { keyIdOfBytes } from '../../src/domain/key-id.js'
import type { KeyVersion, KeyView } from '../../src/domain/key.js'
import { backingKey, materialOwner } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { IntegrityError } from '../../src/ports/keys.js'
import { reconcile, reportKeysWithoutRegion, reportOrphans } from '../../src/service/reconcile.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { Interruption, replacing } from '../support/interruption.js'
import { RecordedLog } from '../support/recorded.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, keyOf, newKey, region, storedKey } from '../support/services.js'

const plaintext = Buffer.from('secret')
/** Far more than any operation has. */
const stepsMax = 100
const abandonedAfterMs = 5 * 60_000

describe('reconciler', () => {
  const on = serviceSuite()

  const namesOf = ({ versions }: KeyView) =>
    [...versions.values()].map(({ keyId, version, kind }) => backingKey(keyId, version, kind).name)

  function interruptedServices(interruption: Interruption): Services {
    const store = { ...on.store, keys: interruption.over(on.store.keys, 'keys') }
    return on.newServices({ hsm: interruption.over(on.hsm, 'hsm'), store })
  }

  async function backingKeyLabels(): Promise<readonly string[]> {
    return (await on.hsm.list()).map(({ label }) => label).filter(label => materialOwner(label)?.kind === 'backing-key').sort()
  }

  /** Does something that is killed after one step, then after two and so on until it is not, each time followed by `check`. */
  async function killedAtEachStep(act: (services: Services) => Promise<unknown>, check: (done: boolean) => Promise<void>): Promise<void> {
    for (let steps = 0; ; steps++) {
      const interruption = new Interruption(steps)
      await act(interruptedServices(interruption)).catch((error: unknown) => {
        if (!interruption.hit) throw error
      })
      await check(!interruption.hit)
      if (!interruption.hit) return
      if (steps > stepsMax) throw new Error('it never ends')
    }
  }

  /** Nothing is half-made, and the token holds these objects and no other new one. */
  async function expectSettled(before: readonly string[]): Promise<void> {
    expect(await on.store.keys.unsettled(10)).to.deep.equal([])
    const known: string[] = []
    for (const keyId of await on.store.keys.list(undefined, region, undefined, 1_000)) {
      known.push(...namesOf(await storedKey(on.store, keyId)))
    }
    expect((await backingKeyLabels()).filter(label => !before.includes(label))).to.deep.equal(known.sort())
  }

  it('undoes a CreateKey that was killed at any step', async () => {
    const before = await backingKeyLabels()
    await killedAtEachStep(services => call(services, createKey, {}), async () => {
      await reconcile(on.newServices(), 'next', true)
      await expectSettled(before)
    })
    expect((await call(on.newServices(), listKeys, {})).Keys).to.have.length.at.least(1)
  })

  it('undoes a rotation that was killed at any step, and every earlier ciphertext opens', async () => {
    const before = await backingKeyLabels()
    const { key: { keyId } } = await newKey(on.newServices())
    const blobs: Uint8Array[] = []
    await killedAtEachStep(services => call(services, rotateKeyOnDemand, { KeyId: keyId }), async () => {
      const services = on.newServices()
      await reconcile(services, 'next', true)
      await expectSettled(before)
      const key = await keyOf(services, keyId)
      blobs.push((await services.backingKeys.seal(key, plaintext, {})).blob)
      for (const blob of blobs) {
        const decoded = decodeCiphertextBlob(blob)
        if (!decoded) throw new Error('not a ciphertext')
        expect(Buffer.from((await services.backingKeys.open(key, decoded, {})).plaintext)).to.deep.equal(plaintext)
      }
    })
    expect(blobs.length).to.be.greaterThan(5)
  })

  it('finishes its own work after it was killed at any step of it', async () => {
    const before = await backingKeyLabels()
    const { key: { keyId } } = await newKey(on.newServices())
    await killedAtEachStep(
      async services => {
        await halfMade(keyId)
        await reconcile(services, 'next', true)
      },
      async () => {
        await reconcile(on.newServices(), 'next', true)
        await expectSettled(before)
      },
    )
  })

  /** What a rotation leaves that was killed between its object and its last write. */
  async function halfMade(keyId: string, of: Partial<KeyVersion> = {}): Promise<KeyVersion> {
    const view = await storedKey(on.store, keyId)
    const draft = { ...on.newServices().keyVersions.draft(view.key, Math.max(...view.versions.keys()) + 1), ...of }
    await on.store.keys.update(view.key, [draft])
    await on.hsm.createMaterial(backingKey(keyId, draft.version, draft.kind))
    return draft
  }

  it('leaves what is finished alone', async () => {
    const services = on.newServices()
    const { key } = await newKey(services)
    await call(services, rotateKeyOnDemand, { KeyId: key.keyId })
    const stored = await storedKey(on.store, key.keyId)
    expect(await reconcile(services, 'next', true)).to.deep.equal({ undone: 0 })
    expect(await storedKey(on.store, key.keyId)).to.deep.equal(stored)
  })

  it('answers how much it undid, and logs it', async () => {
    const log = new RecordedLog()
    const { key } = await newKey(on.newServices())
    await halfMade(key.keyId)
    expect(await reconcile(on.newServices({ log }), 'next', true)).to.deep.equal({ undone: 1 })
    expect(log.entries).to.deep.include({
      level: 'info', message: 'took back key versions that a crash had left half-made', fields: { undone: 1 },
    })
  })

  it('leaves what another process is making alone, until it must be dead', async () => {
    const clock = new MovedClock()
    const services = on.newServices({ clock })
    const { key } = await newKey(services)
    const draft = await halfMade(key.keyId, { owner: 'another' })
    for (const [ms, undone] of [[0, 0], [abandonedAfterMs, 0], [1, 1]] as const) {
      clock.advance(ms)
      expect(await reconcile(services, 'this', false)).to.deep.equal({ undone })
    }
    expect(await on.hsm.find(backingKey(key.keyId, draft.version, draft.kind))).to.equal(undefined)
  })

  it('undoes its own at once, whoever else there is', async () => {
    const { key } = await newKey(on.newServices())
    await halfMade(key.keyId, { owner: 'this' })
    expect(await reconcile(on.newServices(), 'this', false)).to.deep.equal({ undone: 1 })
  })

  it('leaves what this process is making right now alone', async () => {
    const undone: number[] = []
    const meanwhile: Hsm = replacing(on.hsm, {
      async createMaterial(material) {
        undone.push((await reconcile(services, 'this', true)).undone)
        return on.hsm.createMaterial(material)
      },
    })
    const services: Services = on.newServices({ hsm: meanwhile, owner: 'this' })
    const { key } = await newKey(services)
    await call(services, rotateKeyOnDemand, { KeyId: key.keyId })
    expect(undone).to.deep.equal([0, 0])
    expect((await call(services, describeKey, { KeyId: key.keyId })).KeyMetadata?.KeyState).to.equal('Enabled')
  })

  it('is not held up by a key that fails', async () => {
    const log = new RecordedLog()
    const [bad, good] = [await newKey(on.newServices()), await newKey(on.newServices())].map(({ key }) => key.keyId).sort()
    if (!bad || !good) throw new Error('no keys')
    for (const keyId of [bad, good]) await halfMade(keyId)
    const keys = replacing(on.store.keys, {
      get: async (...name) => name[1] === bad ? Promise.reject(new IntegrityError('tampered')) : on.store.keys.get(...name),
    })
    expect(await reconcile(on.newServices({ log, store: { ...on.store, keys } }), 'next', true)).to.deep.equal({ undone: 1 })
    expect(await on.store.keys.unsettled(10)).to.deep.equal([{ region, keyId: bad }])
    expect(log.entries.find(({ level }) => level === 'error')?.fields).to.deep.include({ region, keyId: bad })
  })

  describe('orphans', () => {
    it('are reported and never destroyed', async () => {
      const log = new RecordedLog()
      const services = on.newServices({ log })
      const { key } = await newKey(services)
      const orphans = [backingKey(key.keyId, 2, 'gcm'), backingKey(keyIdOfBytes(await on.hsm.random(16)), 1, 'gcm')]
      for (const material of orphans) await on.hsm.createMaterial(material)
      const reported = await reportOrphans(services, 'default')
      expect(reported).to.include.members(orphans.map(({ name }) => name))
      expect(reported).to.not.include(backingKey(key.keyId, 1, 'gcm').name)
      expect(log.entries.find(({ level }) => level === 'warn')?.fields).to.deep.equal({ keyStore: 'default', objects: reported })
      await reconcile(services, 'next', true)
      for (const material of orphans) {
        expect(await on.hsm.find(material)).to.not.equal(undefined)
        await on.hsm.destroyMaterial(material)
      }
    })

    it('are neither roots nor objects of others', async () => {
      const listed = replacing(on.hsm, {
        list: async () => ['cvg-root-seal-1', 'somebody else\'s', ''].map(label => ({ label, objectClass: 'secret' as const })),
      })
      expect(await reportOrphans(on.newServices({ hsm: listed }), 'default')).to.deep.equal([])
    })
  })

  it('reports regions that have keys and are not served', async () => {
    const services = on.newServices()
    expect(await reportKeysWithoutRegion(services)).to.deep.equal([])
    await newKey(services)
    expect(await reportKeysWithoutRegion(services)).to.deep.equal([])
    expect(await reportKeysWithoutRegion({ ...services, regions: ['eu-north-1'] })).to.deep.equal([region])
  })
})
