import pkcs11, { type Handle } from 'pkcs11js'
import type { Material } from '../../../domain/material.js'
import { HsmError, type ObjectListing } from '../../../ports/hsm.js'
import { template, type AttributeValues } from './attributes.js'
import { readAttribute, type ObjectPlan } from './evidence.js'
import { kindRow } from './mechanisms.js'

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
export function findObject(lib: pkcs11.PKCS11, session: Handle, material: Material, plan: ObjectPlan): Handle | undefined {
  const [first, second] = search(lib, session, { class: plan.wanted.class ?? 0, label: material.name }, 2)
  if (second) throw new HsmError('missing', `the name ${material.name} is not unique in the token`)
  return first
}

/** Makes the objects of new material, in the order of the plans. The outcome of a call that fails is not known. */
export function generate(lib: pkcs11.PKCS11, session: Handle, material: Material, plans: readonly ObjectPlan[]): readonly Handle[] {
  const mechanism = { mechanism: kindRow(material.kind).generate }
  const of = (role: ObjectPlan['role']): AttributeValues => plans.find(plan => plan.role === role)?.wanted ?? {}
  if (plans.length === 1) return [lib.C_GenerateKey(session, mechanism, template(plans[0]?.wanted ?? {}))]
  const pair = lib.C_GenerateKeyPair(session, mechanism, template(of('public')), template(of('private')))
  return plans.map(({ role }) => role === 'public' ? pair.publicKey : pair.privateKey)
}

export function listObjects(lib: pkcs11.PKCS11, session: Handle): readonly ObjectListing[] {
  return search(lib, session, {}).map(object => {
    const label = readAttribute(lib, session, object, 'label')
    const objectClass = listingClass.get(readAttribute(lib, session, object, 'class')) ?? 'other'
    return { label: typeof label === 'string' ? label : '', objectClass }
  })
}
