import type { Caller } from '../domain/caller.js'
import type { IdentityEntity } from '../domain/identity.js'
import type { KeyView } from '../domain/key.js'
import type { CompiledPolicy } from '../domain/policy/compile.js'
import { builtInPolicy } from '../domain/policy/managed-policies.js'

/*
 * What is kept in memory, weighed (weighted-cache.ts) in characters of the texts that it was made of. A compiled policy has some bytes for
 * each, eight or so at worst.
 */

/** What anything weighs beside its texts. */
export const entryWeight = 512

/** One that every account has is there anyway. */
export function policyWeight({ name, text = '' }: CompiledPolicy): number {
  return builtInPolicy(name) ? 0 : entryWeight + text.length
}

export function policiesWeight(policies: readonly CompiledPolicy[]): number {
  return policies.reduce((weight, policy) => weight + policyWeight(policy), 0)
}

/** With all of its policies: they stay for as long as it does, whatever else lets go of them. */
export function callerWeight({ policies, boundary, session, tags }: Caller): number {
  return entryWeight + policiesWeight([...policies, ...boundary ? [boundary] : [], ...session?.policies ?? []])
    + tags.reduce((weight, { key, value }) => weight + key.length + value.length, 0)
}

/** The policy counts twice, for the ids of the principals that it names. */
export function keyWeight({ key: { policy, description, tags }, versions }: KeyView): number {
  return entryWeight * (1 + versions.size) + 2 * policy.length + description.length
    + tags.reduce((weight, { TagKey, TagValue }) => weight + TagKey.length + TagValue.length, 0)
}

/** Also of a name that nobody has. */
export function entityWeight(entity: IdentityEntity | undefined): number {
  if (!entity) return entryWeight
  const inline = 'inlinePolicies' in entity ? Object.values(entity.inlinePolicies) : []
  const documents = entity.kind === 'policy' ? [entity.document] : entity.kind === 'role' ? [entity.trustPolicy, ...inline] : inline
  return entryWeight + documents.reduce((weight, document) => weight + document.length, 0)
}
