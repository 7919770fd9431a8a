import { createGroup, addUserToGroup, deleteGroup, removeUserFromGroup } from '../../../api/iam/groups.js'
import { deleteAccessKey } from '../../../api/iam/access-keys.js'
import {
  attachPolicy, createPolicy, deleteInlinePolicy, deletePermissionsBoundary, deletePolicy, detachPolicy, putInlinePolicy,
  putPermissionsBoundary, updatePolicy,
} from '../../../api/iam/policies.js'
import { createRole, deleteRole, updateRole } from '../../../api/iam/roles.js'
import { tagPrincipal, untagPrincipal } from '../../../api/iam/tags.js'
import { createUser, deleteUser } from '../../../api/iam/users.js'
import type { Contract, Input } from '../../../api/shape.js'
import { identityQuotas, type EntityKind } from '../../../domain/identity.js'
import { foldCase } from '../../../domain/policy/fold-case.js'
import { isSameDocument, type GroupState, type PolicyState, type RoleState, type UserState } from './state.js'

/** A call to be made. */
export interface PlannedCall { readonly contract: Contract, readonly input: Readonly<Record<string, unknown>> }

/** What becomes of one user, group, role or policy. */
export interface Change {
  readonly verb: 'create' | 'update' | 'delete'
  readonly kind: EntityKind
  readonly accountId: string
  readonly name: string
  /** What of it changes, a line each. */
  readonly details: readonly string[]
  readonly calls: readonly PlannedCall[]
}

export interface Update { readonly detail: string, readonly calls: readonly PlannedCall[] }

function call<C extends Contract>(contract: C, input: Partial<Input<NoInfer<C>>>): PlannedCall {
  return { contract, input }
}

/** By which members a call names its subject. */
export type Named =
  & { readonly AccountId: string }
  & ({ readonly UserName: string } | { readonly GroupName: string } | { readonly RoleName: string })

export function holderNames(kind: 'user' | 'group' | 'role', AccountId: string, name: string): Named {
  if (kind === 'user') return { AccountId, UserName: name }
  return kind === 'group' ? { AccountId, GroupName: name } : { AccountId, RoleName: name }
}

export type Created =
  | { readonly kind: 'policy', readonly accountId: string, readonly name: string, readonly state: PolicyState }
  | { readonly kind: 'group', readonly accountId: string, readonly name: string, readonly state: GroupState }
  | { readonly kind: 'user', readonly accountId: string, readonly name: string, readonly state: UserState }
  | { readonly kind: 'role', readonly accountId: string, readonly name: string, readonly state: RoleState }

/** The thing itself, and then what it has. */
export function creationOf(of: Created): Change {
  const { kind, accountId, name, state } = of
  const [made, updates] = makings(of)
  return {
    verb: 'create', kind, accountId, name,
    details: [
      ...state.path === '/' ? [] : [`path ${state.path}`],
      ...'boundary' in state && state.boundary !== undefined ? [`+ boundary ${state.boundary}`] : [],
      ...'tags' in state && state.tags.size > 0 ? [tagDetail(state.tags, new Map())] : [],
      ...updates.map(({ detail }) => detail),
    ],
    calls: [made, ...updates.flatMap(({ calls }) => calls)],
  }
}

const nothing = { policies: [], inline: new Map<string, string>(), boundary: undefined, tags: new Map<string, string>(), groups: [] }

function makings({ kind, accountId: AccountId, name, state }: Created): readonly [PlannedCall, readonly Update[]] {
  const common = { AccountId, Path: state.path }
  switch (kind) {
    case 'policy': {
      const { document: PolicyDocument, description: Description } = state
      return [call(createPolicy, { ...common, PolicyName: name, PolicyDocument, Description }), []]
    }
    case 'group':
      return [call(createGroup, { ...common, GroupName: name }), holderUpdates(holderNames('group', AccountId, name), nothing, state)]
    case 'user': {
      // With its boundary from the first moment on.
      const made = call(createUser, { ...common, UserName: name, ...firstOf(state) })
      return [made, userUpdates(AccountId, name, { ...nothing, path: state.path, boundary: state.boundary, tags: state.tags }, state)]
    }
    case 'role': {
      const { trust, description, maxSessionDuration } = state
      const made = call(createRole, {
        ...common, RoleName: name, AssumeRolePolicyDocument: trust, Description: description, MaxSessionDuration: maxSessionDuration,
        ...firstOf(state),
      })
      return [made, roleUpdates(AccountId, name, { ...state, ...nothing, boundary: state.boundary, tags: state.tags }, state)]
    }
  }
}

