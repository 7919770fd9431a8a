import { nameKey, type EntityKind } from '../../../domain/identity.js'
import { builtInPolicies } from '../../../domain/policy/managed-policies.js'
import { entityArn } from '../../../domain/principal.js'
import {
  creationOf, deletionOf, holderNames, holderUpdates, policyUpdates, roleUpdates, userUpdates, type Change, type Update,
} from './changes.js'
import type { Wanted } from './file.js'
import { inOrderOfTrust } from './trust-order.js'
import type { AccountState, GroupState, RoleState, UserState } from './state.js'

export interface PlanInput {
  readonly wanted: Wanted
  /** By number. */
  readonly actual: ReadonlyMap<string, AccountState>
  readonly prune: boolean
  /** ARN of the user or role that applies: it is not deleted. */
  readonly caller: string
  /** Of the users that are to be deleted, by ARN. */
  readonly accessKeys: ReadonlyMap<string, readonly string[]>
}

export interface Plan {
  /** In an order that works. */
  readonly changes: readonly Change[]
  /** What cannot be made so, each with its place; nothing is to be done then. */
  readonly faults: readonly string[]
  /** What would be deleted, and is kept. */
  readonly kept: readonly string[]
}

const sections = [['policies', 'policy'], ['groups', 'group'], ['users', 'user'], ['roles', 'role']] as const

/** What has to be done so that the accounts are as the file wants them. Pure. */
export function plan(input: PlanInput): Plan {
  const planner = new Planner(input)
  return { changes: planner.changes(), faults: planner.faults, kept: planner.kept }
}

/** Users that a pruning plan deletes, by account: their access keys have to be known first. */
export function prunedUsers({ wanted, actual, caller }: Omit<PlanInput, 'accessKeys' | 'prune'>): readonly (readonly [string, string])[] {
  return [...wanted].flatMap(([accountId, { users }]) => users
    ? [...actual.get(accountId)?.users ?? []].filter(([name, { path }]) =>
      !users.has(name) && entityArn('user', { accountId, name, path }) !== caller).map(([name]) => [accountId, name] as const)
    : [])
}

class Planner {
  readonly faults: string[] = []
  readonly kept: string[] = []
  readonly #input: PlanInput

  constructor(input: PlanInput) {
    this.#input = input
  }

  changes(): readonly Change[] {
    const accounts = [...this.#input.wanted.keys()]
    for (const accountId of accounts) this.#checkNames(accountId)
    const roles = accounts.flatMap(accountId => this.#roles(accountId))
    return [
      ...accounts.flatMap(accountId => this.#policies(accountId)),
      ...accounts.flatMap(accountId => this.#groups(accountId)),
      ...accounts.flatMap(accountId => this.#users(accountId)),
      ...inOrderOfTrust(roles.filter(({ verb }) => verb === 'create')),
      ...roles.filter(({ verb }) => verb === 'update'),
      ...this.#input.prune ? [...sections].reverse().flatMap(([section, kind]) =>
        accounts.flatMap(accountId => this.#deletions(accountId, section, kind))) : [],
    ]
  }

  #actual(accountId: string): AccountState {
    return this.#input.actual.get(accountId) ?? { policies: new Map(), groups: new Map(), users: new Map(), roles: new Map() }
  }

  /** Neither the path nor the case of a name can be changed. */
  #checkNames(accountId: string): void {
    for (const [section] of sections) {
      const actual: ReadonlyMap<string, { readonly path: string }> = this.#actual(accountId)[section]
      const byKey = new Map([...actual.keys()].map(name => [nameKey(name), name]))
      const wanted: ReadonlyMap<string, { readonly path: string }> = this.#input.wanted.get(accountId)?.[section] ?? new Map()
      for (const [name, { path }] of wanted) {
        const at = `accounts.${accountId}.${section}.${name}`
        const there = byKey.get(nameKey(name))
        const old = actual.get(name)
        if (there !== undefined && there !== name) this.faults.push(`${at} is there as ${there}: names are not told apart by case`)
        if (old && old.path !== path) this.faults.push(`${at}.path is ${old.path} and cannot be changed`)
      }
    }
  }

  #policies(accountId: string): readonly Change[] {
    return [...this.#input.wanted.get(accountId)?.policies ?? []].flatMap(([name, policy]) => {
      const old = this.#actual(accountId).policies.get(name)
      const arn = entityArn('policy', { accountId, name, path: policy.path })
      if (!old) return [creationOf({ kind: 'policy', accountId, name, state: policy })]
      if (old.description !== policy.description) {
        this.faults.push(`accounts.${accountId}.policies.${name}.description is ${JSON.stringify(old.description)} and cannot be changed`)
      }
      return changed('policy', accountId, name, policyUpdates(accountId, arn, old, policy))
    })
  }

  #groups(accountId: string): readonly Change[] {
    return [...this.#input.wanted.get(accountId)?.groups ?? []].flatMap(([name, written]) => {
      const group = this.#resolved(written, accountId, `groups.${name}`)
      const old = this.#actual(accountId).groups.get(name)
      if (!old) return [creationOf({ kind: 'group', accountId, name, state: group })]
      return changed('group', accountId, name, holderUpdates(holderNames('group', accountId, name), old, group))
    })
  }

