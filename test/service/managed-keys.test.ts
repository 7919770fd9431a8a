import { expect } from 'chai'
import { createAlias, deleteAlias, listAliases, updateAlias } from '../../src/api/aliases.js'
import { decrypt, encrypt } from '../../src/api/encryption.js'
import { cancelKeyDeletion, describeKey, disableKey, listKeys, scheduleKeyDeletion, updateKeyDescription } from '../../src/api/keys.js'
import { putKeyPolicy } from '../../src/api/policies.js'
import { disableKeyRotation, getKeyRotationStatus, rotateKeyOnDemand } from '../../src/api/rotation.js'
import { tagResource } from '../../src/api/tags.js'
import { managedKeyDescription, rotationPeriodInDays, servicesWithKeys } from '../../src/domain/managed-keys.js'
import { defaultPolicy } from '../../src/domain/policy/default-policy.js'
import { dayMs } from '../../src/domain/rotation.js'
import { deleteExpiredKeys, rotateDueKeys } from '../../src/jobs/due-keys.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { reconcile } from '../../src/service/reconcile.js'
import type { Services } from '../../src/service/services.js'
import { MovedClock } from '../support/clock.js'
import { Interruption, replacing } from '../support/interruption.js'
import { RecordedAudit } from '../support/recorded.js'
import { refused } from '../support/refusal.js'
import {
  accountId, call, newKey, nobody, openTestHsm, openTestStore, region, servicesOver, storedKey, type ServicesOptions, type TestStore,
} from '../support/services.js'

const alias = 'alias/aws/s3'
const plaintext = Buffer.from('secret')
/** Far more than any operation has. */
const stepsMax = 100

