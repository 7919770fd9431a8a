import { parseKeyRef } from '../../domain/key-ref.js'
import type { Caller } from '../../domain/caller.js'
import type { Services } from '../services.js'
import type { Explained } from './explained-answer.js'
import type { ExplainedCall } from './explained-call.js'

/** One operation of the administration has an action for each kind of holder (subjects.ts). */
const ofHolders: readonly (readonly [action: RegExp, operation: string])[] = [
  [/^(Attach|Detach)(?:User|Group|Role)Policy$/i, '$1Policy'],
  [/^(Put|Delete)(?:User|Group|Role)Policy$/i, '$1InlinePolicy'],
  [/^(Put|Delete)(?:User|Role)PermissionsBoundary$/i, '$1PermissionsBoundary'],
  [/^Revoke(?:User|Role)Sessions$/i, 'RevokeSessions'],
  [/^(Tag|Untag)(?:User|Role)$/i, '$1Principal'],
]

interface Asked { readonly caller: Caller, readonly region: string, readonly resource: string | undefined }

/** What an allowed call would still wait for, as it would be told (approvals/hold.ts). */
export function approvalOf(
  { action, operation, need }: ExplainedCall, { caller, region, resource = '' }: Asked, { dualControl }: Pick<Services, 'dualControl'>,
): Pick<Explained, 'ApprovalRule' | 'ApprovalsNeeded'> {
  const { accountId } = caller
  const of = need ? parseKeyRef(need.ref, { region, accountId }).accountId : /^arn:aws:iam::([0-9]{12}):/.exec(resource)?.[1]
  const [service, name = ''] = action.split(':')
  const names = operation || service !== 'iam' ? [operation?.name ?? name] : operationsOf(name)
  for (const one of names) {
    const rule = dualControl.ruleOf(one, [...of === undefined ? [] : [of], accountId])
    if (rule) return { ApprovalRule: rule.name, ApprovalsNeeded: rule.approvals }
  }
  return {}
}

function operationsOf(action: string): readonly string[] {
  return [action, ...ofHolders.flatMap(([form, operation]) => form.test(action) ? [action.replace(form, operation)] : [])]
}
