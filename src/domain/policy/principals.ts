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

type Namer = (caller: Caller) => Naming | undefined

/** How the principals of a statement name a caller; undefined where they do not. */
export type PrincipalTest = (caller: Caller, effect: 'Allow' | 'Deny') => Naming | undefined

export function compilePrincipals({ not, names }: Principals, bindings: Bindings): PrincipalTest {
  const namers = names.map(name => namerOf(name, bindings))
  return not ? notNamed(namers) : (caller, effect) => strongest(namers, caller, effect)
}

const order: readonly Naming[] = ['session', 'user', 'service', 'provider', 'role', 'anyone', 'account']

/** In a Deny the account is everybody in it; in an Allow whoever is named more closely needs nothing of the account. */
function strongest(namers: readonly Namer[], caller: Caller, effect: 'Allow' | 'Deny'): Naming | undefined {
  let found: Naming | undefined
  for (const namer of namers) {
    const naming = namer(caller)
    if (naming === undefined) continue
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
function notNamed(namers: readonly Namer[]): PrincipalTest {
  return (caller, effect) => {
    const namings = namers.map(namer => namer(caller)).filter(naming => naming !== undefined)
    if (namings.includes('anyone')) return undefined
    const spared = effect === 'Allow' ? namings.length > 0 : namesOf[caller.type].every(name => namings.includes(name))
    return spared ? undefined : 'anyone'
  }
}

function namerOf({ type, name }: PrincipalName, bindings: Bindings): Namer {
  if (type === 'Service') return caller => caller.type === 'Service' && caller.uniqueId === name ? 'service' : undefined
  if (type === 'Federated') return caller => caller.type === 'WebIdentity' && caller.session?.provider === name ? 'provider' : undefined
  if (type === 'CanonicalUser') return () => undefined
  return name === '*' ? () => 'anyone' : awsNamer(name, Object.hasOwn(bindings, name) ? bindings[name] : undefined)
}

/** Without an id, from before ids were kept, the ARN decides. */
function awsNamer(name: string, uniqueId: string | undefined): Namer {
  const ref = parsePrincipal(name)
  const isBound = (caller: Caller) => uniqueId === undefined || caller.uniqueId === uniqueId
  switch (ref?.kind) {
    case 'account': return caller => caller.accountId === ref.accountId ? 'account' : undefined
    case 'user': return caller => caller.type === 'User' && caller.arn === name && isBound(caller) ? 'user' : undefined
    case 'role': return caller => caller.type === 'AssumedRole' && caller.principalArn === name && isBound(caller) ? 'role' : undefined
    case 'session': return caller => caller.type === 'AssumedRole' && caller.arn === name && isBound(caller) ? 'session' : undefined
    // No credentials of federated users are ever issued here.
    case 'federated': case undefined: return () => undefined
  }
}
