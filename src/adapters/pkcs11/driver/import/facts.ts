import type { MaterialKind } from '../../../../domain/material.js'
import { curves, type CurveName, type CurveRow } from '../../../../domain/object-ids.js'
import { HsmError } from '../../../../ports/hsm.js'

/** What imported material of a kind must be. */
export type ImportFacts =
  | { readonly form: 'secret', readonly bytes: { readonly min: number, readonly max: number } }
  | { readonly form: 'rsa', readonly bits: number }
  | { readonly form: 'ec', readonly curve: CurveRow }
  | { readonly form: 'ed25519' }

const secret = (min: number, max: number): ImportFacts => ({ form: 'secret', bytes: { min, max } })
const hmacBytesMax = 128
const exponentBytesMax = 8
const ec = (name: CurveName): ImportFacts => ({ form: 'ec', curve: curves[name] })

// KMS developer guide, Requirements for imported key material.
const facts = new Map<MaterialKind, ImportFacts>([
  ['gcm', secret(32, 32)],
  ['hmac-sha-224', secret(28, hmacBytesMax)],
  ['hmac-sha-256', secret(32, hmacBytesMax)],
  ['hmac-sha-384', secret(48, hmacBytesMax)],
  ['hmac-sha-512', secret(64, hmacBytesMax)],
  ...([2048, 3072, 4096] as const).flatMap(bits => [
    [`rsa-${bits}-encrypt`, { form: 'rsa', bits }] as const,
    [`rsa-${bits}-sign`, { form: 'rsa', bits }] as const,
  ]),
  ['ecdsa-p256', ec('p256')],
  ['ecdsa-p384', ec('p384')],
  ['ecdsa-p521', ec('p521')],
  ['ecdsa-secp256k1', ec('secp256k1')],
  ['ecdh-p256', ec('p256')],
  ['ecdh-p384', ec('p384')],
  ['ecdh-p521', ec('p521')],
  ['ed25519', { form: 'ed25519' }],
])

/** Throws kind `unsupported` for what cannot be imported: `cbc-hmac` needs two keys, and the KMS API imports one. */
export function importFacts(kind: MaterialKind): ImportFacts {
  const row = facts.get(kind)
  if (!row) throw new HsmError('unsupported', `material of kind ${kind} cannot be imported`)
  return row
}

/**
 * Whether whoever verifies can: OpenSSL takes no longer exponent with a long modulus, and none of one bit or an even one is of any use.
 */
export function isPublicExponent(exponent: Uint8Array): boolean {
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1
  // Some tokens put zeros in front.
  const bytes = exponent.subarray(Math.max(exponent.findIndex(byte => byte !== 0), 0))
  return isOdd && bytes.length <= exponentBytesMax && !(bytes.length === 1 && bytes[0] === 1)
}

/** Every defect of imported material; never says which, beyond what the client knows of its own key. */
export function wrongMaterial(message: string): HsmError {
  return new HsmError('material', message)
}