  #users(accountId: string): readonly Change[] {
    return [...this.#input.wanted.get(accountId)?.users ?? []].flatMap(([name, written]) => {
      const user: UserState = this.#resolved(written, accountId, `users.${name}`)
      this.#checkGroups(user, accountId, `accounts.${accountId}.users.${name}.groups`)
      const old = this.#actual(accountId).users.get(name)
      if (!old) return [creationOf({ kind: 'user', accountId, name, state: user })]
      return changed('user', accountId, name, userUpdates(accountId, name, old, user))
    })
  }

  #roles(accountId: string): readonly Change[] {
    return [...this.#input.wanted.get(accountId)?.roles ?? []].flatMap(([name, written]) => {
      const role: RoleState = this.#resolved(written, accountId, `roles.${name}`)
      const old = this.#actual(accountId).roles.get(name)
      if (!old) return [creationOf({ kind: 'role', accountId, name, state: role })]
      return changed('role', accountId, name, roleUpdates(accountId, name, old, role))
    })
  }

  #deletions(accountId: string, section: keyof AccountState, kind: EntityKind): readonly Change[] {
    const wanted: ReadonlyMap<string, unknown> | undefined = this.#input.wanted.get(accountId)?.[section]
    if (!wanted) return []
    const actual: ReadonlyMap<string, GroupState> = this.#actual(accountId)[section] as ReadonlyMap<string, GroupState>
    return [...actual].filter(([name]) => !wanted.has(name)).flatMap(([name, state]) => {
      const arn = entityArn(kind, { accountId, name, path: state.path })
      if (arn === this.#input.caller) {
        this.kept.push(`${kind} ${name} of account ${accountId}: it makes these very calls`)
        return []
      }
      return [deletionOf({ kind, accountId, name, arn, state, accessKeys: this.#input.accessKeys.get(arn) ?? [] })]
    })
  }

  /** Policies by their ARNs. */
  #resolved<S extends GroupState & { readonly boundary?: string | undefined }>(state: S, accountId: string, at: string): S {
    const place = `accounts.${accountId}.${at}`
    const policies = state.policies.map((policy, index) => this.#policyArn(policy, accountId, `${place}.policies[${index}]`))
    const { boundary } = state
    return {
      ...state, policies: [...new Set(policies)],
      ...boundary !== undefined && { boundary: this.#policyArn(boundary, accountId, `${place}.boundary`) },
    }
  }

  /** A name is that of a policy of the account, of the file before one that is there, or else of a built-in one. */
  #policyArn(policy: string, accountId: string, at: string): string {
    if (policy.startsWith('arn:')) {
      if (!policy.startsWith(`arn:aws:iam::${accountId}:`) && !policy.startsWith('arn:aws:iam::aws:')) {
        this.faults.push(`${at} is a policy of another account`)
      }
      return policy
    }
    const own = this.#input.wanted.get(accountId)?.policies?.get(policy) ?? this.#actual(accountId).policies.get(policy)
    if (own) return entityArn('policy', { accountId, name: policy, path: own.path })
    const builtIn = builtInPolicies.find(({ name }) => name === policy)
    if (!builtIn) this.faults.push(`${at} names a policy that there is not: ${policy}`)
    return builtIn?.arn ?? policy
  }

  #checkGroups({ groups }: UserState, accountId: string, at: string): void {
    const { groups: wanted } = this.#input.wanted.get(accountId) ?? {}
    for (const [index, group] of groups.entries()) {
      const isThere = wanted?.has(group) ?? false
      const stays = this.#actual(accountId).groups.has(group) && !(this.#input.prune && wanted && !wanted.has(group))
      if (!isThere && !stays) this.faults.push(`${at}[${index}] names a group that there is not: ${group}`)
    }
  }
}

function changed(kind: EntityKind, accountId: string, name: string, updates: readonly Update[]): readonly Change[] {
  if (updates.length === 0) return []
  return [{
    verb: 'update', kind, accountId, name, details: updates.map(({ detail }) => detail), calls: updates.flatMap(({ calls }) => calls),
  }]
}
