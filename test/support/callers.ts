import type { Caller } from '../../src/domain/caller.js'
import type { User } from '../../src/domain/identity.js'
import { compilePolicyText, type CompiledPolicy } from '../../src/domain/policy/compile.js'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import type { Identities } from '../../src/ports/identities.js'

/** Who calls in tests, and the users behind them. */

export const accountId = '111122223333'
/** Who has the other account has nothing to do with the first. */
export const otherAccountId = '444455556666'

export function identityPolicy(document: string | object, name = 'a policy'): CompiledPolicy {
  return compilePolicyText(typeof document === 'string' ? document : JSON.stringify(document), { name, kind: 'identity' })
}

/** Allows these actions on everything. */
export function allowing(...actions: readonly string[]): object {
  return { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: actions, Resource: '*' } }
}

/** A user of that name, with these policies, if any. */
export function userCaller(name: string, policies: readonly CompiledPolicy[] = [], of: Partial<Caller> = {}): Caller {
  const account = of.accountId ?? accountId
  const arn = `arn:aws:iam::${account}:user/${name}`
  return {
    type: 'User', arn, principalArn: arn, accountId: account, accessKeyId: `CVAK${name.toUpperCase()}`,
    uniqueId: uniqueIdOf(name, account), userId: uniqueIdOf(name, account), userName: name, tags: [], policies, ...of,
  }
}

export const administrator = userCaller('administrator', [identityPolicy(administratorAccess.document, administratorAccess.arn)])
/** No policy lets it do anything. */
export const nobody = userCaller('nobody')

export function sampleUser(name: string, of: Partial<User> = {}): User {
  const account = of.accountId ?? accountId
  return {
    kind: 'user', accountId: account, name, path: '/', id: uniqueIdOf(name, account), createdAt: 0, revision: 1,
    tags: [], groups: [], attachedPolicies: [], inlinePolicies: {}, ...of,
  }
}

/** The accounts, and in each the administrator, nobody and these users: whom policies and grants of tests may name. */
export async function storeUsers(identities: Identities, ...names: readonly string[]): Promise<void> {
  for (const [account, name] of [[accountId, 'main'], [otherAccountId, 'other']] as const) {
    await identities.insertAccount({ accountId: account, name, createdAt: 0 })
    await identities.insert(sampleUser('administrator', { accountId: account, attachedPolicies: [administratorAccess.arn] }))
    for (const user of ['nobody', ...names]) await identities.insert(sampleUser(user, { accountId: account }))
  }
}

/** The same for the same name. */
function uniqueIdOf(name: string, account: string): string {
  return `AIDA${account === accountId ? '' : 'OTHER'}${name.toUpperCase()}`
}
