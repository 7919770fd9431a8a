import { expect } from 'chai'
import { createAlias, listAliases } from '../../src/api/aliases.js'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { createGrant, listGrants } from '../../src/api/grants.js'
import { cancelKeyDeletion, createKey, describeKey, getKeyLastUsage, scheduleKeyDeletion } from '../../src/api/keys.js'
import { replicateKey, updatePrimaryRegion } from '../../src/api/multi-region.js'
import { rotateKeyOnDemand } from '../../src/api/rotation.js'
import { backingKey } from '../../src/domain/material.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys } from '../../src/jobs/due-keys.js'
import { reconcile } from '../../src/service/reconcile.js'
import { tokenObjects } from '../../src/service/token-objects.js'
import { Interruption } from '../support/interruption.js'
import { refused } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, region, storedKey } from '../support/services.js'

const elsewhere = 'us-east-1'
const windowDays = 7
const plaintext = Buffer.from('secret')
/** Far more than a deletion has. */
const stepsMax = 100

describe('deletion of multi-Region keys', () => {
  const on = serviceSuite()

  /** With two versions, in both Regions. */
  async function newPair(): Promise<string> {
    const KeyId = (await call(on.services, createKey, { MultiRegion: true })).KeyMetadata?.KeyId ?? ''
    await call(on.services, rotateKeyOnDemand, { KeyId })
    await call(on.services, replicateKey, { KeyId, ReplicaRegion: elsewhere })
    return KeyId
  }

  function schedule(KeyId: string, at: string) {
    return call(on.services, scheduleKeyDeletion, { KeyId, PendingWindowInDays: windowDays }, undefined, at)
  }

  async function metadata(KeyId: string, at = region) {
    return (await call(on.services, describeKey, { KeyId }, undefined, at)).KeyMetadata
  }

  async function objectsOf(keyId: string): Promise<number> {
    const found = await Promise.all([1, 2].map(version => on.hsm.find(backingKey(keyId, version, 'gcm'))))
    return found.filter(evidence => evidence !== undefined).length
  }

  async function pass(days = windowDays): Promise<void> {
    on.clock.advance(days * dayMs)
    await deleteExpiredKeys(on.services, 'this')
  }

  it('of a primary waits for the last replica', async () => {
    const keyId = await newPair()
    const answer = await schedule(keyId, region)
    expect(answer).to.deep.include({ KeyState: 'PendingReplicaDeletion', PendingWindowInDays: windowDays })
    expect(answer).to.not.have.property('DeletionDate')
    const shown = await metadata(keyId)
    expect(shown).to.deep.include({ KeyState: 'PendingReplicaDeletion', Enabled: false, PendingDeletionWindowInDays: windowDays })
    expect(shown).to.not.have.property('DeletionDate')
    await pass(365)
    expect((await metadata(keyId))?.KeyState).to.equal('PendingReplicaDeletion')

    await schedule(keyId, elsewhere)
    await pass()
    await refused(metadata(keyId, elsewhere), 'NotFoundException')
    expect(await objectsOf(keyId)).to.equal(2)
    const waiting = await metadata(keyId)
    expect(waiting).to.deep.include({ KeyState: 'PendingDeletion', DeletionDate: new Date(on.clock.now() + windowDays * dayMs) })
    expect(waiting).to.not.have.property('PendingDeletionWindowInDays')

    await pass()
    await refused(metadata(keyId), 'NotFoundException')
    expect(await objectsOf(keyId)).to.equal(0)
  })

  it('of a replica leaves the primary all its material', async () => {
    const keyId = await newPair()
    const { CiphertextBlob: blob } = await call(
      on.services, encrypt, { KeyId: keyId, Plaintext: Uint8Array.from(plaintext) }, undefined, elsewhere)
    await schedule(keyId, elsewhere)
    await pass()
    expect(await objectsOf(keyId)).to.equal(2)
    const { Plaintext } = await call(on.services, decrypt, { CiphertextBlob: blob ?? new Uint8Array() })
    expect(Buffer.from(Plaintext ?? [])).to.deep.equal(plaintext)
    const { key, versions } = await storedKey(on.store, keyId, elsewhere)
    expect([key.state, ...[...versions.values()].map(({ state }) => state)]).to.deep.equal(['Destroyed', 'destroyed', 'destroyed'])
    expect((await metadata(keyId))?.KeyState).to.equal('Enabled')
  })

  it('can be cancelled while it waits for a replica', async () => {
    const keyId = await newPair()
    await schedule(keyId, region)
    await refused(schedule(keyId, region), 'KMSInvalidStateException')
    await call(on.services, cancelKeyDeletion, { KeyId: keyId })
    const shown = await metadata(keyId)
    expect(shown?.KeyState).to.equal('Disabled')
    expect(shown).to.not.have.property('PendingDeletionWindowInDays')
  })

  it('can be followed by a new replica, which does not forget how often its versions sealed', async () => {
    const keyId = await newPair()
    await call(on.services, encrypt, { KeyId: keyId, Plaintext: Uint8Array.from(plaintext) }, undefined, elsewhere)
    const sealed = await on.store.keys.sealsReserved(elsewhere, keyId, 2)
    expect(sealed).to.be.greaterThan(0)
    await schedule(keyId, elsewhere)
    await pass()
    await call(on.services, rotateKeyOnDemand, { KeyId: keyId })
    await call(on.services, replicateKey, { KeyId: keyId, ReplicaRegion: elsewhere })
    expect(await on.store.keys.sealsReserved(elsewhere, keyId, 2)).to.equal(sealed)
    const { CiphertextBlob: blob } = await call(on.services, encrypt, { KeyId: keyId, Plaintext: Uint8Array.from(plaintext) })
    await call(on.services, decrypt, { CiphertextBlob: blob ?? new Uint8Array() }, undefined, elsewhere)
    const { versions } = await storedKey(on.store, keyId, elsewhere)
    expect([...versions.values()].map(({ state }) => state)).to.deep.equal(['ready', 'ready', 'ready'])
  })

  it('goes on once a half-made replica is taken back', async () => {
    const keyId = (await call(on.services, createKey, { MultiRegion: true })).KeyMetadata?.KeyId ?? ''
    const { key } = await storedKey(on.store, keyId)
    await on.store.keys.insert({ ...key, region: elsewhere, state: 'Creating', revision: 1 }, [])
    expect((await schedule(keyId, region)).KeyState).to.equal('PendingReplicaDeletion')
    await pass()
    expect((await metadata(keyId))?.KeyState).to.equal('PendingReplicaDeletion')
    await reconcile(on.services, 'next', true)
    await pass(0)
    expect((await metadata(keyId))?.KeyState).to.equal('PendingDeletion')
  })

  it('leaves the objects to the key that still needs them, in lists of the token, too', async () => {
    const KeyId = await newPair()
    await call(on.services, updatePrimaryRegion, { KeyId, PrimaryRegion: elsewhere })
    await schedule(KeyId, region)
    await pass()
    expect((await storedKey(on.store, KeyId)).key.state).to.equal('Destroyed')
    const objects = await tokenObjects(await on.hsm.list(), 'default', on.store)
    const ours = objects.filter(({ owner }) => owner?.kind === 'backing-key' && owner.keyId === KeyId)
    expect(ours.map(({ standing, key }) => ({ standing, ...key }))).to.deep.equal([1, 2].map(() => (
      { standing: 'known', region: elsewhere, keyStore: 'default', keyState: 'Enabled', versionState: 'ready' }
    )))
  })

  it('leaves nothing of a replica to the next one in its place', async () => {
    const KeyId = await newPair()
    const principal = '111122223333'
    await call(on.services, encrypt, { KeyId, Plaintext: plaintext }, undefined, elsewhere)
    await call(on.services, createGrant, { KeyId, GranteePrincipal: principal, Operations: ['Decrypt'] }, undefined, elsewhere)
    await call(on.services, createAlias, { AliasName: 'alias/replica', TargetKeyId: KeyId }, undefined, elsewhere)
    await schedule(KeyId, elsewhere)
    await pass()
    await on.services.lastUsage.flush()
    await call(on.services, replicateKey, { KeyId, ReplicaRegion: elsewhere })
    expect((await call(on.services, getKeyLastUsage, { KeyId }, undefined, elsewhere)).KeyLastUsage).to.deep.equal({})
    expect((await call(on.services, listGrants, { KeyId }, undefined, elsewhere)).Grants).to.deep.equal([])
    expect((await call(on.services, listAliases, { KeyId }, undefined, elsewhere)).Aliases).to.deep.equal([])
    await call(on.services, encrypt, { KeyId, Plaintext: plaintext }, undefined, elsewhere)
    expect((await call(on.services, getKeyLastUsage, { KeyId }, undefined, elsewhere)).KeyLastUsage).to.include({ Operation: 'Encrypt' })
  })

  for (const [what, condemned] of [['a replica', [elsewhere]], ['both', [elsewhere, region]]] as const) {
    it(`of ${what}, killed at any step, destroys what nobody needs and nothing else`, async () => {
      for (let steps = 0; ; steps++) {
        const keyId = await newPair()
        for (const at of condemned.toReversed()) await schedule(keyId, at)
        on.clock.advance(windowDays * dayMs)
        const interruption = new Interruption(steps)
        const killed = on.newServices({
          hsm: interruption.over(on.hsm, 'hsm'),
          store: {
            ...on.store, keys: interruption.over(on.store.keys, 'keys'), grants: interruption.over(on.store.grants, 'grants'),
          },
        })
        for (let round = 0; round < condemned.length && !interruption.hit; round++) {
          await deleteExpiredKeys(killed, 'killed').catch(() => {})
          on.clock.advance(windowDays * dayMs)
          const { key } = await storedKey(on.store, keyId)
          // Whatever is left half-way, a primary that is still wanted has its objects.
          if (key.state !== 'Destroying' && key.state !== 'Destroyed') expect(await objectsOf(keyId)).to.equal(2)
        }
        on.restart()
        for (const _ of condemned) {
          await reconcile(on.services, 'next', true)
          await pass()
        }
        expect((await storedKey(on.store, keyId, elsewhere)).key.state).to.equal('Destroyed')
        const { key: { state } } = await storedKey(on.store, keyId)
        expect([state, await objectsOf(keyId)], interruption.steps.join())
          .to.deep.equal(condemned.length === 2 ? ['Destroyed', 0] : ['Enabled', 2])
        if (!interruption.hit) return
        if (steps > stepsMax) throw new Error('it never ends')
      }
    }).timeout(120_000)
  }
})