function firstOf({ boundary, tags }: Pick<UserState, 'boundary' | 'tags'>) {
  return {
    ...boundary !== undefined && { PermissionsBoundary: boundary },
    ...tags.size > 0 && { Tags: tagList(tags) },
  }
}

export function policyUpdates(AccountId: string, arn: string, old: PolicyState, wanted: PolicyState): readonly Update[] {
  if (isSameDocument(old.document, wanted.document)) return []
  return [{ detail: '~ document', calls: [call(updatePolicy, { AccountId, PolicyArn: arn, PolicyDocument: wanted.document })] }]
}

type HolderState = Pick<GroupState, 'policies' | 'inline'>

/** What is given comes before what is taken, so that nobody is without both; unless there is no room for both. */
export function holderUpdates(named: Named, old: HolderState, wanted: HolderState): readonly Update[] {
  const attached = wanted.policies.filter(arn => !old.policies.includes(arn))
    .map(arn => ({ detail: `+ policy ${arn}`, calls: [call(attachPolicy, { ...named, PolicyArn: arn })] }))
  const detached = old.policies.filter(arn => !wanted.policies.includes(arn))
    .map(arn => ({ detail: `- policy ${arn}`, calls: [call(detachPolicy, { ...named, PolicyArn: arn })] }))
  const fitsBoth = old.policies.length + attached.length <= identityQuotas.attachedPolicies
  return [...inlineUpdates(named, old.inline, wanted.inline), ...fitsBoth ? [...attached, ...detached] : [...detached, ...attached]]
}

function inlineUpdates(named: Named, old: HolderState['inline'], wanted: HolderState['inline']): readonly Update[] {
  const gone = [...old.keys()].filter(name => !wanted.has(name))
    .map(name => ({ detail: `- inline policy ${name}`, calls: [call(deleteInlinePolicy, { ...named, PolicyName: name })] }))
  const put = [...wanted].flatMap(([name, document]) => {
    const before = old.get(name)
    if (before !== undefined && isSameDocument(before, document)) return []
    const calls = [call(putInlinePolicy, { ...named, PolicyName: name, PolicyDocument: document })]
    return [{ detail: `${before === undefined ? '+' : '~'} inline policy ${name}`, calls }]
  })
  // Their length is limited all together.
  return [...gone, ...put]
}

export function userUpdates(AccountId: string, UserName: string, old: UserState, wanted: UserState): readonly Update[] {
  const joined = wanted.groups.filter(group => !old.groups.includes(group))
    .map(GroupName => ({ detail: `+ group ${GroupName}`, calls: [call(addUserToGroup, { AccountId, UserName, GroupName })] }))
  const left = old.groups.filter(group => !wanted.groups.includes(group))
    .map(GroupName => ({ detail: `- group ${GroupName}`, calls: [call(removeUserFromGroup, { AccountId, UserName, GroupName })] }))
  const fitsBoth = old.groups.length + joined.length <= identityQuotas.groupsPerUser
  const named = holderNames('user', AccountId, UserName)
  return [
    ...principalUpdates(named, old, wanted), ...holderUpdates(named, old, wanted),
    ...fitsBoth ? [...joined, ...left] : [...left, ...joined],
  ]
}

