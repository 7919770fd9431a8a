import type { Key } from '../../domain/key.js'
import { isJsonObject } from '../../domain/policy/json.js'
import type { Bindings } from '../../domain/policy/principals.js'
import type { IdentityDirectory } from '../identities/directory.js'

/** The policy of a key; see `shownDocument`. */
export function shownPolicy({ policy, policyBindings = {} }: Key, identities: IdentityDirectory): Promise<string> {
  return shownDocument(policy, policyBindings, identities)
}

/**
 * The policy as it was set, but with the unique id in place of a principal that is gone, or that was made anew under its old name (KMS
 * developer guide, Key policies): what it says of the name would not be true of who bears it now.
 */
export async function shownDocument(text: string, bindings: Bindings, identities: IdentityDirectory): Promise<string> {
  const gone = new Map<string, string>()
  for (const [arn, id] of Object.entries(bindings)) if ((await identities.uniqueId(arn)).id !== id) gone.set(arn, id)
  if (gone.size === 0) return text
  return JSON.stringify(replaced(JSON.parse(text), gone), null, 2)
}

/** In the principals only. */
function replaced(value: unknown, gone: ReadonlyMap<string, string>, inPrincipal = false): unknown {
  if (typeof value === 'string') return inPrincipal ? gone.get(value) ?? value : value
  if (Array.isArray(value)) return value.map(item => replaced(item, gone, inPrincipal))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) =>
    [name, replaced(member, gone, inPrincipal || /^(?:not)?principal$/i.test(name))]))
}
