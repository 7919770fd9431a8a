import { expect } from 'chai'
import type { ApprovalRequest } from '../../src/domain/approval.js'
import { approvalPosition, type ApprovalFilter } from '../../src/ports/approvals.js'
import { StaleWriteError } from '../../src/ports/keys.js'
import type { Store } from '../../src/ports/store.js'
import { accountId, rejected, sampleApproval as sample } from './store-samples.js'

export function approvalsContract(store: () => Store): void {
  const put = async (...requests: readonly ApprovalRequest[]) => {
    for (const request of requests) expect(await store().approvals.insert(request)).to.equal(true)
  }
  const listed = async (filter: Partial<ApprovalFilter> = {}, after?: string, limit = 10) =>
    (await store().approvals.list({ accountId, rules: [], now: 0, ...filter }, after, limit)).map(({ id }) => id)

  it('gives back what was inserted', async () => {
    expect(await store().approvals.get(sample(1).id)).to.equal(undefined)
    const decisions = [{
      decision: 'APPROVED', principalArn: 'a', uniqueId: 'b', origin: 'b', callerArn: 'c', sourceIp: 'd', at: 1, requestId: 'e',
      reason: 'zero \0 byte',
    }] as const
    const whole = sample(1, {
      decisions, owner: 'a process', endedAt: 5, outcome: { requestId: 'f', output: '{}', errorCode: 'g', errorMessage: 'half \ud800' },
      status: 'FAILED', requester: {
        ...sample(1).requester, session: { name: 's', issuedAt: 1, expiresAt: 2, tags: [{ key: 'k', value: 'v' }] },
      },
    })
    await put(whole)
    expect(await store().approvals.get(whole.id)).to.deep.equal(whole)
  })

  it('has one pending request for the same call of the same caller, and others when it has ended', async () => {
    const [first, again] = [sample(1), sample(1, { id: sample(2).id })]
    await put(first)
    expect(await store().approvals.insert(again)).to.equal(false)
    expect(await store().approvals.get(again.id)).to.equal(undefined)
    expect(await store().approvals.twin(again)).to.deep.equal(first)
    const others: readonly Partial<ApprovalRequest>[] = [
      { inputHash: 'other' }, { operation: 'Other' }, { region: 'other-1' }, { keys: ['other'] },
      { requester: { ...first.requester, arn: 'other' } }, { requester: { ...first.requester, uniqueId: 'other' } },
    ]
    for (const [at, of] of others.entries()) {
      const other = { ...again, id: `other-${at}`, ...of }
      expect(await store().approvals.twin(other)).to.equal(undefined)
      await put(other)
    }
    await store().approvals.update({ ...first, status: 'REJECTED', endedAt: 9 })
    expect(await store().approvals.twin(again)).to.equal(undefined)
    await put(again)
  })

  it('keeps the first of two that come at once', async () => {
    const both = [sample(1), sample(1, { id: sample(2).id })]
    expect(await Promise.all(both.map(each => store().approvals.insert(each)))).to.have.members([true, false])
  })

  it('takes an update of what is stored, and none of what was', async () => {
    await put(sample(1))
    const executing = await store().approvals.update({ ...sample(1), status: 'EXECUTING' })
    expect(executing).to.deep.equal({ ...sample(1), status: 'EXECUTING', revision: 2 })
    await rejected(store().approvals.update({ ...sample(1), status: 'REJECTED' }), StaleWriteError)
    expect(await store().approvals.get(sample(1).id)).to.deep.equal(executing)
    await rejected(store().approvals.update(sample(2)), StaleWriteError)
  })

  it('lets one of two updates at once through', async () => {
    await put(sample(1))
    const outcomes = await Promise.allSettled(['EXECUTING', 'REJECTED'].map(status =>
      store().approvals.update({ ...sample(1), status: status as 'EXECUTING' })))
    expect(outcomes.map(({ status }) => status)).to.have.members(['fulfilled', 'rejected'])
  })

  it('lists those of an account and of rules, the newest first, by pages', async () => {
    const ofOther = { ...sample(3).requester, accountId: '999999999999' }
    const later = { ...sample(5), createdAt: sample(4).createdAt }
    await put(sample(1), sample(2), sample(3, { requester: ofOther, rule: 'other' }), sample(4), later)
    const own = [later.id, sample(4).id, sample(2).id, sample(1).id]
    expect(await listed()).to.deep.equal(own)
    expect(await listed({ accountId: '999999999999' })).to.deep.equal([sample(3).id])
    expect(await listed({ rules: ['other', 'none'] })).to.deep.equal([later.id, sample(4).id, sample(3).id, sample(2).id, sample(1).id])
    expect(await listed({ accountId: 'none', rules: ['none'] })).to.deep.equal([])
    expect(await listed({}, undefined, 2)).to.deep.equal(own.slice(0, 2))
    expect(await listed({}, approvalPosition(later), 2)).to.deep.equal(own.slice(1, 3))
    expect(await listed({}, approvalPosition(sample(1)))).to.deep.equal([])
  })

  it('lists by status, where a pending one whose time has come counts as expired', async () => {
    await put(sample(1, { expiresAt: 10 }), sample(2, { expiresAt: 20 }), sample(3, { status: 'EXPIRED' }), sample(4, { status: 'DONE' }))
    expect(await listed({ status: 'PENDING', now: 10 })).to.deep.equal([sample(2).id])
    expect(await listed({ status: 'EXPIRED', now: 10 })).to.deep.equal([sample(3).id, sample(1).id])
    expect(await listed({ status: 'DONE', now: 10 })).to.deep.equal([sample(4).id])
    expect(await listed({ status: 'FAILED', now: 10 })).to.deep.equal([])
  })

  it('counts those that are pending, and names those that must be ended', async () => {
    await put(sample(1, { expiresAt: 10 }), sample(2, { expiresAt: 20 }), sample(3, { status: 'EXECUTING' }), sample(4, { status: 'DONE' }))
    expect(await store().approvals.countPending(accountId)).to.equal(2)
    expect(await store().approvals.countPending('999999999999')).to.equal(0)
    const unsettled = (now: number, limit: number, after?: ApprovalRequest) => store().approvals.unsettled(now, after, limit)
    const [first, second, third] = [1, 2, 3].map(number => ({ id: sample(number).id, createdAt: sample(number).createdAt }))
    expect(await unsettled(10, 10)).to.deep.equal([first, third])
    expect(await unsettled(9, 10)).to.deep.equal([third])
    expect(await unsettled(20, 2)).to.deep.equal([first, second])
    expect(await unsettled(20, 2, sample(1))).to.deep.equal([second, third])
    expect(await unsettled(20, 2, sample(3))).to.deep.equal([])
    // Also among those of one moment.
    await put(sample(5, { expiresAt: 10, createdAt: sample(1).createdAt }))
    expect((await unsettled(20, 10, sample(1))).map(({ id }) => id)).to.deep.equal([sample(5).id, second?.id, third?.id])
  })

  it('removes those that ended before a time, and counts them', async () => {
    await put(sample(1, { status: 'DONE', endedAt: 1 }), sample(2, { status: 'DONE', endedAt: 2 }), sample(3))
    expect(await store().approvals.removeEndedBefore(2)).to.equal(1)
    expect(await listed()).to.deep.equal([sample(3).id, sample(2).id])
  })
}
