import type { getAccountAuthorizationDetails } from '../../../api/iam/accounts.js'
import type { Output } from '../../../api/shape.js'

/** The identities of an account, as a file wants them or as they are. Documents are JSON; policies are known by ARN. */

export interface PolicyState { readonly path: string, readonly description: string, readonly document: string }

export interface GroupState {
  readonly path: string
  readonly policies: readonly string[]
  /** Documents by name. */
  readonly inline: ReadonlyMap<string, string>
}

interface PrincipalState extends GroupState {
  readonly boundary: string | undefined
  readonly tags: ReadonlyMap<string, string>
}

export interface UserState extends PrincipalState { readonly groups: readonly string[] }

export interface RoleState extends PrincipalState {
  readonly trust: string
  readonly description: string
  readonly maxSessionDuration: number
}

/** By name. */
export interface AccountState {
  readonly policies: ReadonlyMap<string, PolicyState>
  readonly groups: ReadonlyMap<string, GroupState>
  readonly users: ReadonlyMap<string, UserState>
  readonly roles: ReadonlyMap<string, RoleState>
}

/** What a file has of an account: a section that is left out is not touched. Policies are names or ARNs. */
export type WantedAccount = { readonly [Section in keyof AccountState]: AccountState[Section] | undefined }

export type Details = Output<typeof getAccountAuthorizationDetails>

interface DetailOfHolder {
  readonly Path?: string
  readonly AttachedManagedPolicies?: readonly { readonly PolicyArn?: string }[]
}

interface Inline { readonly PolicyName?: string, readonly PolicyDocument?: string }

/** From the answer of GetAccountAuthorizationDetails, all pages of it. */
export function actualState({ Policies = [], GroupDetailList = [], UserDetailList = [], RoleDetailList = [] }: Details): AccountState {
  const own = Policies.filter(({ PolicyId }) => PolicyId !== undefined)
  return {
    policies: new Map(own.map(({ PolicyName = '', Path = '/', Description = '', PolicyDocument = '' }) =>
      [PolicyName, { path: Path, description: Description, document: PolicyDocument }])),
    groups: new Map(GroupDetailList.map(group => [group.GroupName ?? '', holder(group, group.GroupPolicyList)])),
    users: new Map(UserDetailList.map(user => [user.UserName ?? '', {
      ...holder(user, user.UserPolicyList), ...principal(user), groups: user.GroupList ?? [],
    }])),
    roles: new Map(RoleDetailList.map(role => [role.RoleName ?? '', {
      ...holder(role, role.RolePolicyList), ...principal(role), trust: role.AssumeRolePolicyDocument ?? '',
      description: role.Description ?? '', maxSessionDuration: role.MaxSessionDuration ?? 0,
    }])),
  }
}

function holder({ Path = '/', AttachedManagedPolicies = [] }: DetailOfHolder, inline: readonly Inline[] = []): GroupState {
  return {
    path: Path,
    policies: AttachedManagedPolicies.map(({ PolicyArn = '' }) => PolicyArn),
    inline: new Map(inline.map(({ PolicyName = '', PolicyDocument = '' }) => [PolicyName, PolicyDocument])),
  }
}

function principal({ PermissionsBoundary, Tags = [] }: {
  readonly PermissionsBoundary?: { readonly PermissionsBoundaryArn?: string }
  readonly Tags?: readonly { readonly Key: string, readonly Value: string }[]
}): Pick<PrincipalState, 'boundary' | 'tags'> {
  return { boundary: PermissionsBoundary?.PermissionsBoundaryArn, tags: new Map(Tags.map(({ Key, Value }) => [Key, Value])) }
}

/** Whether two documents are the same JSON, in whatever order members stand and however they are spaced. */
export function isSameDocument(one: string, other: string): boolean {
  return one === other || canonical(one) === canonical(other)
}

function canonical(text: string): string {
  return JSON.stringify(sorted(JSON.parse(text)))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]))
}
