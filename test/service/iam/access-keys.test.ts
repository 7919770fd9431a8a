import { expect } from 'chai'
import { createAccessKey, deleteAccessKey, listAccessKeys, updateAccessKey } from '../../../src/api/iam/access-keys.js'
import { createUser, deleteUser } from '../../../src/api/iam/users.js'
import { AccessKeyUsages } from '../../../src/service/access-key-usage.js'
import { AccessKeys } from '../../../src/service/credentials.js'
import type { Caller } from '../../../src/domain/caller.js'
import { describeKey } from '../../../src/api/keys.js'
import { allowing, identityPolicy, userCaller } from '../../support/callers.js'
import { RecordedLog } from '../../support/recorded.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, administrator, call, region } from '../../support/services.js'
import { attempt } from './support.js'

describe('access keys', () => {
  const on = serviceSuite()

  async function made(UserName = 'bob') {
    const { AccessKey } = await call(on.services, createAccessKey, { UserName })
    if (!AccessKey?.AccessKeyId || !AccessKey.SecretAccessKey) throw new Error('no access key was made')
    return { ...AccessKey, AccessKeyId: AccessKey.AccessKeyId, SecretAccessKey: AccessKey.SecretAccessKey }
  }
  const listed = async (UserName = 'bob') => (await call(on.services, listAccessKeys, { UserName })).AccessKeyMetadata
  const lookup = (accessKeyId: string) => new AccessKeys(on.store, on.hsm, on.services.identities).lookup(accessKeyId)

  it('are made with a secret that is shown once and stored sealed', async () => {
    const { AccessKeyId, SecretAccessKey, ...rest } = await made()
    expect(rest).to.deep.equal({ UserName: 'bob', Status: 'Active', CreateDate: new Date(on.clock.now()) })
    expect(AccessKeyId).to.match(/^CVAK[A-Z2-7]{16}$/)
    expect(SecretAccessKey).to.match(/^[A-Za-z0-9+/]{40}$/)
    const credential = await lookup(AccessKeyId)
    expect(Buffer.from(credential?.secret ?? []).toString()).to.equal(SecretAccessKey)
    expect(credential?.caller.arn).to.equal(`arn:aws:iam::${accountId}:user/bob`)
    expect(await listed()).to.deep.equal([
      { UserName: 'bob', AccessKeyId, Status: 'Active', CreateDate: rest.CreateDate },
    ])
    expect(JSON.stringify(on.audit.events)).to.not.include(SecretAccessKey)
    expect(JSON.stringify(await on.store.credentials.get(AccessKeyId))).to.not.include(SecretAccessKey)
  })

  it('are two at most for a user', async () => {
    await Promise.allSettled([made(), made(), made()])
    expect(await listed()).to.have.length(2)
    await refused(call(on.services, createAccessKey, { UserName: 'bob' }), 'LimitExceededException')
    await made('anne')
  })

  it('are made once by all tries of a call, and the secret is not shown again', async () => {
    const { AccessKey } = await attempt(on.services, createAccessKey, { UserName: 'bob' }, 'try')
    const { message } = await refused(attempt(on.services, createAccessKey, { UserName: 'bob' }, 'try'), 'EntityAlreadyExistsException')
    expect(message).to.include(AccessKey?.AccessKeyId).and.to.not.include(AccessKey?.SecretAccessKey)
    expect(await listed()).to.have.length(1)
    // Tries that come at the same time are no different.
    const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () =>
      attempt(on.services, createAccessKey, { UserName: 'anne' }, 'other')))
    expect(outcomes.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected', 'rejected'])
    expect(await listed('anne')).to.have.length(1)
  })

  it('open nothing while they are inactive, nor once they are deleted', async () => {
    const { AccessKeyId } = await made()
    await call(on.services, updateAccessKey, { UserName: 'bob', AccessKeyId, Status: 'Inactive' })
    expect(await lookup(AccessKeyId)).to.equal(undefined)
    expect((await listed())?.[0]?.Status).to.equal('Inactive')
    await call(on.services, updateAccessKey, { UserName: 'bob', AccessKeyId, Status: 'Active' })
    expect(await lookup(AccessKeyId)).to.not.equal(undefined)
    for (let time = 0; time < 2; time++) await attempt(on.services, deleteAccessKey, { UserName: 'bob', AccessKeyId }, 'try')
    expect(await lookup(AccessKeyId)).to.equal(undefined)
    expect(await listed()).to.deep.equal([])
    await refused(call(on.services, deleteAccessKey, { UserName: 'bob', AccessKeyId }), 'NoSuchEntityException')
  })

  it('are those of the user that is named, and nothing is told of others', async () => {
    const { AccessKeyId } = await made('anne')
    const messages = new Set<string>()
    for (const id of [AccessKeyId, 'CVAKAAAAAAAAAAAAAAAA', '__proto__AAAAAAAAAAA']) {
      for (const act of [
        call(on.services, deleteAccessKey, { UserName: 'bob', AccessKeyId: id }),
        call(on.services, updateAccessKey, { UserName: 'bob', AccessKeyId: id, Status: 'Inactive' }),
      ]) messages.add((await refused(act, 'NoSuchEntityException')).message.replace(id, 'id'))
    }
    expect([...messages]).to.deep.equal(['The Access Key with id id cannot be found.'])
    expect(await lookup(AccessKeyId)).to.not.equal(undefined)
  })

  it('go before their user does: who gets the name later has none of them', async () => {
    const { AccessKeyId } = await made()
    await refused(call(on.services, deleteUser, { UserName: 'bob' }), 'DeleteConflictException')
    await call(on.services, deleteAccessKey, { UserName: 'bob', AccessKeyId })
    await call(on.services, deleteUser, { UserName: 'bob' })
    await call(on.services, createUser, { UserName: 'bob' })
    expect(await listed()).to.deep.equal([])
  })

  it('without a user are those of the caller', async () => {
    const bob = userCaller('bob', [identityPolicy(allowing('iam:*'))])
    const { AccessKey } = await call(on.services, createAccessKey, {}, bob)
    expect(AccessKey?.UserName).to.equal('bob')
    expect((await call(on.services, listAccessKeys, {}, bob)).AccessKeyMetadata).to.have.length(1)
    const session: Caller = { ...bob, type: 'AssumedRole' }
    await refused(call(on.services, createAccessKey, {}, session), 'ValidationException')
  })

  it('do not end themselves', async () => {
    const { AccessKeyId } = await made('administrator')
    const caller = { ...administrator, accessKeyId: AccessKeyId }
    for (const act of [
      call(on.services, deleteAccessKey, { AccessKeyId }, caller),
      call(on.services, updateAccessKey, { AccessKeyId, Status: 'Inactive' }, caller),
    ]) {
      const { message } = await refused(act, 'ConflictException')
      expect(message).to.equal(`${AccessKeyId} signs this very call. Make the call with another access key.`)
    }
    await call(on.services, updateAccessKey, { AccessKeyId, Status: 'Active' }, caller)
    await call(on.services, deleteAccessKey, { AccessKeyId }, administrator)
  })

  describe('last used', () => {
    const last = async (by = on.services) => (await call(by, listAccessKeys, { UserName: 'bob' })).AccessKeyMetadata?.[0]?.AccessKeyLastUsed

    it('are those of the last call with a good signature, also of one that was refused', async () => {
      const { AccessKeyId } = await made()
      const bob = userCaller('bob', [identityPolicy(allowing('iam:*'))], { accessKeyId: AccessKeyId })
      expect(await last()).to.equal(undefined)
      await call(on.services, listAccessKeys, {}, bob)
      expect(await last()).to.deep.equal({ LastUsedDate: new Date(on.clock.now()), ServiceName: 'iam', Region: region })
      on.clock.advance(5_000)
      const KeyId = '1234abcd-12ab-44cd-96ef-1234567890ab'
      await refused(call(on.services, describeKey, { KeyId }, bob, 'us-east-1'), 'AccessDeniedException')
      expect(await last()).to.deep.equal({ LastUsedDate: new Date(on.clock.now()), ServiceName: 'kms', Region: 'us-east-1' })
    })

    it('are known after a restart, once they were written', async () => {
      const { AccessKeyId } = await made()
      await call(on.services, listAccessKeys, { UserName: 'bob' }, { ...administrator, accessKeyId: AccessKeyId })
      await on.services.accessKeyUsages.flush()
      expect(await last(on.newServices())).to.deep.include({ ServiceName: 'iam' })
    })

    it('are forgotten with the access key, also before they were written', async () => {
      const { AccessKeyId } = await made()
      await call(on.services, listAccessKeys, { UserName: 'bob' }, { ...administrator, accessKeyId: AccessKeyId })
      await call(on.services, deleteAccessKey, { UserName: 'bob', AccessKeyId })
      await on.services.accessKeyUsages.flush()
      expect(await on.store.credentials.usage(AccessKeyId)).to.equal(undefined)
    })

    it('are noted of no temporary credentials, and of no caller without an access key', async () => {
      const noted: unknown[] = []
      const usages = new AccessKeyUsages({ usage: async () => undefined, putUsages: async of => void noted.push(...of) }, new RecordedLog())
      const usage = { usedAt: 1, region, service: 'kms' }
      const accessKeyId = 'CVAKAAAAAAAAAAAAAAAA'
      const session = { issuedAt: 1, expiresAt: 2 }
      for (const of of [{ accessKeyId: '' }, { accessKeyId: 'CVASAAAAAAAAAAAAAAAA' }, { accessKeyId, session }]) {
        usages.note({ ...administrator, ...of }, usage)
      }
      usages.note({ ...administrator, accessKeyId }, usage)
      await usages.flush()
      expect(noted).to.deep.equal([{ accessKeyId, ...usage }])
    })
  })
})
