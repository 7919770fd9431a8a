import { expect } from 'chai'
import { createAlias, deleteAlias, updateAlias } from '../../../src/api/aliases.js'
import { createGrant, listGrants } from '../../../src/api/grants.js'
import { createKey, describeKey, scheduleKeyDeletion } from '../../../src/api/keys.js'
import { getKeyPolicy, putKeyPolicy } from '../../../src/api/policies.js'
import { tagResource } from '../../../src/api/tags.js'
import type { Caller } from '../../../src/domain/caller.js'
import type { Role, User } from '../../../src/domain/identity.js'
import { compilePolicyText } from '../../../src/domain/policy/compile.js'
import { newAccessKey } from '../../../src/service/credentials.js'
import { callerOfRole, callerOfUser } from '../../../src/service/identities/callers.js'
import { firstRoots } from '../../../src/service/roots.js'
import { approve, approver, held, ruleOf, shown, storeApprovers } from '../../support/approvals.js'
import { accountId, administrator, allowing, sampleUser } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { call, newKey, region, storedKey } from '../../support/services.js'

const anne = approver('anne')
const operations = ['ScheduleKeyDeletion', 'PutKeyPolicy', 'CreateGrant', 'CreateKey', 'TagResource', 'UpdateAlias', 'DeleteAlias']

