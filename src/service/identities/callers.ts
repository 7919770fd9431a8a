import type { Caller, CallerSession, PrincipalTag } from '../../domain/caller.js'
import { arnOfEntity, type Role, type User } from '../../domain/identity.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import { rootArn, sessionArn } from '../../domain/principal.js'
import type { Principal } from './directory.js'

/** A user by its long-term access key or a certificate, or by temporary credentials. */
export function callerOfUser(
  { entity, policies, boundary }: Principal & { readonly entity: User }, accessKeyId: string, session?: CallerSession,
): Caller {
  const arn = arnOfEntity(entity)
  return {
    type: 'User', arn, principalArn: arn, accountId: entity.accountId, accessKeyId,
    uniqueId: entity.id, userId: entity.id, userName: entity.name,
    tags: entity.tags, policies, ...boundary && { boundary }, ...session && { session },
  }
}

/** A session of a role. `tags` are those of the session: of one key, they win over those of the role. */
export function callerOfRole(
  { entity, policies, boundary }: Principal & { readonly entity: Role }, session: CallerSession & { readonly name: string },
  { accessKeyId = '', tags = [] }: { readonly accessKeyId?: string, readonly tags?: readonly PrincipalTag[] } = {},
): Caller {
  const given = new Set(tags.map(({ key }) => foldCase(key)))
  return {
    type: 'AssumedRole', arn: sessionArn(entity, session.name), principalArn: arnOfEntity(entity), accountId: entity.accountId, accessKeyId,
    uniqueId: entity.id, userId: `${entity.id}:${session.name}`,
    tags: [...tags, ...entity.tags.filter(({ key }) => !given.has(foldCase(key)))],
    policies, ...boundary && { boundary }, session,
  }
}

/** A service, which no account has: policies and grants name it by its name. */
export function callerOfService(name: string): Caller {
  return {
    type: 'Service', arn: name, principalArn: name, accountId: '', accessKeyId: '', uniqueId: name, userId: name, tags: [], policies: [],
  }
}

/** The root of an account, by itself: the account's policies are those of its users. */
export function callerOfAccount(accountId: string): Caller {
  return {
    type: 'Account', arn: rootArn(accountId), principalArn: rootArn(accountId), accountId, accessKeyId: '',
    uniqueId: accountId, userId: accountId, tags: [], policies: [],
  }
}
