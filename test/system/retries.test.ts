import type { KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { kmsClient, refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { droppingProxy, type DroppingProxy } from '../support/dropping-proxy.js'
import { rawRequest } from './raw-request.js'
import { dayMs, suite } from './suite.js'

/** Architecture: what an SDK tries again because an answer was lost takes effect once. */
describe('an answer that is lost', () => {
  const on = suite()
  let proxy: DroppingProxy
  let kms: KMS

  beforeEach(async () => {
    proxy = await droppingProxy(on.server)
    kms = kmsClient(proxy)
  })
  afterEach(async () => {
    kms.destroy()
    await proxy.close()
  })

  const keys = async () => ((await on.kms.listKeys({})).Keys ?? []).map(({ KeyId }) => KeyId)
  const lost = () => JSON.parse(proxy.dropped[0]?.split('\r\n\r\n')[1] ?? '{}') as Record<string, unknown>
  /** Fails unless the operation was tried twice, and the first answer was lost. */
  function expectRetried(operation: string): void {
    expect(proxy.seen).to.deep.equal([operation, operation])
    expect(proxy.dropped[0]).to.match(/^HTTP\/1\.1 200 /)
  }

  it('of CreateKey leaves one key, and the retry answers it', async () => {
    const before = await keys()
    proxy.dropNext('CreateKey')
    const { KeyMetadata } = await kms.createKey({ Description: 'once' })
    expectRetried('CreateKey')
    expect((lost().KeyMetadata as { Arn: string }).Arn).to.equal(KeyMetadata?.Arn)
    expect((await keys()).filter(id => !before.includes(id))).to.deep.equal([KeyMetadata?.KeyId])
  })

  it('of CreateGrant leaves one grant, and the retry answers it with its token', async () => {
    const { id: KeyId } = await on.newKey()
    proxy.dropNext('CreateGrant')
    const { GrantId, GrantToken } = await kms.createGrant({ KeyId, GranteePrincipal: on.server.admin.accountId, Operations: ['Decrypt'] })
    expectRetried('CreateGrant')
    expect(lost()).to.deep.equal({ GrantId, GrantToken })
    expect((await on.kms.listGrants({ KeyId })).Grants?.map(grant => grant.GrantId)).to.deep.equal([GrantId])
  })

  it('of RetireGrant is not answered with an error for a grant that is gone', async () => {
    const { id: KeyId } = await on.newKey()
    const { GrantToken } = await on.kms.createGrant({ KeyId, GranteePrincipal: on.server.admin.accountId, Operations: ['Decrypt'] })
    proxy.dropNext('RetireGrant')
    await kms.retireGrant({ GrantToken })
    expectRetried('RetireGrant')
    expect((await refusal(kms.retireGrant({ GrantToken }))).code).to.equal('NotFoundException')
  })

  it('of ScheduleKeyDeletion is not answered with an error for a key whose deletion is pending', async () => {
    const { id: KeyId } = await on.newKey()
    proxy.dropNext('ScheduleKeyDeletion')
    const { DeletionDate, KeyState } = await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })
    expectRetried('ScheduleKeyDeletion')
    expect(KeyState).to.equal('PendingDeletion')
    expect(lost().DeletionDate).to.equal((DeletionDate?.getTime() ?? 0) / 1000)
  })

  for (const [operation, call] of Object.entries({
    CreateAlias: (KeyId: string) => kms.createAlias({ AliasName: 'alias/retried', TargetKeyId: KeyId }),
    DeleteAlias: () => kms.deleteAlias({ AliasName: 'alias/retried' }),
  })) {
    it(`of ${operation} is not answered with an error for what the first try did`, async () => {
      const { id } = await on.newKey()
      proxy.dropNext(operation)
      await call(id)
      expectRetried(operation)
    })
  }

  it('of another call of the same client is another call', async () => {
    const before = (await keys()).length
    await Promise.all([kms.createKey({}), kms.createKey({})])
    expect(await keys()).to.have.length(before + 2)
  })
})

describe('what is remembered of a call', () => {
  const clock = new MovedClock()
  const on = suite({ clock })

  it('is forgotten after a day, by a job', async () => {
    const headers = { 'amz-sdk-invocation-id': 'a-try' }
    const create = async () => (await rawRequest(on.server, { operation: 'CreateKey', headers })).json.KeyMetadata as { Arn: string }
    const { services: { store }, jobs, admin } = on.server
    const first = await create()
    clock.advance(dayMs - 1)
    await jobs.forgetInvocations.now()
    expect(await create()).to.deep.equal(first)
    clock.advance(2)
    await jobs.forgetInvocations.now()
    expect(await store.invocations.get(`arn:aws:iam::${admin.accountId}:user/administrator`, 'a-try')).to.equal(undefined)
    expect((await create()).Arn).to.not.equal(first.Arn)
    expect((await store.invocations.get(`arn:aws:iam::${admin.accountId}:user/administrator`, 'a-try'))?.operation).to.equal('CreateKey')
  })
})
