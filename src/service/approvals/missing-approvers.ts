import type { ApprovalRule } from '../../domain/approval.js'
import type { Caller } from '../../domain/caller.js'
import { parsePrincipal } from '../../domain/principal.js'
import { mayKnow } from '../iam/subjects.js'
import type { Services } from '../services.js'

/** Whom a rule names and who is not there: until somebody makes them, they approve nothing. */
export async function missingApprovers(
  { approvers }: Pick<ApprovalRule, 'approvers'>, { identities }: Pick<Services, 'identities'>,
): Promise<readonly string[]> {
  const missing: string[] = []
  for (const arn of approvers) {
    if (!(await identities.uniqueId(arn)).exists) missing.push(arn)
  }
  return missing
}

/** Those of them that the caller may know of: the rule says its name, but not to everybody whether it is somebody's. */
export async function missingFor(caller: Caller, rule: ApprovalRule, services: Services): Promise<readonly string[]> {
  const isApprover = rule.approvers.includes(caller.principalArn)
  const known = rule.approvers.filter(arn => isApprover || mayKnow(accountOf(arn), { caller, services }))
  return missingApprovers({ approvers: known }, services)
}

function accountOf(arn: string): string {
  const ref = parsePrincipal(arn)
  return ref && 'accountId' in ref ? ref.accountId : ''
}

/** A typing error in an ARN shows only when a call waits for ever: so it is told before. */
export async function reportMissingApprovers(services: Services): Promise<void> {
  const { dualControl: { rules }, log } = services
  for (const rule of rules) {
    const missing = await missingApprovers(rule, services)
    for (const approver of missing) log.warn('an approver of a rule of dual control does not exist', { rule: rule.name, approver })
    const left = rule.approvers.length - missing.length
    if (left < rule.approvals) {
      log.warn('a rule of dual control has fewer approvers than it needs: nothing that it covers can be done', {
        rule: rule.name, approvals: rule.approvals, approvers: left,
      })
    }
  }
}
