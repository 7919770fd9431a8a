import type { PrincipalTag } from '../../domain/caller.js'
import type { CompiledPolicy } from '../../domain/policy/compile.js'
import type { Question } from '../../domain/policy/decide.js'
import { PolicyRequest, type RequestKeys } from '../../domain/policy/request.js'
import { factsOf, resourceTags, type CallFacts } from './facts.js'

/** A role that somebody wants to be. */
export interface AskedRole {
  readonly arn: string
  readonly accountId: string
  readonly tags: readonly PrincipalTag[]
  readonly trust: CompiledPolicy
  readonly requestKeys: RequestKeys
}

/** What the policies are asked about a role: its trust policy is that of the resource. */
export function questionOnRole(
  call: CallFacts, { arn, accountId, tags, trust, requestKeys }: AskedRole, action: string,
): Question & { readonly resource: NonNullable<Question['resource']> } {
  const facts = factsOf(call, { resource: { accountId, tags: resourceTags(tags) }, requestKeys: () => requestKeys })
  return { caller: call.caller, request: new PolicyRequest(action, arn, facts), resource: { policy: trust, accountId } }
}
