import { expect } from 'chai'
import { cancelKeyDeletion, describeKey, disableKey, enableKey, scheduleKeyDeletion } from '../../src/api/keys.js'
import { disableKeyRotation, enableKeyRotation, getKeyRotationStatus, listKeyRotations, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import { HsmError } from '../../src/ports/hsm.js'
import { rotateDueKey } from '../../src/service/rotate-keys.js'
import { replacing } from '../support/interruption.js'
import { RecordedLog } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, newKey, region, storedKey } from '../support/services.js'

const periodDays = 90
const leaseMs = 60_000

describe('keys that are due', () => {
  const on = serviceSuite()

  async function rotatingKey(): Promise<string> {
    const { key: { keyId: KeyId } } = await newKey(on.services)
    await call(on.services, enableKeyRotation, { KeyId, RotationPeriodInDays: periodDays })
    return KeyId
  }

  const run = (by = on.services) => rotateDueKeys(by, 'this')
  const versionOf = async (keyId: string) => (await storedKey(on.store, keyId)).key.currentVersion
  const nextOf = async (KeyId: string) => (await call(on.services, getKeyRotationStatus, { KeyId })).NextRotationDate?.getTime()

  describe('for rotation', () => {
    it('are rotated when their date has come, and not before', async () => {
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs - 1)
      expect(await run()).to.equal(0)
      on.clock.advance(1)
      expect(await run()).to.equal(1)
      expect(await run()).to.equal(0)
      expect(await versionOf(KeyId)).to.equal(2)
      const { Rotations } = await call(on.services, listKeyRotations, { KeyId })
      expect(Rotations?.map(({ RotationType, RotationDate }) => [RotationType, RotationDate?.getTime()])).to.deep.equal([
        ['AUTOMATIC', on.clock.now()],
      ])
    })

    it('come up again one period later, in step with the old dates', async () => {
      const start = on.clock.now()
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs + 5_000)
      await run()
      expect(await nextOf(KeyId)).to.equal(start + 2 * periodDays * dayMs)
    })

    it('are rotated once, however many dates were missed', async () => {
      const KeyId = await rotatingKey()
      on.clock.advance(10 * periodDays * dayMs)
      expect(await run()).to.equal(1)
      expect(await versionOf(KeyId)).to.equal(2)
      expect(await nextOf(KeyId)).to.equal(on.clock.now() + periodDays * dayMs)
    })

    it('are in the audit log', async () => {
      await rotatingKey()
      on.clock.advance(periodDays * dayMs)
      await run()
      const event = on.audit.events.find(({ eventName }) => eventName === 'RotateKey')
      expect(event?.additionalEventData).to.include({ reason: 'schedule', keyVersion: 2, rotationType: 'AUTOMATIC' })
    })

    it('do not count against on-demand rotations', async () => {
      const limited = on.newServices({ onDemandRotationsMax: 1 })
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs)
      await run(limited)
      await call(limited, rotateKeyOnDemand, { KeyId })
      await refused(call(limited, rotateKeyOnDemand, { KeyId }), 'LimitExceededException')
    })

    it('wait while they are disabled, and are rotated as soon as they are enabled', async () => {
      const KeyId = await rotatingKey()
      await call(on.services, disableKey, { KeyId })
      on.clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      await call(on.services, enableKey, { KeyId })
      expect(await run()).to.equal(1)
      expect(await versionOf(KeyId)).to.equal(2)
    })

    it('wait while their deletion is pending, with a status that says they do not rotate', async () => {
      const KeyId = await rotatingKey()
      await call(on.services, scheduleKeyDeletion, { KeyId })
      on.clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      expect((await call(on.services, getKeyRotationStatus, { KeyId })).KeyRotationEnabled).to.equal(false)
      await call(on.services, cancelKeyDeletion, { KeyId })
      await call(on.services, enableKey, { KeyId })
      expect(await run()).to.equal(1)
    })

    it('are none after rotation was disabled', async () => {
      const KeyId = await rotatingKey()
      await call(on.services, disableKeyRotation, { KeyId })
      on.clock.advance(periodDays * dayMs)
      expect(await run()).to.equal(0)
      expect(await versionOf(KeyId)).to.equal(1)
    })

    it('refuse a rotation on demand within 20 minutes of their date', async () => {
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs - 20 * 60_000)
      await call(on.services, rotateKeyOnDemand, { KeyId })
      on.clock.advance(1)
      await refused(call(on.services, rotateKeyOnDemand, { KeyId }), 'ConflictException')
    })

    it('are left to the process that holds their lease, for as long as it holds it', async () => {
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs)
      await on.store.leases.acquire(`rotate:${region}/${KeyId}`, 'another', on.clock.now(), on.clock.now() + leaseMs)
      expect(await run()).to.equal(0)
      on.clock.advance(leaseMs)
      expect(await run()).to.equal(1)
    })

    it('are rotated once by processes that run one after the other', async () => {
      const KeyId = await rotatingKey()
      on.clock.advance(periodDays * dayMs)
      const other = on.newServices({ store: await on.second() })
      expect([await run(), await rotateDueKeys(other, 'other')]).to.deep.equal([1, 0])
      expect(await versionOf(KeyId)).to.equal(2)
    })

    it('are not held up by one that fails, which is tried again', async () => {
      const [bad, good] = [await rotatingKey(), await rotatingKey()]
      const log = new RecordedLog()
      const broken = replacing(on.hsm, {
        async createMaterial(material) {
          if (material.name === backingKey(bad, 2, 'gcm').name) throw new HsmError('busy', 'overloaded')
          return on.hsm.createMaterial(material)
        },
      })
      on.clock.advance(periodDays * dayMs)
      expect(await run(on.newServices({ hsm: broken, log }))).to.equal(1)
      expect([await versionOf(bad), await versionOf(good)]).to.deep.equal([1, 2])
      expect(log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields?.keyId)).to.deep.equal([bad])
      expect(await run()).to.equal(1)
      expect(await versionOf(bad)).to.equal(2)
    })

    it('are not due any more if another process was quicker', async () => {
      const KeyId = await rotatingKey()
      expect(await rotateDueKey({ region, keyId: KeyId }, on.services)).to.equal(false)
      expect(await rotateDueKey({ region: 'us-east-1', keyId: KeyId }, on.services)).to.equal(false)
      expect(await versionOf(KeyId)).to.equal(1)
    })
  })

  describe('for deletion', () => {
    it('are destroyed when their date has come, each once', async () => {
      const KeyIds = [await rotatingKey(), await rotatingKey()]
      for (const KeyId of KeyIds) await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: 7 })
      const spared = await rotatingKey()
      on.clock.advance(7 * dayMs)
      expect(await deleteExpiredKeys(on.services, 'this')).to.equal(2)
      expect(await deleteExpiredKeys(on.services, 'this')).to.equal(0)
      for (const KeyId of KeyIds) await refused(call(on.services, describeKey, { KeyId }), 'NotFoundException')
      expect((await call(on.services, describeKey, { KeyId: spared })).KeyMetadata?.KeyState).to.equal('Enabled')
    })
  })
})
