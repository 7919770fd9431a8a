import { expect } from 'chai'
import { approveRequest, getApprovalRequest, listApprovalRequests, rejectRequest } from '../../../src/api/iam/approvals.js'
import { createKey, scheduleKeyDeletion } from '../../../src/api/keys.js'
import type { Caller } from '../../../src/domain/caller.js'
import type { User } from '../../../src/domain/identity.js'
import { builtInPolicy } from '../../../src/domain/policy/managed-policies.js'
import type { Services } from '../../../src/service/services.js'
import { approve, approverPolicy, approver, held, reject, requester, ruleOf, shown, storeApprovers } from '../../support/approvals.js'
import { accountId, identityPolicy, otherAccountId, sampleUser, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { call, newKey, storedKey } from '../../support/services.js'

const [anne, bob, carol] = [approver('anne'), approver('bob'), approver('administrator', { accountId: otherAccountId })]
const stranger = approver('nobody', { accountId: otherAccountId })
const unknown = '00000000-0000-4000-8000-000000000000'

describe('decisions about a call that waits', () => {
  const on = serviceSuite()
  beforeEach(() => storeApprovers(on.store, anne, bob))
  let keyId: string
  let id: string
  beforeEach(async () => {
    on.restart({ rules: [ruleOf(2, [anne, bob, carol, requester])] })
    keyId = (await newKey(on.services)).key.keyId
    id = await held(on.services, scheduleKeyDeletion, { KeyId: keyId })
  })
  const stateNow = async () => (await storedKey(on.store, keyId)).key.state
  const statusNow = async (services: Services = on.services) => (await shown(services, id)).Status

  it('take effect with the last approval that it needs, and are all recorded', async () => {
    const before = on.audit.events.length
    expect(await approve(on.services, id, anne)).to.include({ Status: 'PENDING', ApprovalsGiven: 1 })
    expect(await stateNow()).to.equal('Enabled')
    on.clock.advance(60_000)
    const done = await approve(on.services, id, bob)
    expect(done).to.include({ Status: 'DONE', ApprovalsGiven: 2 })
    expect(await stateNow()).to.equal('PendingDeletion')
    expect(done.EndDate).to.deep.equal(new Date(on.clock.now()))
    const [first, execution, last] = on.audit.events.slice(before)
    const events = [first, execution, last]
    expect(events.map(event => event?.eventName)).to.deep.equal(['ApproveRequest', 'ScheduleKeyDeletion', 'ApproveRequest'])
    for (const event of events) {
      expect(event?.errorCode).to.equal(undefined)
      expect(event?.additionalEventData).to.deep.include({ approvalRequest: id })
    }
    expect(execution?.requestID).to.equal(done.Outcome?.RequestId)
    expect(execution?.userIdentity).to.include({ arn: requester.arn })
    expect(execution?.additionalEventData).to.deep.include({ requestedBy: requester.arn, approvedBy: `${anne.arn}, ${bob.arn}` })
    expect(execution?.additionalEventData).to.have.property('authorization')
    expect(JSON.parse(done.Outcome?.Output ?? '')).to.include({ keyState: 'PendingDeletion', pendingWindowInDays: 30 })
    expect(done.Decisions?.map(({ Decision, Principal, RequestId }) => [Decision, Principal, RequestId])).to.deep.equal([
      ['APPROVED', anne.arn, first?.requestID], ['APPROVED', bob.arn, last?.requestID],
    ])
  })

  for (const [what, lost] of [
    ['lost its policy', (user: User): User => ({ ...user, attachedPolicies: [] })],
    ['is denied it', (user: User): User => ({
      ...user, inlinePolicies: { no: '{"Statement":{"Effect":"Deny","Action":"claviger:ApproveRequest","Resource":"*"}}' },
    })],
    ['got a boundary that does not let it', (user: User): User => ({ ...user, boundary: 'arn:aws:iam::aws:policy/ClavigerKeyUser' })],
  ] as const) {
    it(`count no more when the approver ${what} since`, async () => {
      await approve(on.services, id, anne)
      const stored = await on.store.identities.get(accountId, 'user', 'anne')
      if (!stored) throw new Error('anne is gone')
      const changed = await on.store.identities.update(lost(stored))
      on.services.identities.forget()
      expect(await approve(on.services, id, bob)).to.include({ Status: 'PENDING', ApprovalsGiven: 1 })
      expect(await stateNow()).to.equal('Enabled')
      // And again when it may again.
      await on.store.identities.update({ ...stored, revision: changed.revision })
      on.services.identities.forget()
      expect(await approve(on.services, id, anne)).to.include({ Status: 'DONE', ApprovalsGiven: 2 })
    })
  }

  it('never count that of the requester, under whatever session', async () => {
    const asRequester = approver('administrator')
    for (const caller of [requester, asRequester, { ...asRequester, accessKeyId: 'ANOTHER' }]) {
      const { message } = await refused(call(on.services, approveRequest, { ApprovalRequestId: id }, caller), 'AccessDeniedException')
      expect(message).to.equal(`User: ${requester.arn} is not authorized to perform: claviger:ApproveRequest on approval request ${id} `
        + 'because nobody decides about a request of their own')
      await refused(call(on.services, rejectRequest, { ApprovalRequestId: id }, caller), 'AccessDeniedException')
    }
    expect(await shown(on.services, id)).to.include({ ApprovalsGiven: 0, Status: 'PENDING' })
  })

  it('count one principal once: an SDK that tries again, and the sessions of a role', async () => {
    const role = `arn:aws:iam::${accountId}:role/approvers`
    await on.store.identities.insert({
      kind: 'role', accountId, name: 'approvers', path: '/', id: 'AROAAPPROVERS', createdAt: 0, revision: 1, description: '', tags: [],
      trustPolicy: '{}', trustBindings: {}, maxSessionSeconds: 3_600, attachedPolicies: [approverPolicy], inlinePolicies: {},
    })
    on.restart({ rules: [ruleOf(2, [anne, { ...anne, principalArn: role }])] })
    const session = (name: string): Caller => ({
      ...approver('anne'), type: 'AssumedRole', principalArn: role, uniqueId: 'AROAAPPROVERS', userId: `AROAAPPROVERS:${name}`,
      arn: `arn:aws:sts::${accountId}:assumed-role/approvers/${name}`, session: { name, issuedAt: 0, expiresAt: Infinity },
    })
    for (const by of [anne, anne, anne]) expect(await approve(on.services, id, by)).to.include({ ApprovalsGiven: 1, Status: 'PENDING' })
    expect(await approve(on.services, id, session('monday'))).to.include({ ApprovalsGiven: 2, Status: 'DONE' })
    const other = await held(on.services, scheduleKeyDeletion, { KeyId: (await newKey(on.services)).key.keyId })
    await approve(on.services, other, session('monday'))
    expect(await approve(on.services, other, session('tuesday'))).to.include({ ApprovalsGiven: 1, Status: 'PENDING' })
  })

  it('are answered again to who has made them, when all is over', async () => {
    await approve(on.services, id, anne)
    await approve(on.services, id, bob)
    const before = on.audit.events.length
    expect(await approve(on.services, id, bob)).to.include({ Status: 'DONE' })
    expect(on.audit.events.slice(before).map(({ eventName }) => eventName)).to.deep.equal(['ApproveRequest'])
  })

  it('end a request with one rejection, whoever approved', async () => {
    await approve(on.services, id, anne)
    const rejected = await reject(on.services, id, bob, 'not this week')
    expect(rejected).to.include({ Status: 'REJECTED' })
    expect(rejected.Decisions?.at(-1)).to.include({ Decision: 'REJECTED', Principal: bob.arn, Reason: 'not this week' })
    const { message } = await refused(call(on.services, approveRequest, { ApprovalRequestId: id }, carol), 'KMSInvalidStateException')
    expect(message).to.equal(`Approval request ${id} is not pending any more: it is REJECTED.`)
    expect(await reject(on.services, id, bob), 'tried again').to.include({ Status: 'REJECTED' })
    expect(await stateNow()).to.equal('Enabled')
    expect(on.audit.events.findLast(({ eventName }) => eventName === 'RejectRequest')?.additionalEventData)
      .to.deep.include({ approvalRequest: id, operation: 'ScheduleKeyDeletion' })
  })

  it('come too late after its time', async () => {
    await approve(on.services, id, anne)
    on.clock.advance(86_400_000)
    expect(await statusNow()).to.equal('EXPIRED')
    for (const contract of [approveRequest, rejectRequest]) {
      const { message } = await refused(call(on.services, contract, { ApprovalRequestId: id }, bob), 'KMSInvalidStateException')
      expect(message).to.equal(`Approval request ${id} is not pending any more: it is EXPIRED.`)
    }
    expect(await stateNow()).to.equal('Enabled')
  })

  it('may come from another account that the rule names', async () => {
    await approve(on.services, id, carol)
    expect(await approve(on.services, id, anne)).to.include({ Status: 'DONE' })
  })

  it('may come only from whom the rule names, however much policies allow', async () => {
    const dora = userCaller('dora', requester.policies)
    const { message } = await refused(call(on.services, approveRequest, { ApprovalRequestId: id }, dora), 'AccessDeniedException')
    expect(message).to.match(/claviger:ApproveRequest on approval request .* because the rule a-rule does not name it as an approver$/)
  })

  it('need the permission of policies, too', async () => {
    for (const [contract, action] of [
      [approveRequest, 'ApproveRequest'], [rejectRequest, 'RejectRequest'], [getApprovalRequest, 'GetApprovalRequest'],
    ] as const) {
      const { message } = await refused(
        call(on.services, contract, { ApprovalRequestId: id }, { ...anne, policies: [] }), 'AccessDeniedException')
      expect(message).to.contain(`is not authorized to perform: claviger:${action} because no identity-based policy allows`)
    }
  })

  it('are not for those who must not know of the request: it is as if it did not exist', async () => {
    for (const contract of [getApprovalRequest, approveRequest, rejectRequest]) {
      const of = (ApprovalRequestId: string) => refused(call(on.services, contract, { ApprovalRequestId }, stranger), 'NotFoundException')
      expect((await of(id)).message).to.equal((await of(unknown)).message.replace(unknown, id))
    }
    const listed = await call(on.services, listApprovalRequests, {}, stranger)
    expect(listed).to.deep.equal({ ApprovalRequests: [], IsTruncated: false })
  })

  it('count only as long as the rule names who made them, and by as many as it needs now', async () => {
    await approve(on.services, id, anne)
    on.restart({ rules: [ruleOf(2, [bob, carol])] })
    expect(await approve(on.services, id, bob)).to.include({ ApprovalsGiven: 1, Status: 'PENDING' })
    on.restart({ rules: [ruleOf(3, [anne, bob, carol])] })
    expect(await shown(on.services, id)).to.include({ ApprovalsGiven: 2, ApprovalsNeeded: 3 })
    expect(await approve(on.services, id, carol)).to.include({ Status: 'DONE' })
  })

  it('count only as long as who made them exists, and is not somebody else of that name', async () => {
    await approve(on.services, id, anne)
    const stored = await on.store.identities.get(accountId, 'user', 'anne')
    if (!stored) throw new Error('there is no anne')
    await on.store.identities.remove(stored)
    await on.store.identities.insert(sampleUser('anne', { id: 'AIDAANOTHERANNE' }))
    on.services.identities.forget()
    expect(await approve(on.services, id, bob)).to.include({ ApprovalsGiven: 1, Status: 'PENDING' })
  })

  it('cannot be made when the rule is gone from the configuration', async () => {
    on.restart({ rules: [] })
    const { message } = await refused(call(on.services, approveRequest, { ApprovalRequestId: id }, anne), 'AccessDeniedException')
    expect(message).to.match(/because the rule a-rule is not configured any more$/)
    const request = await shown(on.services, id)
    expect(request).to.include({ Status: 'PENDING' }).and.not.to.have.any.keys('ApprovalsNeeded', 'ApprovalsGiven')
  })
})

describe('the list of calls that wait', () => {
  const on = serviceSuite()
  const auditor = userCaller('auditor', [identityPolicy(builtInPolicy('arn:aws:iam::aws:policy/ClavigerAuditor')?.document ?? '')])
  const ofOther = userCaller('administrator', requester.policies, { accountId: otherAccountId, accessKeyId: '' })

  it('has those of the account, and those that one may decide about, the newest first', async () => {
    on.restart({ rules: [
      ruleOf(1, [anne, carol], { accounts: [accountId] }), ruleOf(1, [bob], { name: 'other', accounts: [otherAccountId] }),
    ] })
    const ids: string[] = []
    for (const by of [requester, ofOther, requester]) {
      const { KeyMetadata: key } = await call(on.services, createKey, {}, by)
      ids.push(await held(on.services, scheduleKeyDeletion, { KeyId: key?.KeyId ?? '' }, by))
      on.clock.advance(1_000)
    }
    const listed = async (by: Caller, input = {}) =>
      (await call(on.services, listApprovalRequests, input, by)).ApprovalRequests?.map(request => request.ApprovalRequestId)
    const [first = '', second = '', third = ''] = ids
    expect(await listed(anne)).to.deep.equal([third, first])
    expect(await listed(auditor)).to.deep.equal([third, first])
    expect(await listed(bob)).to.deep.equal([third, second, first])
    expect(await listed(carol)).to.deep.equal([third, second, first])
    expect(await listed(stranger)).to.deep.equal([second])
    await reject(on.services, first, anne)
    expect(await listed(anne, { Status: 'REJECTED' })).to.deep.equal([first])
    expect(await listed(anne, { Status: 'PENDING' })).to.deep.equal([third])
    const page = await call(on.services, listApprovalRequests, { MaxItems: 1 }, anne)
    expect([page.ApprovalRequests?.length, page.IsTruncated]).to.deep.equal([1, true])
    const { Marker = '' } = page
    expect(await listed(anne, { MaxItems: 1, Marker })).to.deep.equal([first])
    await refused(call(on.services, listApprovalRequests, { Marker }, bob), 'InvalidMarkerException')
    await refused(call(on.services, listApprovalRequests, { Marker, Status: 'PENDING' }, anne), 'InvalidMarkerException')
  })
})
