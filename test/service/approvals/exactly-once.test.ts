import { expect } from 'chai'
import { createKey } from '../../../src/api/keys.js'
import type { Contract } from '../../../src/api/shape.js'
import type { ApprovalRequest } from '../../../src/domain/approval.js'
import { IntegrityError } from '../../../src/ports/keys.js'
import { endAllApprovals, settleApprovals } from '../../../src/service/approvals/settle.js'
import type { Services } from '../../../src/service/services.js'
import { approve, approver, held, requester, ruleOf, shown, storeApprovers } from '../../support/approvals.js'
import { accountId } from '../../support/callers.js'
import { Interruption, replacing } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { region } from '../../support/services.js'

const [anne, bob] = [approver('anne'), approver('bob')]

describe('a call that was approved takes effect once', () => {
  const on = serviceSuite()
  beforeEach(() => storeApprovers(on.store, anne, bob))
  const options = (approvals: number) => ({ rules: [ruleOf(approvals, [anne, bob], { operations: ['CreateKey'] })] })
  const make: Contract = createKey
  const keys = () => on.store.keys.list(accountId, region, undefined, 10)
  const executions = () => on.audit.events.filter(({ eventName, errorCode }) => eventName === 'CreateKey' && errorCode === undefined)

  /** As a process leaves it that dies over it. */
  const executing = (request: ApprovalRequest): ApprovalRequest => ({
    ...request, status: 'EXECUTING', owner: 'a process that is gone',
    decisions: [{
      decision: 'APPROVED', principalArn: anne.arn, uniqueId: anne.uniqueId, origin: anne.uniqueId, callerArn: anne.arn, sourceIp: '',
      at: on.clock.now(), requestId: 'r',
    }],
  })

  /** What each of several approvals at once was answered with. */
  const outcomes = async (approvals: readonly Promise<{ readonly Status?: string }>[]) =>
    (await Promise.allSettled(approvals))
      .map(each => each.status === 'fulfilled' ? each.value.Status : (each.reason as { code?: string }).code)

  it('when two approve at the same moment, of whom one would do', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    expect(await outcomes([approve(on.services, id, anne), approve(on.services, id, bob)]))
      .to.have.members(['DONE', 'KMSInvalidStateException'])
    expect(await keys()).to.have.length(1)
  })

  it('when two approve at the same moment, who are both needed', async () => {
    on.restart(options(2))
    const id = await held(on.services, make, {}, requester)
    expect(await outcomes([approve(on.services, id, anne), approve(on.services, id, bob)])).to.have.members(['PENDING', 'DONE'])
    expect(await keys()).to.have.length(1)
    expect(executions()).to.have.length(1)
  })

  it('or ends in its time, however many stand before it that cannot be read', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    const one = await on.store.approvals.get(id)
    if (!one) throw new Error('there is no request')
    const broken = new Set<string>()
    for (let number = 0; number < 150; number++) {
      const copy = { ...one, id: `${number}`.padStart(36, '0'), createdAt: one.createdAt - 1, inputHash: `${number}` }
      expect(await on.store.approvals.insert(copy)).to.equal(true)
      broken.add(copy.id)
    }
    on.clock.advance(one.expiresAt - one.createdAt)
    const get: typeof on.store.approvals.get = async of => {
      if (broken.has(of)) throw new IntegrityError('it was tampered with')
      return on.store.approvals.get(of)
    }
    const services = on.newServices({ ...options(1), store: { ...on.store, approvals: replacing(on.store.approvals, { get }) } })
    expect(await settleApprovals(services, true)).to.equal(1)
    expect((await on.store.approvals.get(id))?.status).to.equal('EXPIRED')
    expect(on.log.entries.filter(({ level }) => level === 'error')).to.have.length(150)
  })

  it('when they approve in two processes', async () => {
    on.restart(options(1))
    const other = on.newServices({ ...options(1), store: await on.second() })
    for (let round = 0; round < 5; round++) {
      const id = await held(on.services, make, { Description: `round ${round}` }, requester)
      const answers = await outcomes([approve(on.services, id, anne), approve(other, id, bob)])
      expect(answers.filter(answer => answer === 'DONE'), answers.join()).to.have.length(1)
      expect(await keys()).to.have.length(round + 1)
    }
  })

  it('when an SDK tries again, at the same time or later', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    expect(await outcomes([approve(on.services, id, anne), approve(on.services, id, anne)])).to.deep.equal(['DONE', 'DONE'])
    expect(await approve(on.services, id, anne)).to.include({ Status: 'DONE' })
    expect(await keys()).to.have.length(1)
  })

  describe('or not at all, wherever a crash comes between,', () => {
    interface After { readonly status: string | undefined, readonly made: number, readonly steps: readonly string[] }

    /** Approves, dies after so many steps, starts again, and tells what is there then. undefined: it did not die. */
    async function killedAfter(steps: number): Promise<After | undefined> {
      on.restart(options(1))
      const before = (await keys()).length
      const id = await held(on.services, make, { Description: `killed after ${steps}` }, requester)
      const interruption = new Interruption(steps)
      const dying = on.newServices({
        ...options(1),
        store: {
          ...on.store,
          generation: () => on.store.generation(),
          keys: interruption.over(on.store.keys, 'keys'), approvals: interruption.over(on.store.approvals, 'approvals'),
        },
      })
      const audit = interruption.over(on.audit, 'audit')
      // `healthy` and `clock` answer at once, so they are no steps.
      const services: Services = { ...dying, audit: { append: event => audit.append(event), healthy: () => true, close: async () => {} } }
      await approve(services, id, anne).catch((error: unknown) => {
        // What is thrown while nothing runs any more reaches nobody.
        if (!interruption.hit) throw error
      })
      if (!interruption.hit) return undefined
      on.restart(options(1))
      await settleApprovals(on.services, true)
      const again = await approve(on.services, id, anne).then(({ Status: one = '' }) => one, (error: unknown) => String(error))
      const { Status: status } = await shown(on.services, id)
      expect(again === status || again.includes('not pending any more'), `${steps}: ${again}`).to.equal(true)
      return { status, made: (await keys()).length - before, steps: interruption.steps }
    }

    it('and it is told which', async function () {
      this.timeout(60_000)
      const seen = new Map<string, number>()
      for (let steps = 0; ; steps++) {
        const after = await killedAfter(steps)
        if (!after) break
        const { status = '', made } = after
        const at = after.steps.at(-1) ?? 'the beginning'
        seen.set(status, (seen.get(status) ?? 0) + 1)
        expect(made, `${status} after ${at}`).to.be.at.most(1)
        // Done again from the start, because nothing had begun; or done, and said so; or nobody knows.
        if (status === 'DONE') expect(made, `after ${at}`).to.equal(1)
        else expect(status, `after ${at}`).to.equal('INTERRUPTED')
      }
      expect([...seen.keys()]).to.have.members(['DONE', 'INTERRUPTED'])
    })
  })

  it('and not once more from an older database, in which it still waits', async () => {
    on.restart(options(1))
    const waiting = await Promise.all(Array.from({ length: 3 }, (_, at) => held(on.services, make, { Description: `${at}` }, requester)))
    const [first = '', ...others] = waiting
    const request = await on.store.approvals.get(first)
    if (!request) throw new Error('there is no request')
    await on.store.approvals.update(executing(request))
    expect(await endAllApprovals(on.services)).to.equal(3)
    expect((await shown(on.services, first)).Status).to.equal('INTERRUPTED')
    for (const id of others) {
      expect((await shown(on.services, id)).Status).to.equal('EXPIRED')
      expect((await refused(approve(on.services, id, anne), 'KMSInvalidStateException')).message).to.contain('not pending any more')
    }
    expect(await keys()).to.deep.equal([])
    expect(await endAllApprovals(on.services)).to.equal(0)
  })

  it('is shown and recorded as interrupted after a crash in the middle, and not tried again', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    const request = await on.store.approvals.get(id)
    if (!request) throw new Error('there is no request')
    await on.store.approvals.update(executing(request))
    expect(await settleApprovals(on.services, false), 'another process may be at it').to.equal(0)
    expect(await settleApprovals(on.services, true)).to.equal(1)
    expect(await settleApprovals(on.services, true)).to.equal(0)
    const event = on.audit.events.at(-1)
    expect(event).to.include({ eventName: 'InterruptApprovalRequest', eventType: 'ClavigerServiceEvent' })
    expect(event?.additionalEventData).to.deep.equal({ approvalRequest: id, operation: 'CreateKey', requestedBy: requester.arn, accountId })
    expect(await approve(on.services, id, anne)).to.include({ Status: 'INTERRUPTED' })
    expect(await keys()).to.deep.equal([])
  })

  it('is interrupted also where no process has been alone, in the end', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    const request = await on.store.approvals.get(id)
    if (!request) throw new Error('there is no request')
    await on.store.approvals.update(executing(request))
    on.clock.advance(2 * 3_600_000 + 1)
    expect(await settleApprovals(on.services, false)).to.equal(1)
  })

  it('has an end that is recorded once when its time runs out', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    expect(await settleApprovals(on.services, true)).to.equal(0)
    on.clock.advance(86_400_000)
    expect(await Promise.all([settleApprovals(on.services, true), settleApprovals(on.services, true)])).to.have.members([1, 0])
    const events = on.audit.events.filter(({ eventName }) => eventName === 'ExpireApprovalRequest')
    expect(events.map(({ additionalEventData }) => additionalEventData)).to.deep.equal([
      { approvalRequest: id, operation: 'CreateKey', requestedBy: requester.arn, accountId },
    ])
    expect((await shown(on.services, id)).EndDate).to.deep.equal(new Date(on.clock.now()))
  })

  it('is forgotten when it has ended long ago', async () => {
    on.restart(options(1))
    const id = await held(on.services, make, {}, requester)
    await approve(on.services, id, anne)
    on.clock.advance(90 * 86_400_000)
    await settleApprovals(on.services, true)
    expect(await on.store.approvals.get(id)).to.not.equal(undefined)
    on.clock.advance(1)
    await settleApprovals(on.services, true)
    expect(await on.store.approvals.get(id)).to.equal(undefined)
  })
})
