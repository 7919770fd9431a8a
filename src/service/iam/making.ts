import { KmsError } from '../../domain/errors.js'
import { identityQuotas, type EntityKind, type IdentityEntity } from '../../domain/identity.js'
import type { Services } from '../services.js'

const plurals: Readonly<Record<EntityKind, string>> = { user: 'users', group: 'groups', role: 'roles', policy: 'managed policies' }

/** Adds to an account what it may have one more of; in turn (service/iam/turns.ts). */
export async function insertNew<E extends IdentityEntity>(entity: E, { store: { identities } }: Services): Promise<E> {
  const { accountId, kind, name } = entity
  // The quota must not tell whoever repeats a call that the account is full.
  if (await identities.get(accountId, kind, name)) throw exists(kind, name)
  const max = identityQuotas.perAccount[kind]
  if (await identities.count(accountId, kind) >= max) {
    throw new KmsError('LimitExceededException', `An account can have at most ${max} ${plurals[kind]}`)
  }
  if (!await identities.insert(entity)) throw exists(kind, name)
  return entity
}

function exists(kind: EntityKind, name: string): KmsError {
  return new KmsError('EntityAlreadyExistsException',
    `A ${kind} with name ${name} already exists. Names are not told apart by case.`)
}
