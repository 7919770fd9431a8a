import pkcs11, { type Handle } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { attributeNames, attributeType, decodeAttribute, shown, ulongs, type AttributeName, type AttributeValues } from './attributes.js'
import { returnValueOf } from './errors.js'
import { kindRow, type ObjectRow } from './mechanisms.js'
import { newer } from './numbers.js'
import type { ObjectRole, Profile } from '../profiles/profile.js'

/** One object that material consists of: what we ask the token for, and what it must say of itself afterwards. */
export interface ObjectPlan {
  readonly role: ObjectRole
  readonly label: string
  /** The mechanism that makes it. */
  readonly generate: number
  readonly wanted: AttributeValues
  readonly expected: AttributeValues
}

export function objectPlans(material: Material, profile: Profile): readonly ObjectPlan[] {
  return kindRow(material.kind, profile).objects.map(row => objectPlan(row, material, profile))
}

function objectPlan(row: ObjectRow, material: Material, profile: Profile): ObjectPlan {
  const { role, generate, use } = row
  const { omit, reads } = profile.template[role]
  const set = setFor(row, profile.template[role].set)
  const label = labelOf(material, role)
  const id = idOf(material, role)
  const right: AttributeValues = {
    ...row.attributes,
    ...set,
    ...(profile.allowedMechanisms && role !== 'public' ? { allowed_mechanisms: ulongs(...use) } : {}),
    // A longer id or label may cost the token a second object.
    ...(id.length > 0 && id.length <= profile.idBytesMax ? { id } : {}),
    label,
  }
  // What the material is for is said on every token: the profile speaks of what its usual keys are not for.
  const said = (name: AttributeName): boolean => !omit.includes(name) || (usages.includes(name) && right[name] === true)
  const wanted = Object.fromEntries(Object.entries(right).filter(([name]) => said(name as AttributeName)))
  // LOCAL and KEY_GEN_MECHANISM: made in the token. ALWAYS_ and NEVER_: it was so from the beginning (PKCS#11 2.40, section 4.7).
  const made: AttributeValues = material.imported ? { local: false } : { local: true, key_gen_mechanism: generate }
  const secret: AttributeValues = role === 'public' || material.imported ? {} : { always_sensitive: true, never_extractable: true }
  const expected = { ...right, ...made, ...secret, ...reads }
  return { role, label, generate, wanted, expected: material.imported ? withoutOwn(expected, role) : expected }
}

const usages: readonly AttributeName[] = [
  'encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive', 'encapsulate', 'decapsulate',
]

/** Some tokens have a key type for HMAC with each hash; their profiles name that of SHA-256. */
function setFor({ ownKeyType }: ObjectRow, set: AttributeValues): AttributeValues {
  return ownKeyType !== undefined && set.key_type === pkcs11.CKK_SHA256_HMAC ? { ...set, key_type: ownKeyType } : set
}

/** What somebody else has chosen within bounds that were held when it came in. */
function withoutOwn(expected: AttributeValues, role: ObjectRole): AttributeValues {
  const { value_len, public_exponent: _exponent, ...rest } = expected
  return role === 'mac' || value_len === undefined ? rest : { ...rest, value_len }
}

function labelOf(material: Material, role: ObjectRole): string {
  if (material.kind !== 'cbc-hmac' || role !== 'mac') return material.name
  if (material.macName === undefined) throw new HsmError('configuration', `material ${material.name} has no name for its second object`)
  return material.macName
}

/** NSS softoken knows a secret key by its id: the second one with the same would take the place of the first. */
function idOf({ kind, id }: Material, role: ObjectRole): Uint8Array {
  return kind === 'cbc-hmac' && role === 'mac' && id.length > 0 ? Buffer.concat([id, Buffer.from('m')]) : id
}

/** Reads an object back and judges it. Throws kind `evidence` if it is not what it should be. */
export function readEvidence(
  lib: pkcs11.PKCS11, session: Handle, object: Handle, plan: ObjectPlan, profile: Profile,
): Evidence {
  const attributes: Record<string, boolean | number | string> = {}
  for (const name of evidenceNames(plan)) {
    const value = readAttribute(lib, session, object, name)
    if (value !== undefined) attributes[name] = value
  }
  const fault = firstFault(plan.expected, attributes, profile.unreadable) ?? modulusFault(plan.expected, attributes)
  if (fault) throw new HsmError('evidence', `object ${plan.label} (${plan.role}) is not what it should be: ${fault}`)
  return { object: plan.label, readAt: Date.now(), attributes }
}

/**
 * What C_GetAttributeValue answers when there is no value to see. The last one is not in the standard's list for this function: SoftHSM
 * says it of an object without a class, as a crash may leave one.
 */
const noValue = new Set<unknown>([pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_SENSITIVE, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID])

/** One attribute; undefined when the token does not know it or will not say. One at a time: a missing one fails the whole call. */
export function readAttribute(
  lib: pkcs11.PKCS11, session: Handle, object: Handle, name: AttributeName,
): boolean | number | string | undefined {
  for (let again = true; ; again = false) {
    try {
      const [read] = lib.C_GetAttributeValue(session, object, [{ type: attributeType(name) }])
      return read?.value === undefined ? undefined : decodeAttribute(name, read.value)
    } catch (error) {
      const code = returnValueOf(error)
      if (noValue.has(code)) return undefined
      // The question leaves nothing behind, and is one of many: a device that failed once does not make us begin again.
      if (!again || code === pkcs11.CKR_OBJECT_HANDLE_INVALID) throw error
    }
  }
}

/** The first expectation that does not hold, in words; an unreadable attribute fails unless the vendor is known not to have it. */
export function firstFault(
  expected: AttributeValues, attributes: Readonly<Record<string, boolean | number | string>>, unreadable: readonly AttributeName[],
): string | undefined {
  for (const name of attributeNames(expected)) {
    const value = attributes[name]
    if (value === undefined && unreadable.includes(name)) continue
    if (value === undefined) return `${name} cannot be read`
    if (value !== shown(expected[name] as NonNullable<AttributeValues[AttributeName]>)) return `${name} is ${value}`
  }
  return undefined
}

/** A length that some tokens do not say in bits all of them show. */
function modulusFault({ modulus_bits }: AttributeValues, { modulus }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof modulus_bits !== 'number' || (typeof modulus === 'string' && modulus.length === modulus_bits / 4)) return undefined
  return `modulus is not one of ${modulus_bits} bits`
}

function evidenceNames(plan: ObjectPlan): readonly AttributeName[] {
  const names = attributeNames(plan.expected)
  return plan.role === 'public' ? [...names, publicPart(plan.expected)] : names
}

/** Where a public object has the key itself. */
export function publicPart({ key_type }: AttributeValues): 'modulus' | 'value' | 'ec_point' {
  if (key_type === pkcs11.CKK_RSA) return 'modulus'
  return key_type === newer.CKK_ML_DSA || key_type === newer.CKK_ML_KEM ? 'value' : 'ec_point'
}
