import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import type { Services } from '../services.js'

/*
 * Approvers are whom the configuration names. Whoever could take the place of one by a call could approve its own requests, so what makes
 * that possible is refused: it is done before the configuration names the approver, or waits for approval itself.
 */

type Asking = Pick<Services, 'dualControl'>

/** An access key of an approver is made by the approver only: the call answers a secret, and so can never wait. */
export function refuseAccessKey(userArn: string, { dualControl }: Asking, caller: Caller): void {
  if (caller.principalArn === userArn || dualControl.rulesFor(userArn).length === 0) return
  throw refused(caller, 'CreateAccessKey', userArn, 'this is an approver, who makes its access keys itself')
}

/** Who may become a role that is an approver is said by calls that wait for approval, or by none. */
export function refuseTrust(
  operation: 'CreateRole' | 'UpdateRole', role: { readonly arn: string, readonly accountId: string }, { dualControl }: Asking,
  caller: Caller,
): void {
  const waits = dualControl.ruleOf(operation, [role.accountId, caller.accountId]) !== undefined
  if (waits || dualControl.rulesFor(role.arn).length === 0) return
  throw refused(caller, operation, role.arn, `this is an approver, and no rule of dualControl covers ${operation}`)
}

function refused({ arn: caller }: Caller, operation: string, arn: string, why: string): KmsError {
  return new KmsError('AccessDeniedException', `User: ${caller} is not authorized to perform: iam:${operation} on resource: ${arn} because `
    + why)
}
