import pkcs11, { type Handle } from 'pkcs11js'
import { HsmError, type ObjectListing } from '../../../ports/hsm.js'
import { template, type AttributeValues } from './attributes.js'
import { readAttribute, type ObjectPlan } from './evidence.js'

/** More objects than this in one token is a fault, not something to wait for. */
export const objectsMax = 100_000
const searchBatch = 256

const listingClass = new Map<unknown, ObjectListing['objectClass']>([
  [pkcs11.CKO_SECRET_KEY, 'secret'], [pkcs11.CKO_PRIVATE_KEY, 'private'], [pkcs11.CKO_PUBLIC_KEY, 'public'],
])

/** Handles of every object that has these attributes. Not for the request path: tokens search through all they hold. */
export function search(lib: pkcs11.PKCS11, session: Handle, attributes: AttributeValues, limit = objectsMax): readonly Handle[] {
  const found: Handle[] = []
  lib.C_FindObjectsInit(session, template(attributes))
  try {
    while (found.length < limit) {
      const batch = lib.C_FindObjects(session, Math.min(searchBatch, limit - found.length))
      if (batch.length === 0) break
      found.push(...batch)
    }
  } finally {
    lib.C_FindObjectsFinal(session)
  }
  return found
}

/** The handle of one planned object; undefined if it is not there. Two of that name are an error, never "the first one". */
export function findObject(lib: pkcs11.PKCS11, session: Handle, plan: ObjectPlan): Handle | undefined {
  const [first, second] = search(lib, session, { class: plan.expected.class ?? 0, label: plan.label }, 2)
  if (second) throw new HsmError('missing', `the name ${plan.label} is not unique in the token`)
  return first
}

/**
 * Makes the objects of new material; answers their handles in the order of the plans. `undo` is given those that were made before one could
 * not be. The outcome of the call that fails is not known.
 */
export function generate(
  lib: pkcs11.PKCS11, session: Handle, plans: readonly ObjectPlan[], undo: (made: readonly Handle[]) => void = () => undefined,
): readonly Handle[] {
  const [secret, open] = [plans.find(plan => plan.role === 'private'), plans.find(plan => plan.role === 'public')]
  if (secret && open) {
    const mechanism = { mechanism: secret.generate }
    const pair = lib.C_GenerateKeyPair(session, mechanism, template(open.wanted), template(secret.wanted))
    return plans.map(({ role }) => role === 'public' ? pair.publicKey : pair.privateKey)
  }
  const made: Handle[] = []
  try {
    for (const plan of plans) made.push(lib.C_GenerateKey(session, { mechanism: plan.generate }, template(plan.wanted)))
  } catch (error) {
    if (made.length > 0) undo(made)
    throw error
  }
  return made
}

export function listObjects(lib: pkcs11.PKCS11, session: Handle): readonly ObjectListing[] {
  return search(lib, session, {}).map(object => {
    const label = readAttribute(lib, session, object, 'label')
    const objectClass = listingClass.get(readAttribute(lib, session, object, 'class')) ?? 'other'
    return { label: typeof label === 'string' ? label : '', objectClass }
  })
}
