import * as api from '../api/iam/approvals.js'
import { statusAt, type ApprovalRequest } from '../domain/approval.js'
import type { Caller } from '../domain/caller.js'
import { approvalPosition } from '../ports/approvals.js'
import { approve, reject, standingApprovals, visibleRequest } from './approvals/decide.js'
import { missingFor } from './approvals/missing-approvers.js'
import { onAccount } from './operation.js'
import type { Services } from './services.js'

/** What the policies of the caller must allow; who may know of which request is another matter (approvals/decide.ts). */
function permission(operation: string) {
  return () => [{ action: `claviger:${operation}`, resource: '*' }]
}

export const listApprovalRequests = onAccount(api.listApprovalRequests, {
  service: 'iam',
  readOnly: true,
  permissions: permission('ListApprovalRequests'),
  async run({ input: { Status: status, MaxItems: limit, Marker: marker }, caller }, services) {
    const { store: { approvals }, dualControl, pages, clock } = services
    const listing = `ListApprovalRequests ${caller.arn} ${status ?? ''}`
    const after = await pages.after(listing, marker)
    const filter = { accountId: caller.accountId, rules: dualControl.rulesFor(caller.principalArn), status, now: clock.now() }
    const found = await approvals.list(filter, after, limit + 1)
    const { items, end } = await pages.cut(listing, found, limit, approvalPosition)
    return {
      ApprovalRequests: await Promise.all(items.map(request => summary(request, services))),
      IsTruncated: end.Truncated, ...end.NextMarker !== undefined && { Marker: end.NextMarker },
    }
  },
})

export const getApprovalRequest = onAccount(api.getApprovalRequest, {
  service: 'iam',
  readOnly: true,
  permissions: permission('GetApprovalRequest'),
  async run({ input: { ApprovalRequestId: id }, caller, detail }, services) {
    detail('approvalRequest', id)
    return { ApprovalRequest: await whole(await visibleRequest(id, caller, services), caller, services) }
  },
})

export const approveRequest = onAccount(api.approveRequest, {
  service: 'iam',
  permissions: permission('ApproveRequest'),
  async run(call, services) {
    const { ApprovalRequestId: id } = call.input
    call.detail('approvalRequest', id)
    return { ApprovalRequest: await whole(await approve(id, call, services), call.caller, services) }
  },
})

export const rejectRequest = onAccount(api.rejectRequest, {
  service: 'iam',
  permissions: permission('RejectRequest'),
  async run(call, services) {
    const { ApprovalRequestId: id, Reason: reason } = call.input
    call.detail('approvalRequest', id)
    return { ApprovalRequest: await whole(await reject(id, reason, call, services), call.caller, services) }
  },
})

async function summary(request: ApprovalRequest, services: Services) {
  const { id, rule: name, service, operation, region, keys, requester, createdAt, expiresAt, endedAt } = request
  const rule = services.dualControl.ruleNamed(name)
  return {
    ApprovalRequestId: id, Status: statusAt(request, services.clock.now()), Rule: name,
    Service: service, Operation: operation, Region: region, Resources: keys,
    Requester: requester.arn, AccountId: requester.accountId,
    CreateDate: new Date(createdAt), ExpirationDate: new Date(expiresAt), ...endedAt !== undefined && { EndDate: new Date(endedAt) },
    // Without its rule nothing says how many it needs, and nobody can approve it.
    ...rule && { ApprovalsNeeded: rule.approvals, ApprovalsGiven: (await standingApprovals(request, rule, services)).length },
  }
}

async function whole(request: ApprovalRequest, caller: Caller, services: Services) {
  const { rule: name, input, inputHash, requestId, origin, decisions, outcome } = request
  const rule = services.dualControl.ruleNamed(name)
  const missing = rule ? await missingFor(caller, rule, services) : []
  return {
    ...await summary(request, services),
    Approvers: rule?.approvers ?? [], ...missing.length > 0 && { MissingApprovers: missing },
    Input: input, InputHash: inputHash, RequestId: requestId, SourceIp: origin.sourceIp, UserAgent: origin.userAgent,
    Decisions: decisions.map(({ decision, principalArn, callerArn, sourceIp, at, requestId: by, reason }) => ({
      Decision: decision, Principal: principalArn, Caller: callerArn, SourceIp: sourceIp, Date: new Date(at), RequestId: by,
      ...reason !== undefined && { Reason: reason },
    })),
    ...outcome && { Outcome: {
      RequestId: outcome.requestId,
      ...outcome.output !== undefined && { Output: outcome.output },
      ...outcome.errorCode !== undefined && { ErrorCode: outcome.errorCode },
      ...outcome.errorMessage !== undefined && { ErrorMessage: outcome.errorMessage },
    } },
  }
}
