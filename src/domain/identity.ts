import type { PrincipalTag } from './caller.js'
import { entityArn } from './principal.js'

/*
 * Who there is (IAM API Reference): accounts, and in each of them users, groups, roles and managed policies. An entity is one record, with
 * the policies that are its own. Names are unique without regard to case within account and kind; times are milliseconds since the epoch.
 */

export interface Account {
  readonly accountId: string
  readonly name: string
  readonly createdAt: number
}

interface Entity {
  readonly accountId: string
  readonly name: string
  /** Begins and ends with a slash. */
  readonly path: string
  /** Unique for ever: who gets the name of a deleted user is somebody else. */
  readonly id: string
  readonly createdAt: number
  /** Counts writes: a write names the revision it was decided on, and fails if another came first. */
  readonly revision: number
}

interface WithPolicies extends Entity {
  /** ARNs of managed policies. */
  readonly attachedPolicies: readonly string[]
  /** Documents by name. */
  readonly inlinePolicies: Readonly<Record<string, string>>
}

export interface User extends WithPolicies {
  readonly kind: 'user'
  readonly tags: readonly PrincipalTag[]
  /** ARN of the managed policy that is the permissions boundary. */
  readonly boundary?: string
  /** Names as the groups have them. */
  readonly groups: readonly string[]
  /** Sessions that were issued until then are refused. */
  readonly sessionsRevokedAt?: number
}

export interface Group extends WithPolicies { readonly kind: 'group' }

export interface Role extends WithPolicies {
  readonly kind: 'role'
  readonly description: string
  readonly tags: readonly PrincipalTag[]
  readonly boundary?: string
  readonly trustPolicy: string
  /** Unique ids of the users and roles that the trust policy names, as they were when it was set. */
  readonly trustBindings: Readonly<Record<string, string>>
  readonly maxSessionSeconds: number
  readonly sessionsRevokedAt?: number
}

export interface ManagedPolicy extends Entity {
  readonly kind: 'policy'
  readonly description: string
  readonly document: string
  readonly updatedAt: number
}

export type IdentityEntity = User | Group | Role | ManagedPolicy
export type EntityKind = IdentityEntity['kind']
export type EntityOf<K extends EntityKind> = Extract<IdentityEntity, { readonly kind: K }>

/** First letters of unique ids (IAM User Guide, Unique identifiers). */
export const idPrefixes: Readonly<Record<EntityKind, string>> = { user: 'AIDA', group: 'AGPA', role: 'AROA', policy: 'ANPA' }

/** IAM User Guide, IAM and AWS STS quotas; documents are counted without the white space between their tokens. */
export const identityQuotas = {
  accounts: 1_000,
  perAccount: { user: 5_000, group: 300, role: 1_000, policy: 1_500 },
  attachedPolicies: 20,
  groupsPerUser: 10,
  tags: 50,
  tagKeyCharacters: 128,
  tagValueCharacters: 256,
  accessKeysPerUser: 2,
  managedPolicyCharacters: 6_144,
  trustPolicyCharacters: 8_192,
  /** Of all inline policies of one entity together. */
  inlineCharacters: { user: 2_048, group: 5_120, role: 10_240 },
  sessionPolicyCharacters: 2_048,
  sessionPolicyArns: 10,
} as const

/** Seconds that a session of a role may be made to last (IAM API Reference, CreateRole). */
export const sessionSeconds = { min: 900, default: 3_600, roleMin: 3_600, roleMax: 43_200 } as const

export function arnOfEntity(entity: IdentityEntity): string {
  return entityArn(entity.kind, entity)
}

/** As names are compared. */
export function nameKey(name: string): string {
  return name.toLowerCase()
}
