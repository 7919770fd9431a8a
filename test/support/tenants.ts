import type { EntityKind, EntityOf, User } from '../../src/domain/identity.js'
import { arnOfEntity } from '../../src/domain/identity.js'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { newAccessKey } from '../../src/service/credentials.js'
import { firstRoots } from '../../src/service/roots.js'
import { sampleUser } from './callers.js'
import type { Admin, ServerAddress, TestServer } from './server.js'

/** A user who can call a server of this process, as if it were the administrator of its credentials file. */
export interface Tenant extends Pick<ServerAddress, 'url' | 'clock'> {
  readonly admin: Admin
  readonly arn: string
}

/** Another account of the server. */
export async function newAccount({ services: { store, identities } }: TestServer, accountId: string): Promise<void> {
  await store.identities.insertAccount({ accountId, name: `account ${accountId}`, createdAt: 0 })
  identities.forget()
}

/** A new user with an access key; without policies it may do nothing. */
export async function newTenant(server: TestServer, name: string, of: Partial<User> = {}): Promise<Tenant> {
  const { services: { hsm, clock } } = server
  const accountId = of.accountId ?? server.admin.accountId
  const user = sampleUser(name, { accountId, id: `AIDA${accountId}${name.toUpperCase()}`, ...of })
  await stored(server, user)
  const { accessKey, secret } = await newAccessKey(hsm, clock, firstRoots.seal, user)
  await server.services.store.credentials.put(accessKey)
  server.services.identities.forget()
  return {
    url: server.url, clock: server.clock, arn: arnOfEntity(user),
    admin: { accessKeyId: accessKey.accessKeyId, secretAccessKey: secret, region: server.admin.region, accountId },
  }
}

/** A new user whom AdministratorAccess lets do everything in its account. */
export function newAdministrator(server: TestServer, name: string, accountId?: string): Promise<Tenant> {
  return newTenant(server, name, { attachedPolicies: [administratorAccess.arn], ...accountId !== undefined && { accountId } })
}

export async function stored(server: TestServer, entity: EntityOf<EntityKind>): Promise<void> {
  if (!await server.services.store.identities.insert(entity)) throw new Error(`there is a ${entity.kind} ${entity.name} already`)
  server.services.identities.forget()
}