export function roleUpdates(AccountId: string, RoleName: string, old: RoleState, wanted: RoleState): readonly Update[] {
  const named = holderNames('role', AccountId, RoleName)
  const own: Partial<Record<'AssumeRolePolicyDocument' | 'Description' | 'MaxSessionDuration', string | number>> = {
    ...!isSameDocument(old.trust, wanted.trust) && { AssumeRolePolicyDocument: wanted.trust },
    ...old.description !== wanted.description && { Description: wanted.description },
    ...old.maxSessionDuration !== wanted.maxSessionDuration && { MaxSessionDuration: wanted.maxSessionDuration },
  }
  const details = [
    ...own.AssumeRolePolicyDocument === undefined ? [] : ['~ trust policy'],
    ...own.Description === undefined ? [] : [`~ description ${JSON.stringify(old.description)} to ${JSON.stringify(wanted.description)}`],
    ...own.MaxSessionDuration === undefined ? [] : [`~ longest session ${old.maxSessionDuration} to ${wanted.maxSessionDuration} seconds`],
  ]
  return [
    // One call for all of them.
    ...details.map((detail, at) => ({ detail, calls: at === 0 ? [{ contract: updateRole, input: { ...named, ...own } }] : [] })),
    ...principalUpdates(named, old, wanted), ...holderUpdates(named, old, wanted),
  ]
}

/** The limit first: what is given then is within it. */
function principalUpdates(
  named: Named, old: Pick<UserState, 'boundary' | 'tags'>, wanted: Pick<UserState, 'boundary' | 'tags'>,
): readonly Update[] {
  return [...boundaryUpdates(named, old.boundary, wanted.boundary), ...tagUpdates(named, old.tags, wanted.tags)]
}

function boundaryUpdates(named: Named, old: string | undefined, wanted: string | undefined): readonly Update[] {
  if (old === wanted) return []
  if (wanted === undefined) return [{ detail: `- boundary ${old ?? ''}`, calls: [call(deletePermissionsBoundary, named)] }]
  return [{
    detail: old === undefined ? `+ boundary ${wanted}` : `~ boundary ${old} to ${wanted}`,
    calls: [call(putPermissionsBoundary, { ...named, PermissionsBoundary: wanted })],
  }]
}

function tagUpdates(named: Named, old: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): readonly Update[] {
  const set = new Map([...wanted].filter(([key, value]) => old.get(key) !== value))
  const keys = new Set([...wanted.keys()].map(foldCase))
  // One that differs in case only is replaced by the other.
  const gone = [...old.keys()].filter(key => !keys.has(foldCase(key)))
  return [
    ...gone.length > 0 ? [{
      detail: gone.map(key => `- tag ${key}`).join(', '),
      calls: [call(untagPrincipal, { ...named, TagKeys: gone })],
    }] : [],
    ...set.size > 0 ? [{
      detail: tagDetail(set, old),
      calls: [call(tagPrincipal, { ...named, Tags: tagList(set) })],
    }] : [],
  ]
}

function tagDetail(set: ReadonlyMap<string, string>, old: ReadonlyMap<string, string>): string {
  return [...set].map(([key, value]) => `${old.has(key) ? '~' : '+'} tag ${key}=${value}`).join(', ')
}

function tagList(tags: ReadonlyMap<string, string>) {
  return [...tags].map(([Key, Value]) => ({ Key, Value }))
}

export interface Deleted {
  readonly kind: EntityKind
  readonly accountId: string
  readonly name: string
  readonly arn: string
  readonly state: GroupState
  readonly accessKeys: readonly string[]
}

/** With all that hangs on it. */
export function deletionOf({ kind, accountId: AccountId, name, arn, state, accessKeys }: Deleted): Change {
  const before = kind === 'policy' ? [] : holderUpdates(holderNames(kind, AccountId, name), state, nothing)
  const left = kind === 'user' ? userUpdates(AccountId, name, state as UserState, { ...state as UserState, groups: [] }) : []
  const keys = accessKeys.map(AccessKeyId =>
    ({ detail: `- access key ${AccessKeyId}`, calls: [call(deleteAccessKey, { AccountId, UserName: name, AccessKeyId })] }))
  const updates = [...keys, ...left, ...before]
  const deletions = {
    policy: () => call(deletePolicy, { AccountId, PolicyArn: arn }), group: () => call(deleteGroup, { AccountId, GroupName: name }),
    user: () => call(deleteUser, { AccountId, UserName: name }), role: () => call(deleteRole, { AccountId, RoleName: name }),
  }
  return {
    verb: 'delete', kind, accountId: AccountId, name, details: updates.map(({ detail }) => detail),
    calls: [...updates.flatMap(({ calls }) => calls), deletions[kind]()],
  }
}
