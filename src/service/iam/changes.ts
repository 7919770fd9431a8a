import type { EntityOf, Group, IdentityEntity, Role, User } from '../../domain/identity.js'
import type { Call } from '../operation.js'
import type { Services } from '../services.js'
import { checkLockout } from './lockout.js'
import { accountIdOf, checkPermitted, storedEntity, type OfAccount, type Subject } from './subjects.js'
import { inTurn } from './turns.js'

type Changing = Pick<Call<OfAccount>, 'caller' | 'access' | 'scope' | 'input' | 'permitted'>

/** Reads, in turn, what the caller was allowed to change, and writes what `decide` makes of it; undefined: there is nothing to do. */
export async function change<K extends Subject['kind']>(
  call: Changing, subject: { readonly kind: K, readonly name: string }, services: Services,
  decide: (stored: EntityOf<K>) => EntityOf<K> | undefined | Promise<EntityOf<K> | undefined>,
): Promise<EntityOf<K>> {
  const accountId = accountIdOf(call.input, call.scope)
  return inTurn(accountId, services, async () => {
    const stored = checkPermitted(await storedEntity(services, accountId, subject.kind, subject.name), call)
    const changed = await decide(stored)
    if (!changed) return stored
    if (isPrincipal(stored) && isPrincipal(changed)) await checkLockout(call, stored, changed, services)
    return services.store.identities.update(changed)
  })
}

function isPrincipal(entity: IdentityEntity): entity is User | Role {
  return entity.kind === 'user' || entity.kind === 'role'
}

/** Who has policies of its own. */
export type Holder = User | Group | Role

/** Whoever has what is to be given away or taken is left as it was: the call can be made again. */
export function without<T>(items: readonly T[], gone: T): readonly T[] {
  return items.filter(item => item !== gone)
}