describe('keys of the service', () => {
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
    services = newServices()
  })
  afterEach(() => opened.close())

  const newServices = (options: Partial<ServicesOptions> = {}) => servicesOver({ hsm, store: opened.store, clock, audit, ...options })

  const seal = (by = services, KeyId = alias) => call(by, encrypt, { KeyId, Plaintext: Uint8Array.from(plaintext) })

  async function keyId(): Promise<string> {
    return (await call(services, describeKey, { KeyId: alias })).KeyMetadata?.KeyId ?? ''
  }

  /** Of those that are not destroyed. */
  async function keyCount(): Promise<number> {
    return [...(await opened.store.keys.countByKeyStore()).values()].reduce((sum, keys) => sum + keys, 0)
  }

  it('are made when their alias is first used', async () => {
    expect((await call(services, listKeys, {})).Keys).to.deep.equal([])
    const { CiphertextBlob, KeyId } = await seal()
    expect(Buffer.from((await call(services, decrypt, { CiphertextBlob: CiphertextBlob ?? new Uint8Array() })).Plaintext ?? []))
      .to.deep.equal(plaintext)
    const { KeyMetadata } = await call(services, describeKey, { KeyId: alias })
    expect(KeyMetadata).to.deep.include({
      Arn: KeyId, KeyManager: 'AWS', KeyState: 'Enabled', Enabled: true, Description: managedKeyDescription(alias), Origin: 'AWS_KMS',
    })
    expect(KeyMetadata).to.not.have.property('DeletionDate')
    expect((await call(services, listAliases, {})).Aliases?.map(({ AliasName, TargetKeyId }) => [AliasName, TargetKeyId]))
      .to.deep.equal([[alias, KeyMetadata?.KeyId]])
    expect(audit.events.filter(({ eventName }) => eventName === 'CreateKey')).to.have.length(1)
    await seal()
    expect(await keyCount()).to.equal(1)
  })

  it('are made by their alias ARN, too, and one for each service and Region', async () => {
    const arn = `arn:aws:kms:${region}:${accountId}:alias/aws/ebs`
    const ids = [await seal(services, arn), await seal(), await seal(services, 'alias/aws/ebs')].map(answer => answer.KeyId)
    expect(ids[2]).to.equal(ids[0])
    const other = await call(services, encrypt, { KeyId: alias, Plaintext: plaintext }, undefined, 'us-east-1')
    expect(new Set([...ids, other.KeyId]).size).to.equal(3)
  })

  for (const name of servicesWithKeys) {
    it(`exist for ${name}`, () => {
      expect(managedKeyDescription(`alias/aws/${name}`)).to.be.a('string').and.not.contain('undefined')
    })
  }

  for (const name of ['alias/aws/no-such-service', 'alias/aws/constructor', 'alias/aws/', 'alias/aws/s3/x', 'alias/s3']) {
    it(`do not exist for ${name}`, async () => {
      await refused(seal(services, name), 'NotFoundException')
      expect(await keyCount()).to.equal(0)
    })
  }

  it('are not made for a caller who may not use them', async () => {
    await refused(call(services, encrypt, { KeyId: alias, Plaintext: plaintext }, nobody), 'AccessDeniedException')
    expect(await keyCount()).to.equal(0)
  })

  it('are not made by a DryRun', async () => {
    await refused(call(services, encrypt, { KeyId: alias, Plaintext: plaintext, DryRun: true }), 'NotFoundException')
    expect(await keyCount()).to.equal(0)
    await seal()
    await refused(call(services, encrypt, { KeyId: alias, Plaintext: plaintext, DryRun: true }), 'DryRunOperationException')
  })

  it('are made once by callers that come at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => seal()))
    expect(new Set(answers.map(answer => answer.KeyId)).size).to.equal(1)
    expect(await keyCount()).to.equal(1)
  })

  it('are made once by two processes at the same time, and the other key goes', async () => {
    const other = newServices({ store: await opened.second() })
    let raced = false
    // The other process is first, after this one has made its key.
    const aliases = replacing(opened.store.aliases, {
      async insert(one) {
        if (!raced) await seal(other)
        raced = true
        return opened.store.aliases.insert(one)
      },
    })
    const answer = await seal(newServices({ store: { ...opened.store, aliases } }))
    expect(raced).to.equal(true)
    expect(answer.KeyId).to.equal((await call(services, describeKey, { KeyId: alias })).KeyMetadata?.Arn)
    expect(await keyCount()).to.equal(1)
  })

  it('are one, whole, after a first use that was killed at any step', async () => {
    for (let steps = 0; ; steps++) {
      const interruption = new Interruption(steps)
      const store = {
        ...opened.store, keys: interruption.over(opened.store.keys, 'keys'), aliases: interruption.over(opened.store.aliases, 'aliases'),
      }
      await seal(newServices({ store, hsm: interruption.over(hsm, 'hsm') })).catch((error: unknown) => {
        if (!interruption.hit) throw error
      })
      services = newServices()
      await reconcile(services, 'next', true)
      await seal()
      clock.advance(2 * dayMs)
      await deleteExpiredKeys(services, 'next')
      expect(await keyCount(), interruption.steps.join()).to.equal(1)
      expect((await storedKey(opened.store, await keyId())).key.state).to.equal('Enabled')
      if (!interruption.hit) return
      await opened.close()
      opened = await openTestStore(hsm)
      if (steps > stepsMax) throw new Error('it never ends')
    }
  }).timeout(60_000)

  it('rotate once a year', async () => {
    await seal()
    const status = await call(services, getKeyRotationStatus, { KeyId: await keyId() })
    expect(status).to.deep.include({ KeyRotationEnabled: true, RotationPeriodInDays: rotationPeriodInDays })
    clock.advance(rotationPeriodInDays * dayMs)
    expect(await rotateDueKeys(services, 'this')).to.equal(1)
    expect((await storedKey(opened.store, await keyId())).key.currentVersion).to.equal(2)
  })

  it('are changed by nobody', async () => {
    const KeyId = await keyId()
    for (const attempt of [
      call(services, disableKey, { KeyId }), call(services, scheduleKeyDeletion, { KeyId }), call(services, cancelKeyDeletion, { KeyId }),
      call(services, updateKeyDescription, { KeyId, Description: 'mine' }), call(services, rotateKeyOnDemand, { KeyId }),
      call(services, disableKeyRotation, { KeyId }), call(services, tagResource, { KeyId, Tags: [] }),
      call(services, putKeyPolicy, { KeyId, Policy: defaultPolicy(accountId) }),
      call(services, createAlias, { AliasName: 'alias/mine', TargetKeyId: KeyId }),
    ]) await refused(attempt, 'AccessDeniedException')
    const { key: { keyId: own } } = await newKey(services)
    for (const attempt of [
      call(services, createAlias, { AliasName: 'alias/aws/rds', TargetKeyId: own }),
      call(services, updateAlias, { AliasName: alias, TargetKeyId: own }), call(services, deleteAlias, { AliasName: alias }),
    ]) await refused(attempt, 'NotAuthorizedException')
    expect((await call(services, describeKey, { KeyId: alias })).KeyMetadata?.KeyState).to.equal('Enabled')
  })
})
