import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { generateDataKey } from '../../../src/api/data-keys.js'
import { createGrant } from '../../../src/api/grants.js'
import { cancelKeyDeletion, describeKey, disableKey, scheduleKeyDeletion } from '../../../src/api/keys.js'
import { putKeyPolicy } from '../../../src/api/policies.js'
import { defaultPolicy } from '../../../src/domain/policy/default-policy.js'
import { callerOfService } from '../../../src/service/identities/callers.js'
import { pendingMax } from '../../../src/service/approvals/hold.js'
import { sampleApproval } from '../../contract/store-samples.js'
import { approver, held, reject, requester, ruleOf, shown } from '../../support/approvals.js'
import { accountId, administrator, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { call, newKey, storedKey, region } from '../../support/services.js'

const [anne, bob] = [approver('anne'), approver('bob')]
const operations = ['ScheduleKeyDeletion', 'PutKeyPolicy', 'CreateGrant', 'DisableKey']

describe('a call that needs the approval of others', () => {
  const on = serviceSuite()
  let keyId: string
  beforeEach(async () => {
    on.restart({ rules: [ruleOf(2, [anne, bob], { operations })] })
    keyId = (await newKey(on.services)).key.keyId
  })
  const stateNow = async () => (await storedKey(on.store, keyId)).key.state
  const pending = () => on.store.approvals.countPending(accountId)

  it('is not done, and is told how many it needs and until when', async () => {
    const refusal = await refused(
      call(on.services, scheduleKeyDeletion, { KeyId: keyId }, requester), 'ApprovalRequiredException')
    expect(refusal.message).to.match(
      /^This call needs 2 approvals before it takes effect\. Approval request [0-9a-f-]{36} is pending until 2026-01-02T00:00:00\.000Z\.$/)
    expect(await stateNow()).to.equal('Enabled')
  })

  it('is recorded as refused, with the id of its request', async () => {
    const id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId })
    const event = on.audit.events.at(-1)
    expect(event).to.include({ eventName: 'ScheduleKeyDeletion', errorCode: 'ApprovalRequiredException' })
    expect(event?.additionalEventData).to.deep.include({ approvalRequest: id })
    expect(event?.additionalEventData).to.have.property('authorization')
  })

  it('is kept and shown with all that one must know to decide about it', async () => {
    const policy = defaultPolicy(accountId)
    const id = await held(on.services, putKeyPolicy, { KeyId: keyId, Policy: policy })
    const { Input: input = '', ...request } = await shown(on.services, id, anne)
    expect(JSON.parse(input)).to.deep.equal({ KeyId: keyId, Policy: policy, PolicyName: 'default' })
    expect(request).to.deep.equal({
      ApprovalRequestId: id, Status: 'PENDING', Rule: 'a-rule', Service: 'kms', Operation: 'PutKeyPolicy', Region: region,
      Resources: [(await storedKey(on.store, keyId)).key.arn], Requester: requester.arn, AccountId: accountId,
      CreateDate: new Date(on.clock.now()), ExpirationDate: new Date(on.clock.now() + 86_400_000),
      ApprovalsNeeded: 2, ApprovalsGiven: 0, Approvers: [anne.arn, bob.arn],
      InputHash: createHash('sha256').update(input).digest('hex'),
      RequestId: on.audit.events.at(-2)?.requestID, SourceIp: '127.0.0.1', UserAgent: 'test', Decisions: [],
    })
  })

  it('is one that a rule covers, of an account that it covers', async () => {
    await call(on.services, cancelKeyDeletion, { KeyId: keyId }, requester).catch(() => {})
    on.restart({ rules: [ruleOf(2, [anne, bob], { operations, accounts: [otherAccountId] })] })
    await call(on.services, disableKey, { KeyId: keyId }, requester)
    expect([await stateNow(), await pending()]).to.deep.equal(['Disabled', 0])
  })

  it('is none that would have no effect: DryRun is answered as always', async () => {
    const grant = { KeyId: keyId, GranteePrincipal: anne.arn, Operations: ['Decrypt'] } as const
    await refused(call(on.services, createGrant, { ...grant, DryRun: true }, requester), 'DryRunOperationException')
    await refused(call(on.services, generateDataKey, { KeyId: keyId, KeySpec: 'AES_256', DryRun: true }), 'DryRunOperationException')
    expect(await pending()).to.equal(0)
    await held(on.services, createGrant, grant)
  })

  it('is none that would have been refused', async () => {
    await refused(call(on.services, scheduleKeyDeletion, { KeyId: keyId }, userCaller('bob')), 'AccessDeniedException')
    await refused(call(on.services, scheduleKeyDeletion, { KeyId: keyId, PendingWindowInDays: 3 }, requester), 'ValidationException')
    await refused(call(on.services, scheduleKeyDeletion, { KeyId: 'alias/none' }, requester), 'NotFoundException')
    await refused(call(on.services, putKeyPolicy, { KeyId: keyId, Policy: '{}' }, requester), 'MalformedPolicyDocumentException')
    // Those that the operation itself finds: a principal that does not exist, and a policy that locks its author out.
    const policies = [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${accountId}:user/none` }, Action: 'kms:*', Resource: '*' },
      { Effect: 'Allow', Principal: { AWS: anne.arn }, Action: 'kms:*', Resource: '*' },
    ]
    for (const Statement of policies) {
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
      await refused(call(on.services, putKeyPolicy, { KeyId: keyId, Policy }, requester), 'MalformedPolicyDocumentException')
    }
    on.restart()
    await call(on.services, scheduleKeyDeletion, { KeyId: keyId }, requester)
    on.restart({ rules: [ruleOf(2, [anne, bob], { operations })] })
    await refused(call(on.services, scheduleKeyDeletion, { KeyId: keyId }, requester), 'KMSInvalidStateException')
    expect(await pending()).to.equal(0)
  })

  it('is the same request when the same caller makes the same call again, also at the same time', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => held(on.services, scheduleKeyDeletion, { KeyId: keyId })))
    expect(new Set(ids)).to.have.property('size', 1)
    expect(await held(on.services, scheduleKeyDeletion, { KeyId: keyId })).to.equal(ids[0])
    expect(await pending()).to.equal(1)
  })

  it('is another request with other members, by another caller, on another key, and after the first has ended', async () => {
    const first = await held(on.services, scheduleKeyDeletion, { KeyId: keyId })
    const second = await newKey(on.services)
    const others = [
      await held(on.services, scheduleKeyDeletion, { KeyId: keyId, PendingWindowInDays: 7 }),
      await held(on.services, disableKey, { KeyId: keyId }),
      await held(on.services, scheduleKeyDeletion, { KeyId: second.key.keyId }),
      await held(on.services, scheduleKeyDeletion, { KeyId: keyId }, userCaller('bob', requester.policies, { accessKeyId: '' })),
    ]
    await reject(on.services, first, anne)
    others.push(await held(on.services, scheduleKeyDeletion, { KeyId: keyId }))
    expect(new Set([first, ...others])).to.have.property('size', 6)
  })

  it('is another request when the first has run out, which is written down then', async () => {
    const first = await held(on.services, scheduleKeyDeletion, { KeyId: keyId })
    on.clock.advance(86_400_000)
    const second = await held(on.services, scheduleKeyDeletion, { KeyId: keyId })
    expect(second).to.not.equal(first)
    expect((await on.store.approvals.get(first))?.status).to.equal('EXPIRED')
    expect(on.audit.events.map(({ eventName }) => eventName).slice(-2)).to.deep.equal(['ExpireApprovalRequest', 'ScheduleKeyDeletion'])
  })

  it('is one of so many of its account, and then refused', async () => {
    for (let number = 0; number < pendingMax; number++) {
      await on.store.approvals.insert(sampleApproval(1, { id: `sample-${number}`, inputHash: String(number) }))
    }
    await refused(call(on.services, scheduleKeyDeletion, { KeyId: keyId }, requester), 'LimitExceededException')
    expect(await stateNow()).to.equal('Enabled')
  })

  it('of a service is refused: nobody could say later that it still may', async () => {
    const service = callerOfService('a.example.com')
    const Statement = { Effect: 'Allow', Principal: { Service: service.uniqueId }, Action: 'kms:*', Resource: '*' }
    on.restart()
    const policy = { KeyId: keyId, Policy: JSON.stringify({ Statement }), BypassPolicyLockoutSafetyCheck: true }
    await call(on.services, putKeyPolicy, policy, administrator)
    on.restart({ rules: [ruleOf(1, [anne], { operations: ['CreateGrant'] })] })
    const grant = { KeyId: keyId, GranteePrincipal: anne.arn, Operations: ['Decrypt'] } as const
    const arn = (await storedKey(on.store, keyId)).key.arn
    await refused(call(on.services, createGrant, { ...grant, KeyId: arn }, service), 'UnsupportedOperationException')
    expect(await pending()).to.equal(0)
  })

  it('is done at once where no rule is configured', async () => {
    on.restart()
    await call(on.services, scheduleKeyDeletion, { KeyId: keyId }, requester)
    expect((await call(on.services, describeKey, { KeyId: keyId })).KeyMetadata?.KeyState).to.equal('PendingDeletion')
  })
})
