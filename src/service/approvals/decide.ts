import {
  actingPrincipal, countedApprovals, isSamePrincipal, statusAt, type ApprovalDecision, type ApprovalRequest, type ApprovalRule,
} from '../../domain/approval.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { decideByPolicies } from '../../domain/policy/decide.js'
import { StaleWriteError } from '../../ports/keys.js'
import { Access } from '../authorization/access.js'
import type { Call } from '../operation.js'
import type { Services } from '../services.js'
import { execute } from './execute.js'
import { callerOf, requesterOf } from './requester.js'

/** How often a decision is made anew because another came first. */
const attemptsMax = 10

type Deciding = Pick<Call, 'caller' | 'requestId' | 'access' | 'detail'>

/**
 * The request, for who may know of it: in the account that the call is of, whom its policies let ask; elsewhere whom its rule names. For
 * all others it is as if it did not exist.
 */
export async function visibleRequest(id: string, caller: Caller, { store, dualControl }: Services): Promise<ApprovalRequest> {
  const request = await store.approvals.get(id)
  const isOwn = caller.accountId !== '' && request?.requester.accountId === caller.accountId
  if (request && (isOwn || dualControl.rulesFor(caller.principalArn).includes(request.rule))) return request
  throw new KmsError('NotFoundException', `Approval request ${id} is not found.`)
}

/** With the last approval that it needs the call is done, before this answers. */
export function approve(id: string, call: Deciding, services: Services): Promise<ApprovalRequest> {
  return decided(id, services, async () => {
    const request = await visibleRequest(id, call.caller, services)
    call.detail('operation', request.operation)
    const rule = requireApprover(request, 'ApproveRequest', call.caller, services)
    const isMine = hasDecided(request, 'APPROVED', call.caller)
    // Tried again by an SDK that never saw the answer.
    if (isMine && request.status !== 'PENDING') return request
    requirePending(request, services)
    const approved = isMine ? request : await withDecision(request, 'APPROVED', call, services)
    const standing = await standingApprovals(approved, rule, services)
    const { store: { approvals }, dualControl: { owner } } = services
    if (standing.length < rule.approvals) return isMine ? request : approvals.update(approved)
    return execute(await approvals.update({ ...approved, status: 'EXECUTING', owner }), standing, services)
  })
}

export function reject(id: string, reason: string | undefined, call: Deciding, services: Services): Promise<ApprovalRequest> {
  return decided(id, services, async () => {
    const request = await visibleRequest(id, call.caller, services)
    call.detail('operation', request.operation)
    requireApprover(request, 'RejectRequest', call.caller, services)
    if (hasDecided(request, 'REJECTED', call.caller)) return request
    requirePending(request, services)
    const rejected = await withDecision(request, 'REJECTED', call, services, reason)
    return services.store.approvals.update({ ...rejected, status: 'REJECTED', endedAt: services.clock.now() })
  })
}

/** The approvals that count now: of those who could still give them. */
export async function standingApprovals(
  request: ApprovalRequest, rule: ApprovalRule, services: Services,
): Promise<readonly ApprovalDecision[]> {
  const standing: ApprovalDecision[] = []
  for (const one of countedApprovals(request, rule)) if (await mayStillApprove(one, request, services)) standing.push(one)
  return standing
}

/**
 * Whether the principal is still there, not somebody else of its name, its session not revoked, and its policies of now allow it what they
 * allowed then. Its access key may be another by now.
 */
async function mayStillApprove(
  { approver, sourceIp, secureTransport = false, requestId }: ApprovalDecision, { id, region }: ApprovalRequest, services: Services,
): Promise<boolean> {
  const operation = services.dualControl.operation('iam', 'ApproveRequest')
  if (!approver || !operation) return false
  try {
    const caller = await callerOf({ ...approver, accessKeyId: '' }, services)
    const access = new Access({
      caller, region, operation, origin: { requestId, sourceIp, userAgent: '', secureTransport }, input: { ApprovalRequestId: id },
      time: services.clock.now(), dryRun: false, measurements: undefined,
    }, services, { resource() {}, decided() {} })
    return decideByPolicies(access.questionOf({ action: 'claviger:ApproveRequest', resource: '*' })).allowed
  } catch (error) {
    if (error instanceof KmsError) return false
    throw error
  }
}

function hasDecided({ decisions }: ApprovalRequest, decision: ApprovalDecision['decision'], caller: Caller): boolean {
  return decisions.some(one => one.decision === decision && isSamePrincipal(one, actingPrincipal(caller)))
}

/** One after the other in this process, and against others by the revision that each write names. */
function decided(id: string, { turns }: Services, decide: () => Promise<ApprovalRequest>): Promise<ApprovalRequest> {
  return turns.take(`approval ${id}`, async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await decide()
      } catch (error) {
        if (!(error instanceof StaleWriteError) || attempt >= attemptsMax) throw error
      }
    }
  })
}

function requireApprover(
  { id, rule: name, requester }: ApprovalRequest, operation: string, caller: Caller, { dualControl }: Services,
): ApprovalRule {
  const rule = dualControl.ruleNamed(name)
  const why = !rule ? `the rule ${name} is not configured any more`
    : !rule.approvers.includes(caller.principalArn) ? `the rule ${name} does not name it as an approver`
      : isSamePrincipal(requester, actingPrincipal(caller)) ? 'nobody decides about a request of their own' : undefined
  if (rule && why === undefined) return rule
  throw new KmsError('AccessDeniedException', `User: ${caller.arn} is not authorized to perform: claviger:${operation} on approval request `
    + `${id} because ${why}`)
}

function requirePending(request: ApprovalRequest, { clock }: Services): void {
  const status = statusAt(request, clock.now())
  if (status === 'PENDING') return
  throw new KmsError('KMSInvalidStateException', `Approval request ${request.id} is not pending any more: it is ${status}.`)
}

async function withDecision(
  request: ApprovalRequest, decision: ApprovalDecision['decision'], { caller, requestId, access }: Deciding, services: Services,
  reason?: string,
): Promise<ApprovalRequest> {
  const { sourceIp, secureTransport } = access.facts.origin
  const made: ApprovalDecision = {
    decision, ...actingPrincipal(caller), callerArn: caller.arn,
    sourceIp, secureTransport, approver: await requesterOf(caller, services), at: services.clock.now(), requestId,
    ...reason !== undefined && { reason },
  }
  return { ...request, decisions: [...request.decisions, made] }
}
