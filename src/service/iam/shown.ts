import {
  arnOfEntity, type Account, type Group, type IdentityEntity, type ManagedPolicy, type Role, type User,
} from '../../domain/identity.js'
import type { BuiltInPolicy } from '../../domain/policy/managed-policies.js'
import { rootArn } from '../../domain/principal.js'
import { shownDocument } from '../authorization/shown-policy.js'
import type { IdentityDirectory } from '../identities/directory.js'

/** Accounts, identities and policies as the API tells of them. */

export function shownAccount({ accountId, name, createdAt }: Account) {
  return { AccountId: accountId, AccountName: name, Arn: rootArn(accountId), CreateDate: new Date(createdAt) }
}

export function shownUser(user: User) {
  return { UserName: user.name, UserId: user.id, ...common(user), ...principal(user) }
}

export function userDetail(user: User) {
  return { ...shownUser(user), GroupList: user.groups, ...attached(user), UserPolicyList: inline(user) }
}

export function shownGroup(group: Group) {
  return { GroupName: group.name, GroupId: group.id, ...common(group) }
}

export function groupDetail(group: Group) {
  return { ...shownGroup(group), ...attached(group), GroupPolicyList: inline(group) }
}

export async function shownRole(role: Role, identities: IdentityDirectory) {
  return {
    RoleName: role.name, RoleId: role.id, ...common(role), ...principal(role),
    AssumeRolePolicyDocument: await shownDocument(role.trustPolicy, role.trustBindings, identities),
    Description: role.description, MaxSessionDuration: role.maxSessionSeconds,
  }
}

export async function roleDetail(role: Role, identities: IdentityDirectory) {
  return { ...await shownRole(role, identities), ...attached(role), RolePolicyList: inline(role) }
}

export function shownPolicy(policy: ManagedPolicy | BuiltInPolicy) {
  const { name, description } = policy
  if ('arn' in policy) return { PolicyName: name, Arn: policy.arn, Path: '/', Description: description }
  return {
    PolicyName: name, PolicyId: policy.id, ...common(policy), Description: description, UpdateDate: new Date(policy.updatedAt),
  }
}

export function policyDetail(policy: ManagedPolicy | BuiltInPolicy) {
  return { ...shownPolicy(policy), PolicyDocument: policy.document }
}

function common(entity: IdentityEntity) {
  return { Path: entity.path, Arn: arnOfEntity(entity), CreateDate: new Date(entity.createdAt) }
}

function principal({ boundary, tags }: User | Role) {
  return {
    ...boundary !== undefined && { PermissionsBoundary: { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: boundary } },
    Tags: tags.map(({ key, value }) => ({ Key: key, Value: value })),
  }
}

function attached({ attachedPolicies }: User | Group | Role) {
  return { AttachedManagedPolicies: attachedPolicies.map(arn => ({ PolicyName: arn.slice(arn.lastIndexOf('/') + 1), PolicyArn: arn })) }
}

function inline({ inlinePolicies }: User | Group | Role) {
  return Object.entries(inlinePolicies).map(([name, text]) => ({ PolicyName: name, PolicyDocument: text }))
}
