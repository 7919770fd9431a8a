import { randomUUID } from 'node:crypto'
import { statusAt, type ApprovalRequest, type ApprovalRule, type Requester } from '../../domain/approval.js'
import { KmsError } from '../../domain/errors.js'
import type { Call, Operation } from '../operation.js'
import type { Services } from '../services.js'
import { requesterOf } from './requester.js'
import { expire } from './settle.js'
import { hashOfInput, inputText } from './stored-input.js'

/** Pending ones of one account. */
export const pendingMax = 1_000
/** How often it is tried again to find what was in the way of a new request. */
const attemptsMax = 3

/**
 * For a call that passed every check: throws ApprovalRequiredException, with the call kept, if a rule covers it; nothing else has happened.
 * What the operation itself would still find wrong is found now, as far as it can be tried.
 */
export async function holdForApproval(operation: Operation, call: Call, services: Services): Promise<void> {
  const { dualControl, turns } = services
  const rule = dualControl.ruleOf(operation.name, accountsOf(call))
  if (!rule) return
  const requester = await requesterOf(call.caller, services)
  await operation.rehearse?.(call, services)
  const drafted = draft(operation, call, rule, requester, services.clock.now())
  const { id, expiresAt } = await turns.take(`approvals of ${drafted.requester.accountId}`, () => placed(drafted, services))
  call.detail('approvalRequest', id)
  const count = rule.approvals === 1 ? '1 approval' : `${rule.approvals} approvals`
  throw new KmsError('ApprovalRequiredException',
    `This call needs ${count} before it takes effect. Approval request ${id} is pending until ${new Date(expiresAt).toISOString()}.`)
}

/** Those that the call is about, and then that of the caller: nobody gets round the rule of an account by calling from another. */
function accountsOf({ caller, keys, permitted }: Call): readonly string[] {
  return [...keys.map(({ key }) => key.accountId), ...permitted.flatMap(({ of }) => of?.accountId ?? []), caller.accountId]
}

function draft(operation: Operation, call: Call, rule: ApprovalRule, requester: Requester, now: number): ApprovalRequest {
  const { scope, keys, requestId, access: { facts: { origin } } } = call
  const input = inputText(operation.contract.input, call.input)
  return {
    id: randomUUID(), revision: 1, rule: rule.name, service: operation.service, operation: operation.name, region: scope.region,
    requester,
    origin: {
      sourceIp: origin.sourceIp, userAgent: origin.userAgent, secureTransport: origin.secureTransport,
      ...origin.referer !== undefined && { referer: origin.referer },
    },
    requestId, input, inputHash: hashOfInput(input),
    keys: keys.map(({ key }) => key.arn),
    createdAt: now, expiresAt: now + rule.expiresMs, status: 'PENDING', decisions: [],
  }
}

/** The same call of the same caller, tried again by an SDK or a person, is the request that is there. */
async function placed(drafted: ApprovalRequest, services: Services): Promise<ApprovalRequest> {
  const { store: { approvals }, clock } = services
  for (let attempt = 1; ; attempt++) {
    const twin = await approvals.twin(drafted)
    if (twin && statusAt(twin, clock.now()) === 'PENDING') return twin
    if (twin) await expire(twin.id, services)
    else if (await approvals.countPending(drafted.requester.accountId) >= pendingMax) {
      throw new KmsError('LimitExceededException', `At most ${pendingMax} calls of an account can wait for approval.`)
    }
    if (await approvals.insert(drafted)) return drafted
    if (attempt >= attemptsMax) throw new Error('a request for approval finds another in its place, again and again')
  }
}
