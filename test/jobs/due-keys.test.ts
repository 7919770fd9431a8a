import { expect } from 'chai'
import { cancelKeyDeletion, describeKey, disableKey, enableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { disableKeyRotation, enableKeyRotation, getKeyRotationStatus, listKeyRotations, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import { rotateDueKey } from '../../src/service/rotate-keys.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { replacing } from '../support/interruption.js'
import { RecordedAudit, RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import { call, newKey, openTestHsm, openTestStore, region, servicesOver, storedKey, type TestStore } from '../support/services.js'

const periodDays = 90
const leaseMs = 60_000

describe('keys that are due', () => {
  let hsm: Hsm
  let opened: TestStore
  let clock: MovedClock
  let audit: RecordedAudit
  let services: Services

  before(async () => { hsm = await openTestHsm() })
  after(() => hsm.close())
  beforeEach(async () => {
    opened = await openTestStore(hsm)
    clock = new MovedClock()
    audit = new RecordedAudit()
    services = servicesOver({ hsm, store: opened.store, clock, audit })
  })
  afterEach(() => opened.close())

  async function rotatingKey(): Promise<string> {
    const { key: { keyId: KeyId } } = await newKey(services)
    await call(services, enableKeyRotation, { KeyId, RotationPeriodInDays: periodDays })
    return KeyId
  }

  const run = (by = services) => rotateDueKeys(by, 'this')
  const versionOf = async (keyId: string) => (await storedKey(opened.store, keyId)).key.currentVersion
  const nextOf = async (KeyId: string) => (await call(services, getKeyRotationStatus, { KeyId })).NextRotationDate?.getTime()

  describe('for rotation', () => {
    it('are rotated when their date has come, and not before', async () => {
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs - 1)
      expect(await run()).to.equal(0)
      clock.advance(1)
      expect(await run()).to.equal(1)
      expect(await run()).to.equal(0)
      expect(await versionOf(KeyId)).to.equal(2)
      const { Rotations } = await call(services, listKeyRotations, { KeyId })
      expect(Rotations?.map(({ RotationType, RotationDate }) => [RotationType, RotationDate?.getTime()])).to.deep.equal([
        ['AUTOMATIC', clock.now()],
      ])
    })

    it('come up again one period later, in step with the old dates', async () => {
      const start = clock.now()
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs + 5_000)
      await run()
      expect(await nextOf(KeyId)).to.equal(start + 2 * periodDays * dayMs)
    })

    it('are rotated once, however many dates were missed', async () => {
      const KeyId = await rotatingKey()
      clock.advance(10 * periodDays * dayMs)
      expect(await run()).to.equal(1)
      expect(await versionOf(KeyId)).to.equal(2)
      expect(await nextOf(KeyId)).to.equal(clock.now() + periodDays * dayMs)
    })

    it('are in the audit log', async () => {
      await rotatingKey()
      clock.advance(periodDays * dayMs)
      await run()
      const event = audit.events.find(({ eventName }) => eventName === 'RotateKey')
      expect(event?.additionalEventData).to.include({ reason: 'schedule', keyVersion: 2, rotationType: 'AUTOMATIC' })
    })

    it('do not count against on-demand rotations', async () => {
      const limited = servicesOver({ hsm, store: opened.store, clock, onDemandRotationsMax: 1 })
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs)
      await run(limited)
      await call(limited, rotateKeyOnDemand, { KeyId })
      await refused(call(limited, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    })

    it('wait while they are disabled, and are rotated as soon as they are enabled', async () => {
      const KeyId = await rotatingKey()
      await call(services, disableKey, { KeyId })
      clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      await call(services, enableKey, { KeyId })
      expect(await run()).to.equal(1)
      expect(await versionOf(KeyId)).to.equal(2)
    })

    it('wait while their deletion is pending, with a status that says they do not rotate', async () => {
      const KeyId = await rotatingKey()
      await call(services, scheduleKeyDeletion, { KeyId })
      clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      expect((await call(services, getKeyRotationStatus, { KeyId })).KeyRotationEnabled).to.equal(false)
      await call(services, cancelKeyDeletion, { KeyId })
      await call(services, enableKey, { KeyId })
      expect(await run()).to.equal(1)
    })

    it('are none after rotation was disabled', async () => {
      const KeyId = await rotatingKey()
      await call(services, disableKeyRotation, { KeyId })
      clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      expect(await versionOf(KeyId)).to.equal(1)
    })

    it('refuse a rotation on demand within 20 minutes of their date', async () => {
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs - 20 * 60_000)
      await call(services, rotateKeyOnDemand, { KeyId })
      clock.advance(1)
      await refused(call(services, rotateKeyOnDemand, { KeyId }), 'ConflictException')
    })

    it('are left to the process that holds their lease, for as long as it holds it', async () => {
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs)
      await opened.store.leases.acquire(`rotate:${region}/${KeyId}`, 'another', clock.now(), clock.now() + leaseMs)
      expect(await run()).to.equal(0)
      clock.advance(leaseMs)
      expect(await run()).to.equal(1)
    })

    it('are rotated once by processes that run one after the other', async () => {
      const KeyId = await rotatingKey()
      clock.advance(periodDays * dayMs)
      const other = servicesOver({ hsm, store: await opened.second(), clock })
      expect([await run(), await rotateDueKeys(other, 'other')]).to.deep.equal([1, 0])
      expect(await versionOf(KeyId)).to.equal(2)
    })

    it('are not held up by one that fails, which is tried again', async () => {
      const [bad, good] = [await rotatingKey(), await rotatingKey()]
      const log = new RecordedLog()
      const broken = replacing(hsm, {
        async createMaterial(material) {
          if (material.name === backingKey(bad, 2, 'gcm').name) throw new HsmError('busy', 'overloaded')
          return hsm.createMaterial(material)
        },
      })
      clock.advance(periodDays * dayMs)
      expect(await run(servicesOver({ hsm: broken, store: opened.store, clock, log }))).to.equal(1)
      expect([await versionOf(bad), await versionOf(good)]).to.deep.equal([1, 2])
      expect(log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields?.keyId)).to.deep.equal([bad])
      expect(await run()).to.equal(1)
      expect(await versionOf(bad)).to.equal(2)
    })

    it('are not due any more if another process was quicker', async () => {
      const KeyId = await rotatingKey()
      expect(await rotateDueKey({ region, keyId: KeyId }, services)).to.equal(false)
      expect(await rotateDueKey({ region: 'us-east-1', keyId: KeyId }, services)).to.equal(false)
      expect(await versionOf(KeyId)).to.equal(1)
    })
  })

  describe('for deletion', () => {
    it('are destroyed when their date has come, each once', async () => {
      const KeyIds = [await rotatingKey(), await rotatingKey()]
      for (const KeyId of KeyIds) await call(services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      const spared = await rotatingKey()
      clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(services, 'this')).to.equal(2)
      expect(await deleteExpiredKeys(services, 'this')).to.equal(0)
      for (const KeyId of KeyIds) await refused(call(services, describeKey, { KeyId }), 'NotFoundException')
      expect((await call(services, describeKey, { KeyId: spared })).KeyMetadata?.KeyState).to.equal('Enabled')
    })
  })
})
