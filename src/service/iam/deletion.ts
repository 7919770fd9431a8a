import { KmsError } from '../../domain/errors.js'
import { nameKey, type Group, type IdentityEntity, type Role, type User } from '../../domain/identity.js'
import type { Services } from '../services.js'

/** Holders that a refusal lists by name. */
const listedMax = 5

/** What has to go before the entity can, in words. */
export function blockers(entity: User | Group | Role): readonly string[] {
  const inline = Object.keys(entity.inlinePolicies)
  return [
    ...entity.kind === 'user' && entity.groups.length > 0 ? [`remove it from groups (${entity.groups.join(', ')})`] : [],
    ...entity.attachedPolicies.length > 0 ? [`detach its policies (${entity.attachedPolicies.join(', ')})`] : [],
    ...inline.length > 0 ? [`delete its inline policies (${inline.join(', ')})`] : [],
  ]
}

/** Throws DeleteConflictException if there is anything. */
export function refuseWith({ kind, name }: IdentityEntity, what: readonly string[]): void {
  if (what.length === 0) return
  throw new KmsError('DeleteConflictException', `Cannot delete ${kind} ${name}, must first ${what.join(', ')}.`)
}

/** Users that are in the group. */
export async function membersOf({ accountId, name }: Group, { store }: Services): Promise<readonly User[]> {
  const found = await store.identities.mentioning(accountId, JSON.stringify(name))
  return found.filter(entity => entity.kind === 'user').filter(({ groups }) => groups.some(group => nameKey(group) === nameKey(name)))
}

/** Who has the managed policy, attached or as a boundary. */
export async function holdersOf(arn: string, accountId: string, { store }: Services): Promise<readonly (User | Group | Role)[]> {
  const found = await store.identities.mentioning(accountId, JSON.stringify(arn))
  return found.filter(entity => entity.kind !== 'policy')
    .filter(entity => entity.attachedPolicies.includes(arn) || ('boundary' in entity && entity.boundary === arn))
}

/** `user anne, role deploy and 3 more` */
export function listed(entities: readonly IdentityEntity[]): string {
  const names = entities.slice(0, listedMax).map(({ kind, name }) => `${kind} ${name}`).join(', ')
  return entities.length > listedMax ? `${names} and ${entities.length - listedMax} more` : names
}
