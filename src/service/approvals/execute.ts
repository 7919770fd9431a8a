import { randomUUID } from 'node:crypto'
import type { ApprovalDecision, ApprovalOutcome, ApprovalRequest } from '../../domain/approval.js'
import { KmsError } from '../../domain/errors.js'
import { recordableMembers } from '../call-record.js'
import { performApproved } from '../perform.js'
import { refusalOf } from '../refusal.js'
import type { Services } from '../services.js'
import { callerOf } from './requester.js'
import { inputOf } from './stored-input.js'

/**
 * Does what was approved, as the one who asked for it, who must be allowed to do so now. `request` was written as `EXECUTING` by the
 * caller, who is the only one because that write succeeded: so it is done once, and after a crash never again. Answers it with its outcome.
 */
export async function execute(
  request: ApprovalRequest, counted: readonly ApprovalDecision[], services: Services,
): Promise<ApprovalRequest> {
  const { dualControl: { executing }, store: { approvals }, clock } = services
  executing.add(request.id)
  try {
    const outcome = await outcomeOf(request, counted, services)
    const status = outcome.errorCode === undefined ? 'DONE' : 'FAILED'
    return await approvals.update({ ...request, status, outcome, endedAt: clock.now() })
  } finally {
    executing.delete(request.id)
  }
}

/** A call that was refused ended, too; the audit log has it either way. */
async function outcomeOf(
  { id, service, operation: name, origin, region, requester, input, keys }: ApprovalRequest, counted: readonly ApprovalDecision[],
  services: Services,
): Promise<ApprovalOutcome> {
  const requestId = randomUUID()
  try {
    const operation = services.dualControl.operation(service, name)
    if (!operation) throw new KmsError('UnsupportedOperationException', `${name} is not supported by this service.`)
    const { output } = await performApproved({
      origin: { ...origin, requestId }, region, operation, input: inputOf(operation.contract.input, input), keys,
      caller: () => callerOf(requester, services),
      details: { approvalRequest: id, requestedBy: requester.arn, approvedBy: counted.map(({ callerArn }) => callerArn).join(', ') },
    }, services)
    const told = recordableMembers(operation.contract.output, output)
    return { requestId, ...told && { output: JSON.stringify(told) } }
  } catch (error) {
    const { code, message } = refusalOf(error)
    return { requestId, errorCode: code, ...message !== '' && { errorMessage: message } }
  }
}
