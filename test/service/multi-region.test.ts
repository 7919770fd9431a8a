import { expect } from 'chai'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createKey, describeKey, disableKey, listKeys, scheduleKeyDeletion } from '../../src/api/keys.js'
import { replicateKey, updatePrimaryRegion } from '../../src/api/multi-region.js'
import { disableKeyRotation, enableKeyRotation, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { checkState } from '../../src/domain/key-state.js'
import type { KeyView } from '../../src/domain/key.js'
import { relatedKeysMax } from '../../src/domain/multi-region.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import { scheduleOf } from '../../src/service/multi-region.js'
import { reconcile } from '../../src/service/reconcile.js'
import { Interruption } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { accountId, administrator, call, operationOf, region, storedKey } from '../support/services.js'

const elsewhere = 'us-east-1'
const plaintext = Buffer.from('secret')
/** Far more than any operation has. */
const stepsMax = 100

describe('multi-Region keys', () => {
  const on = serviceSuite()

  async function newPrimary(asked: Parameters<typeof call<typeof createKey>>[2] = {}, by = on.services): Promise<string> {
    return (await call(by, createKey, { MultiRegion: true, ...asked })).KeyMetadata?.KeyId ?? ''
  }

  const replicate = (KeyId: string, asked = {}, by = on.services) => call(by, replicateKey, { KeyId, ReplicaRegion: elsewhere, ...asked })

  async function newPair(by = on.services): Promise<string> {
    const keyId = await newPrimary({}, by)
    await replicate(keyId, {}, by)
    return keyId
  }

  const stored = (keyId: string) => Promise.all([region, elsewhere].map(at => storedKey(on.store, keyId, at)))

  async function seal(KeyId: string, at: string, by = on.services): Promise<Uint8Array> {
    const { CiphertextBlob } = await call(by, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) }, undefined, at)
    return CiphertextBlob ?? new Uint8Array()
  }

  async function expectOpens(blob: Uint8Array, at: string, by = on.services): Promise<void> {
    const { Plaintext } = await call(by, decrypt, { CiphertextBlob: blob }, undefined, at)
    expect(Buffer.from(Plaintext ?? [])).to.deep.equal(plaintext)
  }

  function expectSameMaterial(views: readonly KeyView[]): void {
    const [first, ...others] = views.map(({ key, versions }) => ({
      current: key.currentVersion,
      versions: [...versions.values()].map(({ version, state, keyMaterialId }) => [version, state, keyMaterialId]),
    }))
    for (const other of others) expect(other).to.deep.equal(first)
  }

  describe('ReplicateKey', () => {
    it('makes a replica with the same material and a life of its own', async () => {
      const keyId = await newPrimary({ Description: 'primary', Tags: [{ TagKey: 'a', TagValue: 'b' }] })
      const answer = await replicate(keyId, { Description: 'replica' })
      const named = (at: string) => ({ Arn: `arn:aws:kms:${at}:111122223333:key/${keyId}`, Region: at })
      expect(answer.ReplicaKeyMetadata).to.deep.include({
        KeyId: keyId, Arn: named(elsewhere).Arn, Description: 'replica', KeyState: 'Enabled', MultiRegion: true,
        MultiRegionConfiguration: {
          MultiRegionKeyType: 'REPLICA', PrimaryKey: named(region), ReplicaKeys: [named(elsewhere)],
        },
      })
      expect(answer.ReplicaTags).to.deep.equal([])
      expect(answer.ReplicaPolicy).to.contain('111122223333')
      const { KeyMetadata } = await call(on.services, describeKey, { KeyId: keyId })
      expect(KeyMetadata?.MultiRegionConfiguration).to.deep.equal({
        MultiRegionKeyType: 'PRIMARY', PrimaryKey: named(region), ReplicaKeys: [named(elsewhere)],
      })
      expect(KeyMetadata?.CurrentKeyMaterialId).to.equal(answer.ReplicaKeyMetadata?.CurrentKeyMaterialId)
      expectSameMaterial(await stored(keyId))
    })

    it('lets each Region open what the other sealed', async () => {
      const keyId = await newPair()
      for (const [from, to] of [[region, elsewhere], [elsewhere, region]] as const) await expectOpens(await seal(keyId, from), to)
    })

    it('brings the earlier versions along', async () => {
      const keyId = await newPrimary()
      const old = await seal(keyId, region)
      await call(on.services, rotateKeyOnDemand, { KeyId: keyId })
      await replicate(keyId)
      await expectOpens(old, elsewhere)
    })

    it('leaves state and description to each', async () => {
      const keyId = await newPair()
      await call(on.services, disableKey, { KeyId: keyId })
      await refused(call(on.services, encrypt, { KeyId: keyId, Plaintext: plaintext }), 'DisabledException')
      await seal(keyId, elsewhere)
    })

    it('happens once per Region', async () => {
      const keyId = await newPair()
      await refused(replicate(keyId), 'AlreadyExistsException')
      const other = await newPrimary()
      const outcomes = await Promise.allSettled([replicate(other), replicate(other), replicate(other)])
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
    })

    for (const [what, asked] of [['its own Region', region], ['a Region that is not served', 'eu-west-3']] as const) {
      it(`is refused for ${what}`, async () => {
        await refused(replicate(await newPrimary(), { ReplicaRegion: asked }), 'ValidationException')
      })
    }

    it('is refused from a replica and from a single-Region key', async () => {
      const keyId = await newPair()
      const arn = `arn:aws:kms:${elsewhere}:111122223333:key/${keyId}`
      const { message } = await refused(
        call(on.services, replicateKey, { KeyId: keyId, ReplicaRegion: region }, undefined, elsewhere), 'UnsupportedOperationException')
      expect(message).to.equal(`${arn} is not a multi-region primary key.`)
      const single = (await call(on.services, createKey, {})).KeyMetadata?.KeyId ?? ''
      await refused(replicate(single), 'UnsupportedOperationException')
    })

    it('is refused beyond the number of relatives that share the budget', async () => {
      const many = { ...on.services, regions: Array.from({ length: relatedKeysMax + 1 }, (_, at) => `eu-test-${at}`) }
      const keyId = await newPrimary()
      for (const ReplicaRegion of many.regions.slice(0, relatedKeysMax - 1)) await replicate(keyId, { ReplicaRegion }, many)
      await refused(replicate(keyId, { ReplicaRegion: `eu-test-${relatedKeysMax}` }, many), 'LimitExceededException')
      // One that is gone has sealed, too: only another in its own place may follow it.
      await call(many, scheduleKeyDeletion, { KeyId: keyId }, undefined, 'eu-test-0')
      on.clock.advance(30 * dayMs)
      expect(await deleteExpiredKeys(many, 'this')).to.equal(1)
      await refused(replicate(keyId, { ReplicaRegion: `eu-test-${relatedKeysMax}` }, many), 'LimitExceededException')
      await replicate(keyId, { ReplicaRegion: 'eu-test-0' }, many)
    })

    it('is refused while the primary waits for its material', async () => {
      const keyId = await newPrimary({ Origin: 'EXTERNAL' })
      await refused(replicate(keyId), 'KMSInvalidStateException')
    })

    it('killed at any step leaves the whole replica or, once reconciled, none', async () => {
      for (let steps = 0; ; steps++) {
        const keyId = await newPrimary()
        const interruption = new Interruption(steps)
        const killed = on.newServices({ store: { ...on.store, keys: interruption.over(on.store.keys, 'keys') } })
        await replicate(keyId, {}, killed).catch((error: unknown) => {
          if (!interruption.hit) throw error
        })
        on.restart()
        await reconcile(on.services, 'next', true)
        expect(await on.store.keys.unsettled(10)).to.deep.equal([])
        const regions = await on.store.keys.regionsOf(keyId)
        if (regions.length === 1) await replicate(keyId)
        await expectOpens(await seal(keyId, region), elsewhere)
        if (!interruption.hit) return expect(regions).to.deep.equal([region, elsewhere])
        if (steps > stepsMax) throw new Error('it never ends')
      }
    }).timeout(60_000)
  })

  describe('rotation', () => {
    it('of the primary reaches every relative in one write', async () => {
      const keyId = await newPair()
      const before = await seal(keyId, elsewhere)
      await call(on.services, rotateKeyOnDemand, { KeyId: keyId })
      expectSameMaterial(await stored(keyId))
      expect((await storedKey(on.store, keyId, elsewhere)).key.currentVersion).to.equal(2)
      for (const at of [region, elsewhere]) await expectOpens(before, at)
      await expectOpens(await seal(keyId, elsewhere), region)
    })

    it('killed at any step leaves all relatives with the same versions', async () => {
      for (let steps = 0; ; steps++) {
        const keyId = await newPair()
        const interruption = new Interruption(steps)
        const killed = on.newServices({
          hsm: interruption.over(on.hsm, 'hsm'), store: { ...on.store, keys: interruption.over(on.store.keys, 'keys') },
        })
        await call(killed, rotateKeyOnDemand, { KeyId: keyId }).catch((error: unknown) => {
          if (!interruption.hit) throw error
        })
        on.restart()
        await reconcile(on.services, 'next', true)
        expectSameMaterial(await stored(keyId))
        await expectOpens(await seal(keyId, elsewhere), region)
        if (!interruption.hit) return
        if (steps > stepsMax) throw new Error('it never ends')
      }
    }).timeout(60_000)

    it('comes about when a replica has used up its part of the budget', async () => {
      const sealsPerVersionMax = relatedKeysMax * 2
      const spending = on.newServices({ sealsPerVersionMax })
      const keyId = await newPair(spending)
      for (let count = 0; count < 3; count++) await seal(keyId, elsewhere, spending)
      const [primary, replica] = await stored(keyId)
      expect(replica?.key.currentVersion).to.be.greaterThan(1)
      expect(primary?.key.currentVersion).to.equal(replica?.key.currentVersion)
      expect(await on.store.keys.sealsReserved(elsewhere, keyId, 1)).to.equal(2)
      expect(await on.store.keys.sealsReserved(region, keyId, 1)).to.equal(0)
    })

    it('by schedule is the primary\'s', async () => {
      const keyId = await newPair()
      await call(on.services, enableKeyRotation, { KeyId: keyId, RotationPeriodInDays: 90 })
      expect((await scheduleOf(await storedKey(on.store, keyId, elsewhere), on.services)).schedule?.periodInDays).to.equal(90)
      on.clock.advance(90 * dayMs)
      expect(await rotateDueKeys(on.services, 'this')).to.equal(1)
      expectSameMaterial(await stored(keyId))
    })
  })

  describe('UpdatePrimaryRegion', () => {
    const move = (KeyId: string, to: string, at: string) =>
      call(on.services, updatePrimaryRegion, { KeyId, PrimaryRegion: to }, undefined, at)

    it('makes the replica the primary and takes the schedule along', async () => {
      const keyId = await newPair()
      await call(on.services, enableKeyRotation, { KeyId: keyId, RotationPeriodInDays: 90 })
      await move(keyId, elsewhere, region)
      const [old, primary] = await stored(keyId)
      expect([old?.key.multiRegion, primary?.key.multiRegion]).to.deep.equal([{ primaryRegion: elsewhere }, { primaryRegion: elsewhere }])
      expect(old?.key).to.not.have.property('schedule')
      expect(primary?.key.schedule?.periodInDays).to.equal(90)
      on.clock.advance(90 * dayMs)
      expect(await rotateDueKeys(on.services, 'this')).to.equal(1)
      expectSameMaterial(await stored(keyId))
      await refused(move(keyId, elsewhere, region), 'UnsupportedOperationException')
      await move(keyId, region, elsewhere)
    })

    for (const contract of [enableKeyRotation, disableKeyRotation, rotateKeyOnDemand]) {
      it(`refuses ${contract.name} of what was the primary when the call was judged`, async () => {
        const keyId = await newPair()
        await call(on.services, enableKeyRotation, { KeyId: keyId })
        const judged = checkState(await storedKey(on.store, keyId), 'read')
        await move(keyId, elsewhere, region)
        const before = await stored(keyId)
        await refused(operationOf(contract).run({
          caller: administrator, scope: { region, accountId }, requestId: '', input: { KeyId: keyId }, keys: [judged], outcomes: [],
          permitted: [], recipient: undefined,
          access: undefined as never, used: () => {}, detail: () => {},
        }, on.services), 'UnsupportedOperationException')
        expect(await stored(keyId)).to.deep.equal(before)
      })
    }

    it('needs an enabled replica there', async () => {
      const keyId = await newPrimary()
      await refused(move(keyId, elsewhere, region), 'NotFoundException')
      await refused(move(keyId, region, region), 'ValidationException')
      await replicate(keyId)
      await call(on.services, disableKey, { KeyId: keyId }, undefined, elsewhere)
      await refused(move(keyId, elsewhere, region), 'DisabledException')
    })
  })

  it('are listed in the Regions that have them', async () => {
    const keyId = await newPair()
    for (const at of [region, elsewhere]) {
      expect((await call(on.services, listKeys, {}, undefined, at)).Keys?.map(key => key.KeyId)).to.include(keyId)
    }
  })
})