describe('a call that was approved', () => {
  const on = serviceSuite()
  beforeEach(() => storeApprovers(on.store, anne))
  let keyId: string
  let asking: Caller
  beforeEach(async () => {
    on.restart({ rules: [ruleOf(1, [anne], { operations })] })
    keyId = (await newKey(bare())).key.keyId
    asking = await newAsker({ inlinePolicies: { all: JSON.stringify(allowing('kms:*')) } })
  })
  /** Services without dual control, and beside the others: these must not go by what they remember. */
  const bare = () => {
    on.services.directory.forgetKey(region, keyId)
    return on.newServices()
  }
  const stateNow = async () => (await storedKey(on.store, keyId)).key.state

  /** A user as they call with an access key. */
  async function newAsker(of: Partial<User>): Promise<Caller> {
    const user = sampleUser('asker', of)
    await on.store.identities.insert(user)
    const { accessKey } = await newAccessKey(on.hsm, on.clock, firstRoots.seal, user)
    await on.store.credentials.put(accessKey)
    on.services.identities.forget()
    const principal = await on.services.identities.principal(accessKey.principalArn)
    if (!principal) throw new Error('there is no asker')
    return callerOfUser({ ...principal, entity: user }, accessKey.accessKeyId)
  }

  async function changed(change: (user: User) => Partial<User>): Promise<void> {
    const user = await on.store.identities.get(accountId, 'user', 'asker')
    if (!user) throw new Error('there is no asker')
    await on.store.identities.update({ ...user, ...change(user) })
    on.services.identities.forget()
  }

  async function failsAs(id: string, code: string, message: RegExp): Promise<void> {
    const { Status: status, Outcome: outcome } = await approve(on.services, id, anne)
    expect([status, outcome?.ErrorCode]).to.deep.equal(['FAILED', code])
    expect(outcome?.ErrorMessage).to.match(message)
    expect(on.audit.events.at(-2)).to.include({ requestID: outcome?.RequestId, errorCode: code })
    expect(on.audit.events.at(-2)?.additionalEventData).to.deep.include({ approvalRequest: id })
  }

  describe('is done with exactly the members that it had', () => {
    it('PutKeyPolicy, to the letter', async () => {
      const Statement = { Sid: 'ü "quoted"', Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' }
      const Policy = JSON.stringify({ Statement }, null, 3)
      await approve(on.services, await held(on.services, putKeyPolicy, { KeyId: keyId, Policy }, asking), anne)
      expect((await call(bare(), getKeyPolicy, { KeyId: keyId })).Policy).to.equal(Policy)
    })

    it('CreateGrant, whose token nobody is told', async () => {
      const constraints = { EncryptionContextEquals: { b: '2', a: '1' } }
      const id = await held(on.services, createGrant, {
        KeyId: keyId, GranteePrincipal: anne.arn, Operations: ['Decrypt'], Constraints: constraints,
      }, asking)
      const { Outcome: outcome } = await approve(on.services, id, anne)
      const { Grants: [grant, ...more] = [] } = await call(bare(), listGrants, { KeyId: keyId })
      expect(more).to.deep.equal([])
      expect(grant?.Constraints).to.deep.equal(constraints)
      expect(JSON.parse(outcome?.Output ?? '')).to.deep.equal({ grantId: grant?.GrantId })
    })

    it('CreateKey, which names no key', async () => {
      const id = await held(on.services, createKey, { Description: 'approved', Tags: [{ TagKey: 'a', TagValue: 'b' }] }, asking)
      expect((await shown(on.services, id, anne)).Resources).to.deep.equal([])
      const { Outcome: outcome } = await approve(on.services, id, anne)
      const { keyMetadata: { arn } } = JSON.parse(outcome?.Output ?? '') as { keyMetadata: { arn: string } }
      expect((await call(bare(), describeKey, { KeyId: arn })).KeyMetadata?.Description).to.equal('approved')
    })
  })

  describe('is done only if its requester may do it by then', () => {
    let id: string
    beforeEach(async () => { id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, asking) })
    afterEach(async () => expect(await stateNow()).to.equal('Enabled'))

    it('by the policies that it has by then', async () => {
      await changed(() => ({ inlinePolicies: {} }))
      await failsAs(id, 'AccessDeniedException', /kms:ScheduleKeyDeletion on resource: .* because no identity-based policy allows/)
    })

    it('by the policy that the key has by then', async () => {
      const Statement = { Effect: 'Allow', Principal: { AWS: administrator.arn }, Action: 'kms:*', Resource: '*' }
      await call(bare(), putKeyPolicy, { KeyId: keyId, Policy: JSON.stringify({ Statement }), BypassPolicyLockoutSafetyCheck: true })
      await failsAs(id, 'AccessDeniedException', /no resource-based policy allows/)
    })

    it('if it is still there', async () => {
      const user = await on.store.identities.get(accountId, 'user', 'asker')
      if (user) await on.store.identities.remove(user)
      on.services.identities.forget()
      await failsAs(id, 'AccessDeniedException', /asker is not authorized any more, because it is gone$/)
    })

    it('if nobody else has got its name', async () => {
      const user = await on.store.identities.get(accountId, 'user', 'asker')
      if (user) await on.store.identities.remove(user)
      await on.store.identities.insert(sampleUser('asker', { id: 'AIDAANOTHER', inlinePolicies: user?.inlinePolicies ?? {} }))
      on.services.identities.forget()
      await failsAs(id, 'AccessDeniedException', /because it is gone$/)
    })

    it('if the access key that signed it is still active', async () => {
      const accessKey = await on.store.credentials.get(asking.accessKeyId)
      if (accessKey) await on.store.credentials.put({ ...accessKey, active: false })
      await failsAs(id, 'AccessDeniedException', /because the access key that it was signed with is not active$/)
    })

    it('and not if the access key is gone', async () => {
      await on.store.credentials.remove(asking.accessKeyId)
      await failsAs(id, 'AccessDeniedException', /because the access key that it was signed with is not active$/)
    })
  })

  it('is done only if the state of its key lets it by then', async () => {
    const id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, asking)
    await call(bare(), scheduleKeyDeletion, { KeyId: keyId, PendingWindowInDays: 7 })
    await failsAs(id, 'KMSInvalidStateException', /is pending deletion\.$/)
  })

  it('is not done when its alias names another key by then', async () => {
    const other = (await newKey(bare())).key.keyId
    await call(bare(), createAlias, { AliasName: 'alias/moved', TargetKeyId: keyId })
    const id = await held(on.services, deleteAlias, { AliasName: 'alias/moved' }, asking)
    expect((await shown(on.services, id, anne)).Resources).to.deep.equal([(await storedKey(on.store, keyId)).key.arn])
    await call(bare(), updateAlias, { AliasName: 'alias/moved', TargetKeyId: other })
    on.services.directory.forgetAllAliases()
    await failsAs(id, 'ConflictException', /^The call names another key than the one that was approved\.$/)
  })

  describe('is judged by what policies were told of it then, and by the time of now:', () => {
    const tags = { Tags: [{ TagKey: 'a', TagValue: 'b' }] }
    const conditional = (Condition: object) => ({
      inlinePolicies: { some: JSON.stringify({ Statement: { Effect: 'Allow', Action: 'kms:*', Resource: '*', Condition } }) },
    })

    it('the address of the requester, not that of the approver', async () => {
      await changed(() => conditional({ IpAddress: { 'aws:SourceIp': '127.0.0.1' }, StringEquals: { 'aws:UserAgent': 'test' } }))
      const principal = await on.services.identities.principal(asking.arn)
      const id = await held(on.services, tagResource, { KeyId: keyId, ...tags }, { ...asking, policies: principal?.policies ?? [] })
      expect(await approve(on.services, id, anne)).to.include({ Status: 'DONE' })
    })

    it('a permission that has run out meanwhile is none', async () => {
      const end = new Date(on.clock.now() + 60_000).toISOString()
      await changed(() => conditional({ DateLessThan: { 'aws:CurrentTime': end } }))
      const principal = await on.services.identities.principal(asking.arn)
      const id = await held(on.services, tagResource, { KeyId: keyId, ...tags }, { ...asking, policies: principal?.policies ?? [] })
      on.clock.advance(120_000)
      await failsAs(id, 'AccessDeniedException', /because no identity-based policy allows/)
    })
  })

  describe('of a session of a role', () => {
    const role: Role = {
      kind: 'role', accountId, name: 'keepers', path: '/', id: 'AROAKEEPERS', createdAt: 0, revision: 1, description: '',
      tags: [{ key: 'team', value: 'keys' }, { key: 'site', value: 'one' }],
      trustPolicy: '{}', trustBindings: {}, maxSessionSeconds: 3_600, attachedPolicies: [],
      inlinePolicies: { all: JSON.stringify(allowing('kms:*')) },
    }
    const text = (policy: object) => compilePolicyText(JSON.stringify(policy), { name: 'session policy', kind: 'limit' })

    async function session(of: { policies?: object, tags?: readonly { key: string, value: string }[] } = {}): Promise<Caller> {
      await on.store.identities.insert(role)
      on.services.identities.forget()
      const principal = await on.services.identities.principalOf(role)
      const now = on.clock.now()
      return callerOfRole({ ...principal, entity: role }, {
        name: 'a-session', issuedAt: now, expiresAt: now + 3_600_000, ...of.policies && { policies: [text(of.policies)] },
      }, { accessKeyId: 'CVASTEMPORARY', tags: of.tags ?? [] })
    }

    async function changedRole(change: Partial<Role>): Promise<void> {
      const stored = await on.store.identities.get(accountId, 'role', role.name)
      if (stored) await on.store.identities.update({ ...stored, ...change })
      on.services.identities.forget()
    }

    it('is done as that session, also when it has run out by itself', async () => {
      const caller = await session()
      const id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, caller)
      on.clock.advance(2 * 3_600_000)
      expect(await approve(on.services, id, anne)).to.include({ Status: 'DONE', Requester: caller.arn })
      expect(on.audit.events.at(-2)?.userIdentity).to.include({ type: 'AssumedRole', arn: caller.arn, sessionIssuer: caller.principalArn })
    })

    it('is not done when the sessions of the role were revoked', async () => {
      const id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, await session())
      await changedRole({ sessionsRevokedAt: on.clock.now() })
      await failsAs(id, 'AccessDeniedException', /because its session was revoked$/)
    })

    it('is held back by the policies of the session, too', async () => {
      const until = new Date(on.clock.now() + 60_000).toISOString()
      const policies = { Version: '2012-10-17', Statement: {
        Effect: 'Allow', Action: 'kms:*', Resource: '*', Condition: { DateLessThan: { 'aws:CurrentTime': until } },
      } }
      const id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, await session({ policies }))
      on.clock.advance(120_000)
      await failsAs(id, 'AccessDeniedException', /because no session policy allows/)
    })

    it('is refused when what limits the session cannot be kept', async () => {
      const { text: _, ...withoutText } = text(allowing('kms:*'))
      const caller = await session()
      const limited = { ...caller, session: { ...caller.session, issuedAt: 0, expiresAt: 1, policies: [withoutText] } }
      await refused(call(on.services, scheduleKeyDeletion, { KeyId: keyId }, limited), 'UnsupportedOperationException')
    })

    it('has the tags of the session as they were, and those of the role as they are', async () => {
      const Condition = { StringEquals: { 'aws:PrincipalTag/team': 'keys', 'aws:PrincipalTag/project': 'blue' } }
      const inlinePolicies = { some: JSON.stringify({ Statement: { Effect: 'Allow', Action: 'kms:*', Resource: '*', Condition } }) }
      const caller = await session({ tags: [{ key: 'project', value: 'blue' }] })
      await changedRole({ inlinePolicies })
      const [first, second] = [
        await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, caller),
        await held(on.services, scheduleKeyDeletion, { KeyId: (await newKey(bare())).key.keyId }, caller),
      ]
      expect(await approve(on.services, first, anne)).to.include({ Status: 'DONE' })
      await changedRole({ revision: 2, tags: [{ key: 'team', value: 'others' }] })
      await failsAs(second, 'AccessDeniedException', /because no identity-based policy allows/)
    })
  })
})
