import pkcs11 from 'pkcs11js'
import type { MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { AttributeValues } from './attributes.js'
import type { ObjectRole, Profile } from '../profiles/profile.js'

/** Everything the driver needs to know of one kind of material, in one place. */
export interface KindRow {
  /** Making it takes long enough to be felt by others: never in the server's own process. */
  readonly slow: boolean
  readonly objects: readonly ObjectRow[]
}

export interface ObjectRow {
  readonly role: ObjectRole
  readonly attributes: AttributeValues
  /** Both halves of a pair have the same one, and are made by one call. */
  readonly generate: number
  readonly use: number
}

/** The named curve P-256 (OID 1.2.840.10045.3.1.7) as CKA_EC_PARAMS, DER. */
export const p256Parameters = Buffer.from('06082a8648ce3d030107', 'hex')

// Every usage is said, also the ones we refuse: defaults differ from vendor to vendor.
const secretKey: AttributeValues = {
  class: pkcs11.CKO_SECRET_KEY, value_len: 32, token: true, private: true, sensitive: true, extractable: false,
  encrypt: false, decrypt: false, sign: false, verify: false, wrap: false, unwrap: false, derive: false,
}
const privateKey: AttributeValues = {
  class: pkcs11.CKO_PRIVATE_KEY, token: true, private: true, sensitive: true, extractable: false,
  decrypt: false, sign: false, sign_recover: false, unwrap: false, derive: false,
}
// A public object that needs no login could be exchanged without one.
const publicKey: AttributeValues = {
  class: pkcs11.CKO_PUBLIC_KEY, token: true, private: true,
  encrypt: false, verify: false, verify_recover: false, wrap: false, derive: false,
}

const aesKey: AttributeValues = { ...secretKey, key_type: pkcs11.CKK_AES, encrypt: true, decrypt: true }
const hmacKey: AttributeValues = { ...secretKey, key_type: pkcs11.CKK_GENERIC_SECRET, sign: true, verify: true }
const hmacObject: ObjectRow = {
  role: 'mac', attributes: hmacKey, generate: pkcs11.CKM_GENERIC_SECRET_KEY_GEN, use: pkcs11.CKM_SHA256_HMAC,
}

const kinds = new Map<MaterialKind, KindRow>([
  ['gcm', {
    slow: false,
    objects: [{ role: 'secret', attributes: aesKey, generate: pkcs11.CKM_AES_KEY_GEN, use: pkcs11.CKM_AES_GCM }],
  }],
  ['cbc-hmac', {
    slow: false,
    objects: [{ role: 'secret', attributes: aesKey, generate: pkcs11.CKM_AES_KEY_GEN, use: pkcs11.CKM_AES_CBC }, hmacObject],
  }],
  ['hmac-sha-256', { slow: false, objects: [hmacObject] }],
  ['ecdsa-p256', {
    slow: true,
    objects: [
      {
        role: 'private', attributes: { ...privateKey, key_type: pkcs11.CKK_EC, sign: true },
        generate: pkcs11.CKM_EC_KEY_PAIR_GEN, use: pkcs11.CKM_ECDSA,
      },
      {
        role: 'public', attributes: { ...publicKey, key_type: pkcs11.CKK_EC, ec_params: p256Parameters, verify: true },
        generate: pkcs11.CKM_EC_KEY_PAIR_GEN, use: pkcs11.CKM_ECDSA,
      },
    ],
  }],
])

/** Throws kind `configuration` for a kind that this driver does not make. */
export function kindRow(kind: MaterialKind): KindRow {
  const row = kinds.get(kind)
  if (!row) throw new HsmError('configuration', `material of kind ${kind} is not supported`)
  return row
}

/** The one mechanism that an object is used with on this token: vendors have their own AES-GCM. */
export function useOf({ use }: ObjectRow, { seal }: Pick<Profile, 'seal'>): number {
  return use === pkcs11.CKM_AES_GCM ? seal.gcmMechanism : use
}

/** What a token must offer for material of this kind. */
export function mechanismsOf(kind: MaterialKind, profile: Pick<Profile, 'seal'>): readonly number[] {
  return Array.from(new Set(kindRow(kind).objects.flatMap(row => [row.generate, useOf(row, profile)])))
}
