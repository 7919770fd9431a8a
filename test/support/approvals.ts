import { expect } from 'chai'
import { approveRequest, getApprovalRequest, rejectRequest } from '../../src/api/iam/approvals.js'
import type { Contract, Input, Output } from '../../src/api/shape.js'
import type { ApprovalRule } from '../../src/domain/approval.js'
import type { Caller } from '../../src/domain/caller.js'
import { builtInPolicy } from '../../src/domain/policy/managed-policies.js'
import type { Store } from '../../src/ports/store.js'
import type { Services } from '../../src/service/services.js'
import { administrator, identityPolicy, userCaller } from './callers.js'
import { refused } from './refusal.js'
import { call } from './services.js'

export const approverPolicy = 'arn:aws:iam::aws:policy/ClavigerApprover'
const mayApprove = identityPolicy(builtInPolicy(approverPolicy)?.document ?? '{}', approverPolicy)

/** A user of `storeUsers` who may decide about requests, where a rule names it. */
export function approver(name: string, of: Partial<Caller> = {}): Caller {
  return userCaller(name, [mayApprove], { accessKeyId: '', ...of })
}

/** The users who are there, as `approver` has them: what their policies of then let is asked again when it counts. */
export async function storeApprovers({ identities }: Store, ...callers: readonly Caller[]): Promise<void> {
  for (const { accountId, userName = '' } of callers) {
    const user = await identities.get(accountId, 'user', userName)
    if (!user) throw new Error(`there is no user ${userName}`)
    await identities.update({ ...user, attachedPolicies: [...user.attachedPolicies, approverPolicy] })
  }
}

/** The administrator, as it comes without an access key: there is none in the store. */
export const requester: Caller = { ...administrator, accessKeyId: '' }

export function ruleOf(approvals: number, approvers: readonly Caller[], of: Partial<ApprovalRule> = {}): ApprovalRule {
  return {
    name: 'a-rule', operations: ['ScheduleKeyDeletion'], approvals, approvers: approvers.map(({ principalArn }) => principalArn),
    expiresMs: 86_400_000, ...of,
  }
}

/** The id of the request that a call becomes. Fails if it becomes none. */
export async function held<C extends Contract>(
  services: Services, contract: C, input: NoInfer<Partial<Input<C>>>, caller: Caller = requester, at?: string,
): Promise<string> {
  const { message } = await refused(call(services, contract, input, caller, at), 'ApprovalRequiredException')
  const [, id = ''] = /Approval request ([0-9a-f-]{36}) is pending until /.exec(message) ?? []
  expect(id).to.have.length(36)
  return id
}

type Shown = NonNullable<Output<typeof getApprovalRequest>['ApprovalRequest']>

export async function shown(services: Services, id: string, caller: Caller = requester): Promise<Shown> {
  const { ApprovalRequest: request } = await call(services, getApprovalRequest, { ApprovalRequestId: id }, caller)
  if (!request) throw new Error('no request was answered')
  return request
}

export async function approve(services: Services, id: string, by: Caller): Promise<Shown> {
  const { ApprovalRequest: request } = await call(services, approveRequest, { ApprovalRequestId: id }, by)
  if (!request) throw new Error('no request was answered')
  return request
}

export async function reject(services: Services, id: string, by: Caller, Reason?: string): Promise<Shown> {
  const input = { ApprovalRequestId: id, ...Reason !== undefined && { Reason } }
  const { ApprovalRequest: request } = await call(services, rejectRequest, input, by)
  if (!request) throw new Error('no request was answered')
  return request
}
