import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type Role, type User } from '../../domain/identity.js'
import { decideByPolicies } from '../../domain/policy/decide.js'
import { PolicyRequest } from '../../domain/policy/request.js'
import { factsOf, resourceTags } from '../authorization/facts.js'
import type { Call } from '../operation.js'
import type { Services } from '../services.js'

/** What an administrator can do and who has disarmed itself cannot: give back what was taken. */
const repairs = { user: 'iam:AttachUserPolicy', role: 'iam:AttachRolePolicy' } as const

/** Throws DeleteConflictException for the user or the role that makes the call. */
export function refuseOneself({ caller }: Pick<Call, 'caller'>, { kind, name, id }: User | Role): void {
  if (caller.uniqueId !== id) return
  throw new KmsError('DeleteConflictException', `Cannot delete ${kind} ${name}: it makes this very call. Let another administrator do it.`)
}

/**
 * Throws ConflictException when a change of the caller's own user or role would take from it the permission to undo that, if it has it now:
 * so the last administrator cannot disarm itself by accident. Changes of groups and managed policies are not followed.
 */
export async function checkLockout(
  call: Pick<Call, 'caller' | 'access'>, before: User | Role, after: User | Role, services: Services,
): Promise<void> {
  if (call.caller.uniqueId !== before.id) return
  if (!await canRepair(call, before, services) || await canRepair(call, after, services)) return
  const message = `The change would take ${repairs[before.kind]} from the ${before.kind} that makes this very call. `
  throw new KmsError('ConflictException', `${message}Let another administrator do it.`)
}

async function canRepair(
  { caller, access }: Pick<Call, 'caller' | 'access'>, entity: User | Role, { identities }: Services,
): Promise<boolean> {
  const { policies, boundary } = await identities.asIfStored(entity)
  const { boundary: _, ...asNow } = caller
  const then = { ...asNow, policies, tags: entity.tags, ...boundary && { boundary } }
  const facts = factsOf({ ...access.facts, caller: then }, {
    resource: { accountId: entity.accountId, tags: resourceTags(entity.tags) },
  })
  const request = new PolicyRequest(repairs[entity.kind], arnOfEntity(entity), facts)
  return decideByPolicies({ caller: then, request, resource: undefined }).allowed
}
