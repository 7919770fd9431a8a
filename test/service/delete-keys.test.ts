import { expect } from 'chai'
import { createAlias, listAliases } from '../../src/api/aliases.js'
import { cancelKeyDeletion, createKey, describeKey, listKeys, scheduleKeyDeletion } from '../../src/api/keys.js'
import { enableKeyRotation, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys } from '../../src/jobs/due-keys.js'
import { deleteDueKey } from '../../src/service/delete-keys.js'
import { Interruption, replacing } from '../support/interruption.js'
import type { RecordedAudit } from '../support/recorded.js'
import { refused, rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, region, storedKey } from '../support/services.js'

const windowDays = 7
/** Far more than a deletion has. */
const stepsMax = 100

describe('deletion of a key', () => {
  const on = serviceSuite()

  /** A key with everything that a key can have, whose deletion is scheduled. */
  async function condemnedKey(): Promise<string> {
    const { KeyMetadata } = await call(on.services, createKey, { Description: 'd', Tags: [{ TagKey: 'a', TagValue: 'b' }] })
    const KeyId = KeyMetadata?.KeyId ?? ''
    await call(on.services, createAlias, { AliasName: `alias/${KeyId}`, TargetKeyId: KeyId })
    await call(on.services, enableKeyRotation, { KeyId })
    for (let count = 0; count < 2; count++) await call(on.services, rotateKeyOnDemand, { KeyId })
    await call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: windowDays })
    return KeyId
  }

  const deleteKey = (keyId: string, by = on.services) => deleteDueKey({ region, keyId }, by)

  async function objectsOf(keyId: string): Promise<number> {
    const found = await Promise.all([1, 2, 3].map(version => on.hsm.find(backingKey(keyId, version, 'gcm'))))
    return found.filter(evidence => evidence !== undefined).length
  }

  async function expectDestroyed(keyId: string): Promise<void> {
    expect(await objectsOf(keyId)).to.equal(0)
    const { key, versions } = await storedKey(on.store, keyId)
    expect(key).to.deep.include({ state: 'Destroyed', policy: '', tags: [], description: '' })
    expect(key).to.not.have.property('schedule')
    expect([...versions.values()].map(({ state }) => state)).to.deep.equal(['destroyed', 'destroyed', 'destroyed'])
    expect(await on.store.aliases.count(region, keyId)).to.equal(0)
    expect(await on.store.keys.unsettled(10)).to.deep.equal([])
    expect(await on.store.keys.dueForDeletion(on.clock.now(), 10)).to.deep.equal([])
  }

  it('destroys every object and leaves a tombstone', async () => {
    const keyId = await condemnedKey()
    expect(await objectsOf(keyId)).to.equal(3)
    on.clock.advance(windowDays * dayMs)
    expect(await deleteKey(keyId)).to.equal(true)
    await expectDestroyed(keyId)
  })

  it('makes the key as if it had never been', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs)
    await deleteKey(keyId)
    const { message } = await refused(call(on.services, describeKey, { KeyId: keyId }), 'NotFoundException')
    expect(message).to.match(/^Key '.*' does not exist$/)
    await refused(call(on.services, describeKey, { KeyId: `alias/${keyId}` }), 'NotFoundException')
    expect((await call(on.services, listKeys, {})).Keys).to.deep.equal([])
    expect((await call(on.services, listAliases, {})).Aliases).to.deep.equal([])
  })

  it('is in the audit log with every version', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs)
    await deleteKey(keyId)
    const { versions } = await storedKey(on.store, keyId)
    const event = on.audit.events.find(({ eventName }) => eventName === 'DeleteKey')
    expect(event?.additionalEventData).to.deep.equal({
      keyVersions: [...versions.values()].map(({ version, keyMaterialId }) => ({ keyVersion: version, keyMaterialId })),
    })
  })

  it('destroys nothing that cannot be recorded', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs)
    const full = replacing<RecordedAudit>(on.audit, { append: () => Promise.reject(new RangeError('no space left')) })
    await rejected(deleteDueKey({ region, keyId }, { ...on.services, audit: full }), RangeError)
    expect(await objectsOf(keyId)).to.equal(3)
  })

  it('does not happen a moment early', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs - 1)
    expect(await deleteKey(keyId)).to.equal(false)
    expect((await storedKey(on.store, keyId)).key.state).to.equal('PendingDeletion')
    expect(await objectsOf(keyId)).to.equal(3)
  })

  it('does not happen to a key whose deletion was cancelled', async () => {
    const keyId = await condemnedKey()
    await call(on.services, cancelKeyDeletion, { KeyId: keyId })
    on.clock.advance(100 * dayMs)
    expect(await deleteKey(keyId)).to.equal(false)
    expect((await storedKey(on.store, keyId)).key.state).to.equal('Disabled')
    expect(await objectsOf(keyId)).to.equal(3)
  })

  it('happens once', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs)
    expect(await deleteKey(keyId)).to.equal(true)
    expect(await deleteKey(keyId)).to.equal(false)
    expect(on.audit.events.filter(({ eventName }) => eventName === 'DeleteKey')).to.have.length(1)
  })

  it('is finished by the next process when it was killed at any step', async () => {
    for (let steps = 0; ; steps++) {
      const keyId = await condemnedKey()
      on.clock.advance(windowDays * dayMs)
      const interruption = new Interruption(steps)
      const killed = on.newServices({
        hsm: interruption.over(on.hsm, 'hsm'), audit: interruption.over(on.audit, 'audit'), store: {
          ...on.store, keys: interruption.over(on.store.keys, 'keys'), aliases: interruption.over(on.store.aliases, 'aliases'),
        },
      })
      await deleteKey(keyId, killed).catch((error: unknown) => {
        if (!interruption.hit) throw error
      })
      if (!interruption.hit) return expectDestroyed(keyId)
      const recorded = on.audit.events.splice(0)
      on.restart()
      expect(await deleteExpiredKeys(on.services, 'next'), `after ${interruption.steps.join(', ')}`).to.equal(1)
      await expectDestroyed(keyId)
      expect([...recorded, ...on.audit.events].some(({ eventName }) => eventName === 'DeleteKey')).to.equal(true)
      if (steps > stepsMax) throw new Error('it never ends')
    }
  })

  it('is not seen half-done by callers', async () => {
    const keyId = await condemnedKey()
    on.clock.advance(windowDays * dayMs)
    // Read, read, write: the key is marked, its objects are all there.
    const interruption = new Interruption(3)
    const killed = on.newServices({ store: { ...on.store, keys: interruption.over(on.store.keys, 'keys') } })
    await deleteKey(keyId, killed).catch(() => {})
    expect((await storedKey(on.store, keyId)).key.state).to.equal('Destroying')
    on.restart()
    await refused(call(on.services, describeKey, { KeyId: keyId }), 'NotFoundException')
    await refused(call(on.services, cancelKeyDeletion, { KeyId: keyId }), 'NotFoundException')
    expect((await call(on.services, listKeys, {})).Keys).to.deep.equal([])
  })
})
