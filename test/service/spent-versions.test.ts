import { expect } from 'chai'
import { decodeCiphertextBlob } from '../../src/domain/ciphertext-blob.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import type { KeyView } from '../../src/domain/key.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import type { Services } from '../../src/service/services.js'
import { replacing } from '../support/interruption.js'
import { RecordedAudit } from '../support/recorded.js'
import { refused, rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { keyOf, newKey, region, storedKey } from '../support/services.js'

const plaintext = Buffer.from('a data key of thirty-two bytes..')

/** How backing keys keep to the limit of SP 800-38D, section 8.3, with caps that a test can reach. */
describe('a spent key version', () => {
  const on = serviceSuite()

  const seal = ({ backingKeys }: Services, key: UsableKey) => backingKeys.seal(key, plaintext, {})
  const states = ({ versions }: KeyView) => [...versions.values()].map(({ version, state }) => `${version} ${state}`)

  async function open({ backingKeys }: Services, key: UsableKey, blob: Uint8Array): Promise<Buffer> {
    const decoded = decodeCiphertextBlob(blob)
    if (!decoded) throw new Error('not a ciphertext')
    return Buffer.from((await backingKeys.open(key, decoded, {})).plaintext)
  }

  /** How often each version of a key was asked to seal. */
  function counted(): { readonly hsm: Hsm, readonly seals: Map<string, number> } {
    const seals = new Map<string, number>()
    return {
      seals,
      hsm: replacing(on.hsm, {
        async seal(material, ...rest) {
          seals.set(material.name, (seals.get(material.name) ?? 0) + 1)
          return on.hsm.seal(material, ...rest)
        },
      }),
    }
  }

  it('is replaced by itself, and never seals more often than its cap', async () => {
    const { hsm: counting, seals } = counted()
    const services = on.newServices({ hsm: counting, sealsPerVersionMax: 20 })
    const key = await newKey(services)
    for (let count = 0; count < 100; count++) await seal(services, await keyOf(services, key.key.keyId))
    expect([...seals.values()].reduce((sum, of) => sum + of, 0)).to.equal(100)
    expect(Math.max(...seals.values())).to.be.at.most(20)
    await settled(services, key)
  })

  it('is replaced while many seal at once, each of which succeeds', async () => {
    const { hsm: counting, seals } = counted()
    const services = on.newServices({ hsm: counting, sealsPerVersionMax: 50 })
    const key = await newKey(services)
    // All of them with the view of the beginning, as calls have that came at the same time.
    const sealed = await Promise.all(Array.from({ length: 130 }, () => seal(services, key)))
    expect(sealed).to.have.length(130)
    expect(Math.max(...seals.values())).to.be.at.most(50)
    const latest = await keyOf(services, key.key.keyId)
    for (const { blob } of sealed) expect(await open(services, latest, blob)).to.deep.equal(plaintext)
    await settled(services, key)
  })

  it('is replaced for two processes that take turns, without sealing more than its cap', async () => {
    const { hsm: counting, seals } = counted()
    const options = { hsm: counting, sealsPerVersionMax: 50 }
    const processes = [on.newServices(options), on.newServices({ ...options, store: await on.second() })]
    const key = await newKey(on.newServices())
    for (let turn = 0; turn < 120; turn++) {
      const services = processes[turn % 2] ?? on.newServices()
      await seal(services, await keyOf(services, key.key.keyId))
      await settled(services, key)
    }
    expect([...seals.values()].reduce((sum, of) => sum + of, 0)).to.equal(120)
    expect(Math.max(...seals.values())).to.be.at.most(50)
  })

  it('is replaced in the background before it is spent, and the audit log says why', async () => {
    const audit = new RecordedAudit()
    const services = on.newServices({ sealsPerVersionMax: 32, audit })
    const key = await newKey(services)
    let sealed = 0
    do await seal(services, key)
    while (++sealed < 29)
    await settled(services, key)
    const stored = await storedKey(on.store, key.key.keyId)
    expect(states(stored)).to.deep.equal(['1 ready', '2 ready'])
    expect(stored.versions.get(2)?.rotation?.type).to.equal('AUTOMATIC')
    const event = audit.events.find(({ eventName }) => eventName === 'RotateKey')
    expect(event?.additionalEventData).to.include({ reason: 'budget', keyVersion: 2 })
  })

  it('does not count as an on-demand rotation and leaves the schedule as it is', async () => {
    const services = on.newServices({ sealsPerVersionMax: 1 })
    const key = await newKey(services)
    await services.directory.change(region, key.key.keyId, view => ({
      key: { ...view.key, schedule: { periodInDays: 90, nextRotation: 5 } },
    }))
    await seal(services, await keyOf(services, key.key.keyId))
    await settled(services, key)
    const { key: stored } = await storedKey(on.store, key.key.keyId)
    expect(stored).to.deep.include({ onDemandRotations: 0, schedule: { periodInDays: 90, nextRotation: 5 }, currentVersion: 2 })
  })

  it('refuses to seal when it cannot be replaced', async () => {
    const key = await newKey(on.newServices())
    const { hsm: counting, seals } = counted()
    const full = replacing(counting, { createMaterial: () => Promise.reject(new HsmError('capacity', 'full')) })
    const services = on.newServices({ sealsPerVersionMax: 5, hsm: full })
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => seal(services, key)))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') await refused(Promise.reject(outcome.reason as Error), 'KeyUnavailableException')
    }
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(5)
    expect([...seals.values()]).to.deep.equal([5])
    await settled(services, key)
  })

  it('waits for a rotation that is refused for reasons of its own, and makes its own', async () => {
    let [release, made] = [() => {}, () => {}]
    const released = new Promise<void>(resolve => { release = resolve })
    const making = new Promise<void>(resolve => { made = resolve })
    let first = true
    const slow = replacing(on.hsm, {
      async createMaterial(material) {
        const held = first
        first = false
        made()
        if (held) await released
        return on.hsm.createMaterial(material)
      },
    })
    const key = await newKey(on.newServices())
    const services = on.newServices({ hsm: slow, sealsPerVersionMax: 5 })
    // Spent without being replaced.
    await on.store.keys.reserveSeals(region, key.key.keyId, 1, 5, 5)
    let decisions = 0
    const own = services.keyVersions.rotate(key.key, 'ON_DEMAND', stored => {
      if (first) return stored
      decisions++
      throw new RangeError('limit reached')
    })
    const sealed = seal(services, key)
    await making
    release()
    await rejected(own, RangeError)
    expect((await sealed).version.version).to.equal(2)
    expect(decisions).to.equal(1)
    await settled(services, key)
  })

  it('is not replaced on a key that was disabled meanwhile', async () => {
    const services = on.newServices({ sealsPerVersionMax: 5 })
    const key = await newKey(services)
    await on.store.keys.reserveSeals(region, key.key.keyId, 1, 5, 5)
    await services.directory.change(region, key.key.keyId, view => ({ key: { ...view.key, state: 'Disabled' } }))
    await refused(seal(services, key), 'KeyUnavailableException')
    expect(states(await storedKey(on.store, key.key.keyId))).to.deep.equal(['1 ready'])
  })

  /** Waits for a rotation in the background. */
  async function settled({ keyVersions }: Services, key: UsableKey): Promise<void> {
    // It is begun behind the answer, not before it.
    await new Promise(resolve => setImmediate(resolve))
    while (keyVersions.isMaking({ region, keyId: key.key.keyId })) await new Promise(resolve => setImmediate(resolve))
    // Its record in the audit log comes right behind.
    await new Promise(resolve => setImmediate(resolve))
  }
})
