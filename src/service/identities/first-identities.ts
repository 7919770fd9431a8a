import { arnOfEntity, type User } from '../../domain/identity.js'
import { administratorAccess } from '../../domain/policy/managed-policies.js'
import { entityArn } from '../../domain/principal.js'
import type { Hsm } from '../../ports/hsm.js'
import type { Installation, Store } from '../../ports/store.js'
import { newEntityId } from '../credentials.js'

const administratorName = 'administrator'

export function administratorArn(accountId: string): string {
  return entityArn('user', { accountId, path: '/', name: administratorName })
}

/** The administrator of an account, made if need be: a user whom AdministratorAccess lets do everything. */
export async function administratorOf(accountId: string, createdAt: number, store: Store, hsm: Pick<Hsm, 'random'>): Promise<User> {
  const stored = await store.identities.get(accountId, 'user', administratorName)
  if (stored) return stored
  const made: User = {
    kind: 'user', accountId, name: administratorName, path: '/', id: await newEntityId(hsm, 'user'), createdAt, revision: 1,
    tags: [], groups: [], attachedPolicies: [administratorAccess.arn], inlinePolicies: {},
  }
  if (!await store.identities.insert(made)) throw new Error(`the user ${administratorName} of account ${accountId} is there and is not`)
  return made
}

/**
 * Brings an installation of before there were identities up to date: the administrator becomes a user, and what belonged to the one account
 * there was is marked so. The account comes last: what a crash interrupts the next start does again.
 */
export async function adoptIdentities({ accountId, createdAt }: Installation, store: Store, hsm: Pick<Hsm, 'random'>): Promise<void> {
  if (await store.identities.account(accountId)) return
  const administrator = await administratorOf(accountId, createdAt, store, hsm)
  for (const accessKey of await store.credentials.withoutPrincipal()) {
    if (accessKey.principalArn === arnOfEntity(administrator)) {
      await store.credentials.put({ ...accessKey, principalId: administrator.id })
    }
  }
  await store.aliases.adopt(accountId)
  await store.identities.insertAccount({ accountId, name: 'main', createdAt })
}
