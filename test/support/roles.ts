import type { Caller } from '../../src/domain/caller.js'
import { arnOfEntity, type EntityKind, type EntityOf, type Role } from '../../src/domain/identity.js'
import { parsePolicy } from '../../src/domain/policy/parse.js'
import type { Store } from '../../src/ports/store.js'
import type { IdentityDirectory } from '../../src/service/identities/directory.js'
import type { Services } from '../../src/service/services.js'
import { Sessions } from '../../src/service/sts/sessions.js'
import { accountId } from './callers.js'

/** A statement of a trust policy that lets these principals do these things. */
export function trusting(principal: unknown, more: object = {}): object {
  return { Effect: 'Allow', Principal: principal, Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'], ...more }
}

/** One that lets whom an issuer vouches for become the role. */
export function trustingProvider(arn: string, more: object = {}): object {
  return trusting({ Federated: arn }, { Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession', 'sts:SetSourceIdentity'], ...more })
}

export function trustPolicy(...statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

/** Trusts its account, unless told otherwise. */
export function sampleRole(name: string, of: Partial<Role> = {}): Role {
  const account = of.accountId ?? accountId
  return {
    kind: 'role', accountId: account, name, path: '/', id: `AROA${name.toUpperCase()}`, createdAt: 0, revision: 1, description: '',
    tags: [], attachedPolicies: [], inlinePolicies: {}, trustPolicy: trustPolicy(trusting({ AWS: account })), trustBindings: {},
    maxSessionSeconds: 3_600, ...of,
  }
}

interface Kept { readonly store: Store, readonly identities: IdentityDirectory }

/** Stores a role as the administration of identities would: bound to the principals of today. Answers its ARN. */
export async function newRole({ store, identities }: Kept, name: string, of: Partial<Role> = {}): Promise<string> {
  const role = sampleRole(name, of)
  const trustBindings = await identities.bind(parsePolicy(role.trustPolicy, 'trust'))
  if (!await store.identities.insert({ ...role, trustBindings })) throw new Error(`there is a role ${name}`)
  identities.forget()
  return arnOfEntity(role)
}

/** Changes what is stored under that name. */
export async function change<K extends EntityKind>(
  { store, identities }: Kept, kind: K, name: string, changed: Partial<EntityOf<K>>, account = accountId,
): Promise<void> {
  const entity = await store.identities.get(account, kind, name)
  if (!entity) throw new Error(`there is no ${kind} ${name}`)
  await store.identities.update({ ...entity, ...changed })
  identities.forget()
}

export async function remove({ store, identities }: Kept, kind: EntityKind, name: string, account = accountId): Promise<void> {
  const entity = await store.identities.get(account, kind, name)
  if (!entity) throw new Error(`there is no ${kind} ${name}`)
  await store.identities.remove(entity)
  identities.forget()
}

/** Who calls with the credentials that an operation answered. */
export async function sessionCaller(
  { store, identities, clock, sts: { sessionTokens: tokens } }: Services,
  { Credentials: of }: { readonly Credentials?: { readonly AccessKeyId: string, readonly SessionToken: string } },
): Promise<Caller> {
  const sessions = new Sessions({ tokens, identities, accessKeys: store.credentials, clock })
  const credential = of && await sessions.lookup(of.AccessKeyId, of.SessionToken)
  if (!credential) throw new Error('these are no credentials')
  return credential.caller
}
