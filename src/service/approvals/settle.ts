import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AuditEvent } from '../../domain/audit-chain.js'
import { statusAt, type ApprovalRequest } from '../../domain/approval.js'
import type { Unsettled } from '../../ports/approvals.js'
import type { Clock } from '../../ports/clock.js'
import { serviceEventOn } from '../service-event.js'
import type { Services } from '../services.js'

const batchMax = 100
/** Looked at in one round of the job; those behind them come in the next, when these have ended. */
const lookedAtMax = 10_000
/** What another process executes is left to it for so long. Longer than any call may take. */
const executionMsMax = 2 * 3_600_000
/** How long a request that has ended can be looked at. The audit log has it for longer. */
const keptMs = 90 * 86_400_000

/**
 * Ends what has run out of time, and what a crash left in the middle; forgets what has ended long ago. `alone` says that no other process
 * uses the store, so that whatever is being executed and not by us is abandoned. Answers how many it ended.
 */
export async function settleApprovals(services: Services, alone: boolean): Promise<number> {
  const { store: { approvals }, clock, log } = services
  let ended = 0
  for await (const id of unsettled(clock.now(), services)) {
    await nextTurn()
    try {
      if (await expire(id, services) || await interrupt(id, services, alone)) ended++
    } catch (error) {
      log.error('an approval request could not be ended', { approvalRequest: id, error })
    }
  }
  await approvals.removeEndedBefore(clock.now() - keptMs)
  return ended
}

/**
 * Ends every request that has not ended: for a database that was put back to an earlier state, where one that was done or rejected since
 * waits once more. To be called while no call is served.
 */
export async function endAllApprovals(services: Services): Promise<number> {
  let ended = 0
  for await (const id of unsettled(Number.MAX_SAFE_INTEGER, services, Infinity)) {
    if (await end(id, 'EXPIRED', services, ({ status }) => status === 'PENDING') || await interrupt(id, services, true)) ended++
  }
  return ended
}

/** Each once: one that cannot be ended does not stand in the way of those behind it. */
async function* unsettled(now: number, { store: { approvals } }: Services, max = lookedAtMax): AsyncGenerator<string> {
  for (let after: Unsettled | undefined, count = 0; count < max;) {
    const batch = await approvals.unsettled(now, after, batchMax)
    for (const { id } of batch) yield id
    count += batch.length
    after = batch.at(-1)
    if (batch.length < batchMax) return
  }
}

/** Writes down that a request has expired, if it has. */
export async function expire(id: string, services: Services): Promise<boolean> {
  return end(id, 'EXPIRED', services, request =>
    request.status === 'PENDING' && statusAt(request, services.clock.now()) === 'EXPIRED')
}

async function interrupt(id: string, services: Services, alone: boolean): Promise<boolean> {
  const { dualControl: { owner, executing }, clock } = services
  return end(id, 'INTERRUPTED', services, ({ status, owner: by, decisions }) => {
    if (status !== 'EXECUTING' || executing.has(id)) return false
    const since = Math.max(...decisions.map(({ at }) => at))
    return alone || by === owner || clock.now() - since > executionMsMax
  })
}

const eventNames = { EXPIRED: 'ExpireApprovalRequest', INTERRUPTED: 'InterruptApprovalRequest' } as const

/** The record comes first: an end that a crash leaves unwritten is recorded again, and none is missing. */
function end(
  id: string, status: keyof typeof eventNames, services: Services, isDue: (request: ApprovalRequest) => boolean,
): Promise<boolean> {
  const { store: { approvals }, turns, audit, clock } = services
  return turns.take(`approval ${id}`, async () => {
    const request = await approvals.get(id)
    if (!request || !isDue(request)) return false
    await audit.append(approvalEvent(eventNames[status], request, clock))
    await approvals.update({ ...request, status, endedAt: clock.now() })
    return true
  })
}

/** What became of a request without anybody's call. */
function approvalEvent(eventName: string, request: ApprovalRequest, clock: Clock): AuditEvent {
  const { id, operation, region, requester, keys } = request
  const data = { approvalRequest: id, operation, requestedBy: requester.arn, accountId: requester.accountId }
  return serviceEventOn(keys, { eventName, region, clock, data })
}
