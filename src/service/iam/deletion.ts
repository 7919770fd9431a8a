import { KmsError } from '../../domain/errors.js'
import { nameKey, type Group, type IdentityEntity, type Role, type User } from '../../domain/identity.js'
import type { Services } from '../services.js'

/** Holders that a refusal lists by name. */
const listedMax = 5
/** Entities that are read at once. */
const batchMax = 100

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

/** Users that are in the group, up to a number. */
export async function membersOf({ accountId, name }: Group, services: Services): Promise<readonly User[]> {
  return mentioning(accountId, name, services, (entity): entity is User =>
    entity.kind === 'user' && entity.groups.some(group => nameKey(group) === nameKey(name)))
}

/** Who has the managed policy, attached or as a boundary, up to a number. */
export async function holdersOf(arn: string, accountId: string, services: Services): Promise<readonly (User | Group | Role)[]> {
  return mentioning(accountId, arn, services, (entity): entity is User | Group | Role => entity.kind !== 'policy'
    && (entity.attachedPolicies.includes(arn) || ('boundary' in entity && entity.boundary === arn)))
}

/** Reads on behind what only looks like one: else enough of these could hide the others. */
async function mentioning<E extends IdentityEntity>(
  accountId: string, text: string, { store: { identities } }: Services, is: (entity: IdentityEntity) => entity is E,
): Promise<readonly E[]> {
  const found: E[] = []
  for (let after: IdentityEntity | undefined; ;) {
    const batch = await identities.mentioning(accountId, JSON.stringify(text), after, batchMax)
    found.push(...batch.filter(is))
    after = batch.at(-1)
    if (batch.length < batchMax || found.length > listedMax) return found.slice(0, listedMax + 1)
  }
}

/** `user anne, role deploy and more` */
export function listed(entities: readonly IdentityEntity[]): string {
  const names = entities.slice(0, listedMax).map(({ kind, name }) => `${kind} ${name}`).join(', ')
  return entities.length > listedMax ? `${names} and more` : names
}
