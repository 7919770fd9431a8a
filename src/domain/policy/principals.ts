import type { Caller, CallerType } from '../caller.js'
import { parsePrincipal } from '../principal.js'
import type { PrincipalName, Principals } from './document.js'

/**
 * How a statement names the caller: `session` and `user` are direct, `role` any session of it, `anyone` the lone `*`. `account` names the
 * account only: in an Allow it leaves the decision to the policies of the account (KMS developer guide, Default key policy).
 */
export type Naming = 'session' | 'user' | 'role' | 'service' | 'provider' | 'anyone' | 'account'

/** Unique ids of the users and roles that a policy names, as they were when it was set: whoever bears a name later is another. */
export type Bindings = Readonly<Record<string, string>>

/** One name of a statement, and what it would make of the caller that bears it. */
interface Name {
  readonly naming: Naming
  /** An ARN; the number of an account, the name of a service. */
  readonly name: string
  readonly uniqueId: string | undefined
}

/** Whom a statement is about. */
export interface CompiledPrincipals { readonly not: boolean, readonly names: readonly Name[] }

export function compilePrincipals({ not, names }: Principals, bindings: Bindings): CompiledPrincipals {
  return { not, names: names.map(name => compileName(name, bindings)).filter(name => name !== undefined) }
}

/** How the principals of a statement name a caller; undefined where they do not. */
export function namingOf({ not, names }: CompiledPrincipals, caller: Caller, effect: 'Allow' | 'Deny'): Naming | undefined {
  return not ? notNamed(names, caller, effect) : strongest(names, caller, effect)
}

const order: readonly Naming[] = ['session', 'user', 'service', 'provider', 'role', 'anyone', 'account']

/** In a Deny the account is everybody in it; in an Allow whoever is named more closely needs nothing of the account. */
function strongest(names: readonly Name[], caller: Caller, effect: 'Allow' | 'Deny'): Naming | undefined {
  let found: Naming | undefined
  for (const name of names) {
    if (!fits[name.naming](caller, name)) continue
    const { naming } = name
    if (effect === 'Deny') return naming
    if (found === undefined || order.indexOf(naming) < order.indexOf(found)) found = naming
  }
  return found
}

/**
 * All that a caller must be named as for a Deny with NotPrincipal to spare it: the account before the user, and before a session its role,
 * because a session can do no more than its role and a role no more than its account (IAM User Guide, NotPrincipal with Deny).
 */
const namesOf: Readonly<Record<CallerType, readonly Naming[]>> = {
  Account: ['account'], User: ['account', 'user'], AssumedRole: ['account', 'role', 'session'], Service: ['service'],
  WebIdentity: ['provider'],
}

/** Everybody but those that are listed. An Allow leaves out whoever is named in any way, a Deny only whoever is named in every way. */
function notNamed(names: readonly Name[], caller: Caller, effect: 'Allow' | 'Deny'): Naming | undefined {
  const namings = names.filter(name => fits[name.naming](caller, name)).map(({ naming }) => naming)
  if (namings.includes('anyone')) return undefined
  const spared = effect === 'Allow' ? namings.length > 0 : namesOf[caller.type].every(name => namings.includes(name))
  return spared ? undefined : 'anyone'
}

const anyone: Name = { naming: 'anyone', name: '*', uniqueId: undefined }

/** undefined for what never names anybody here: canonical users, and federated users, of whom no credentials are ever issued. */
function compileName({ type, name }: PrincipalName, bindings: Bindings): Name | undefined {
  if (type === 'Service') return { naming: 'service', name, uniqueId: undefined }
  if (type === 'Federated') return { naming: 'provider', name, uniqueId: undefined }
  if (type === 'CanonicalUser') return undefined
  if (name === '*') return anyone
  const ref = parsePrincipal(name)
  if (ref === undefined || ref.kind === 'federated') return undefined
  if (ref.kind === 'account') return { naming: 'account', name: ref.accountId, uniqueId: undefined }
  return { naming: ref.kind, name, uniqueId: Object.hasOwn(bindings, name) ? bindings[name] : undefined }
}

/** Without an id, from before ids were kept, the ARN decides. */
const isBound = ({ uniqueId }: Name, caller: Caller) => uniqueId === undefined || caller.uniqueId === uniqueId

/** Whether the caller is who is named. */
const fits: Readonly<Record<Naming, (caller: Caller, of: Name) => boolean>> = {
  session: (caller, of) => caller.type === 'AssumedRole' && caller.arn === of.name && isBound(of, caller),
  user: (caller, of) => caller.type === 'User' && caller.arn === of.name && isBound(of, caller),
  role: (caller, of) => caller.type === 'AssumedRole' && caller.principalArn === of.name && isBound(of, caller),
  service: (caller, { name }) => caller.type === 'Service' && caller.uniqueId === name,
  provider: (caller, { name }) => caller.type === 'WebIdentity' && caller.session?.provider === name,
  anyone: () => true,
  account: (caller, { name }) => caller.accountId === name,
}
