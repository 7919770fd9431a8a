import type { EntityKind, EntityOf, IdentityEntity } from '../../domain/identity.js'
import { arnOfEntity } from '../../domain/identity.js'
import { KmsError } from '../../domain/errors.js'
import type { Scope } from '../../domain/key-ref.js'
import { entityArn } from '../../domain/principal.js'
import type { ContextValue } from '../../domain/policy/request.js'
import { resourceTags } from '../authorization/facts.js'
import type { Asking, Call, Permission } from '../operation.js'

/** A member that every operation on identities has. */
export interface OfAccount { readonly AccountId?: string }

/** A user, group, role or policy, as a call names it. */
export interface Subject {
  readonly kind: EntityKind
  readonly name: string
  /** Of one that is to be made. */
  readonly path?: string
}

/** The members by which an operation says whose policies, tags or boundary it is about. */
export interface Names extends OfAccount { readonly UserName?: string, readonly GroupName?: string, readonly RoleName?: string }

const kinds = [['user', 'UserName'], ['group', 'GroupName'], ['role', 'RoleName']] as const
/** Of an action of IAM that has one for each of them: `iam:AttachUserPolicy`. */
const words: Readonly<Record<EntityKind, string>> = { user: 'User', group: 'Group', role: 'Role', policy: 'Policy' }

type Permissions<I> = (input: I, scope: Scope, asking: Asking) => Promise<readonly Permission[]>

export function accountIdOf({ AccountId: accountId }: OfAccount, scope: Pick<Scope, 'accountId'>): string {
  return accountId ?? scope.accountId
}

/** Throws ValidationException unless exactly one of the names that the operation knows is given. */
export function checkOneName(input: Names, known: readonly (keyof Names)[]): void {
  if (known.filter(name => input[name] !== undefined).length === 1) return
  throw new KmsError('ValidationException', `You must specify exactly one of ${known.join(', ')}.`)
}

/** Whom the one name that is given is of; see `checkOneName`. */
export function holderOf(input: Names): Subject & { readonly kind: 'user' | 'group' | 'role' } {
  for (const [kind, member] of kinds) {
    const name = input[member]
    if (name !== undefined) return { kind, name }
  }
  throw new Error('the call names nobody')
}

/** `iam:Attach*Policy` for the subject. */
export function actionOn(action: `iam:${string}*${string}`, { kind }: Subject): string {
  return action.replace('*', words[kind])
}

/**
 * Permission for something that is done to an entity: actions on its ARN, which has its path, with its tags and its boundary. Of one that
 * is not there, or that the caller must not know of, the ARN is that of the name without a path.
 */
export function on<I extends OfAccount>(
  subjectOf: (input: I, asking: Asking) => Subject, actionsOf: (input: I, subject: Subject) => readonly string[],
): Permissions<I> {
  return async (input, scope, asking) => {
    const accountId = accountIdOf(input, scope)
    const subject = subjectOf(input, asking)
    const { kind, name } = subject
    const entity = mayKnow(accountId, asking) ? await asking.services.identities.entity(accountId, kind, name) : undefined
    const place = {
      resource: entityArn(kind, { accountId, name, path: entity?.path ?? subject.path ?? '/' }),
      named: `${kind} ${name}`,
      ...toldOf(accountId, entity),
    }
    return actionsOf(input, subject).map(action => ({ action, ...place }))
  }
}

/** What policies are told of an entity of the account; undefined is one that is not there, or that is not to be known of. */
export function toldOf(accountId: string, entity: IdentityEntity | undefined): Required<Pick<Permission, 'of' | 'keys'>> {
  return {
    of: { accountId, tags: entity && 'tags' in entity ? resourceTags(entity.tags) : [] },
    keys: new Map<string, ContextValue>(entity && 'boundary' in entity ? [['iam:permissionsboundary', entity.boundary]] : []),
  }
}

/** Permission for what is about an account as a whole. */
export function onWhole(action: string) {
  return (input: OfAccount, scope: Scope): readonly Permission[] => [
    { action, resource: '*', of: { accountId: accountIdOf(input, scope), tags: [] } },
  ]
}

/** Accounts are the business of the installation's account. */
export function onInstallation(action: string) {
  return (_input: unknown, _scope: Scope, { services: { accountId } }: Asking): readonly Permission[] => [
    { action, resource: '*', of: { accountId, tags: [] } },
  ]
}

/** `Access.requirePermission` decides; nothing is looked up for whom it will refuse. */
export function mayKnow(accountId: string, { caller, services }: Asking): boolean {
  return accountId === caller.accountId || caller.accountId === services.accountId
}

/**
 * Throws ConflictException if what has the name now is not what the caller was allowed to work on: another of the name may have been made
 * under another path since. If it is, with other tags or another boundary than then, the policies are asked once more.
 */
export function checkPermitted<E extends IdentityEntity>(entity: E, { permitted, access }: Pick<Call, 'permitted' | 'access'>): E {
  const arn = arnOfEntity(entity)
  const asked = permitted.filter(({ resource }) => resource === arn)
  if (asked.length === 0) throw new KmsError('ConflictException', `${arn} was changed by another call. Retry the request.`)
  const facts = toldOf(entity.accountId, entity)
  for (const permission of asked) if (!isSame(permission, facts)) access.requirePermission({ ...permission, ...facts })
  return entity
}

function isSame(one: Pick<Permission, 'of' | 'keys'>, other: Pick<Permission, 'of' | 'keys'>): boolean {
  const facts = [one, other].map(({ of, keys = new Map() }) => JSON.stringify([of?.accountId, of?.tags, [...keys]]))
  return facts[0] === facts[1]
}

const texts: Readonly<Record<EntityKind, (name: string) => string>> = {
  user: name => `The user with name ${name} cannot be found.`,
  group: name => `The group with name ${name} cannot be found.`,
  role: name => `The role with name ${name} cannot be found.`,
  policy: name => `Policy ${name} was not found.`,
}

export function noSuchEntity(kind: EntityKind, name: string): KmsError {
  return new KmsError('NoSuchEntityException', texts[kind](name))
}

/** What is stored under exactly this name. Throws NoSuchEntityException. */
export async function storedEntity<K extends EntityKind>(
  { store }: Asking['services'], accountId: string, kind: K, name: string,
): Promise<EntityOf<K>> {
  const entity = await store.identities.get(accountId, kind, name)
  if (entity?.name !== name) throw noSuchEntity(kind, name)
  return entity
}
