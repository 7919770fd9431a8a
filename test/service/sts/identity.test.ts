import { expect } from 'chai'
import { getCallerIdentity, getSessionToken } from '../../../src/api/sts.js'
import type { Caller } from '../../../src/domain/caller.js'
import { newAccessKey } from '../../../src/service/credentials.js'
import { callerOfAccount, callerOfRole, callerOfService } from '../../../src/service/identities/callers.js'
import { identityPolicy, sampleUser, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { sampleRole, sessionCaller } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'

const denyAll = identityPolicy({ Statement: { Effect: 'Deny', Action: '*', Resource: '*' } })
const roleSession = callerOfRole({ entity: sampleRole('worker'), policies: [] }, { name: 'me', issuedAt: 0, expiresAt: 1 })

describe('GetCallerIdentity', () => {
  const on = serviceSuite()

  const callers: readonly (readonly [string, Caller, object])[] = [
    ['a user', userCaller('anne'), { UserId: sampleUser('anne').id, Account: accountId, Arn: `arn:aws:iam::${accountId}:user/anne` }],
    ['a session of a role', roleSession, {
      UserId: 'AROAWORKER:me', Account: accountId, Arn: `arn:aws:sts::${accountId}:assumed-role/worker/me`,
    }],
    ['the root of an account', callerOfAccount(accountId), {
      UserId: accountId, Account: accountId, Arn: `arn:aws:iam::${accountId}:root`,
    }],
  ]
  for (const [what, caller, answer] of callers) {
    it(`says who ${what} is`, async () => {
      expect(await call(on.services, getCallerIdentity, {}, caller)).to.deep.equal(answer)
    })
  }

  it('can be denied by nothing', async () => {
    expect(await call(on.services, getCallerIdentity, {}, userCaller('anne', [denyAll]))).to.have.property('Account', accountId)
  })

  it('is recorded', async () => {
    await call(on.services, getCallerIdentity, {}, userCaller('anne'))
    expect(on.audit.events.at(-1)).to.deep.include({
      eventSource: 'sts.amazonaws.com', eventName: 'GetCallerIdentity', readOnly: true, responseElements: null,
    })
  })
})

describe('GetSessionToken', () => {
  const on = serviceSuite()
  let anne: Caller

  beforeEach(async () => {
    const { accessKey } = await newAccessKey(on.hsm, on.clock, 1, sampleUser('anne'))
    await on.store.credentials.put(accessKey)
    anne = userCaller('anne', [denyAll], { accessKeyId: accessKey.accessKeyId })
  })

  it('answers credentials of the user for twelve hours, whatever its policies are', async () => {
    const answer = await call(on.services, getSessionToken, {}, anne)
    expect(answer.Credentials?.Expiration.getTime()).to.equal(on.clock.now() + 43_200_000)
    const caller = await sessionCaller(on.services, answer)
    expect(caller).to.deep.include({ type: 'User', arn: anne.arn, userName: 'anne', userId: anne.userId })
    expect(caller.session).to.deep.equal({ issuedAt: on.clock.now(), expiresAt: on.clock.now() + 43_200_000 })
  })

  it('answers them for as long as is asked for', async () => {
    const answer = await call(on.services, getSessionToken, { DurationSeconds: 900, MinimumSessionTokenSize: 2_000 }, anne)
    expect(answer.Credentials?.Expiration.getTime()).to.equal(on.clock.now() + 900_000)
    expect(answer.SessionTokenSize).to.be.within(2_000, 2_003)
  })

  it('is not for sessions, of users or roles', async () => {
    const session = await sessionCaller(on.services, await call(on.services, getSessionToken, {}, anne))
    for (const caller of [session, roleSession]) {
      const { message } = await refused(call(on.services, getSessionToken, {}, caller), 'AccessDeniedException')
      expect(message).to.equal('Cannot call GetSessionToken with session credentials')
    }
  })

  it('is not for accounts, services, and users without an access key', async () => {
    for (const caller of [callerOfAccount(accountId), callerOfService('x.example'), userCaller('anne', [], { accessKeyId: '' })]) {
      await refused(call(on.services, getSessionToken, {}, caller), 'AccessDeniedException')
    }
  })

  it('takes no MFA', async () => {
    for (const input of [{ TokenCode: '123456' }, { SerialNumber: 'GAHT12345678' }]) {
      expect((await refused(call(on.services, getSessionToken, input, anne), 'ValidationException')).message).to.contain('not supported')
    }
  })

  it('is recorded with the new access key, and no secret', async () => {
    const { Credentials: of } = await call(on.services, getSessionToken, {}, anne)
    const event = on.audit.events.at(-1)
    expect(event?.responseElements).to.have.nested.property('credentials.accessKeyId', of?.AccessKeyId)
    for (const secret of [of?.SecretAccessKey, of?.SessionToken]) expect(JSON.stringify(event)).not.to.contain(secret)
  })
})
