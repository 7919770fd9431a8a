import type { MaterialKind } from '../../../../domain/material.js'
import { HsmError } from '../../../../ports/hsm.js'

/** What imported material of a kind must be. */
export type ImportFacts =
  | { readonly form: 'secret', readonly bytes: { readonly min: number, readonly max: number } }
  | { readonly form: 'rsa', readonly bits: number }
  /** `curve`: the OBJECT IDENTIFIER of the named curve. `bytes`: of its private keys. */
  | { readonly form: 'ec', readonly curve: string, readonly bytes: number }
  | { readonly form: 'ed25519' }

const secret = (min: number, max: number): ImportFacts => ({ form: 'secret', bytes: { min, max } })
const hmacBytesMax = 128
const p256 = { form: 'ec', curve: '1.2.840.10045.3.1.7', bytes: 32 } as const
const p384 = { form: 'ec', curve: '1.3.132.0.34', bytes: 48 } as const
const p521 = { form: 'ec', curve: '1.3.132.0.35', bytes: 66 } as const

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
  ['ecdsa-p256', p256],
  ['ecdsa-p384', p384],
  ['ecdsa-p521', p521],
  ['ecdsa-secp256k1', { form: 'ec', curve: '1.3.132.0.10', bytes: 32 }],
  ['ecdh-p256', p256],
  ['ecdh-p384', p384],
  ['ecdh-p521', p521],
  ['ed25519', { form: 'ed25519' }],
])

/** Throws kind `unsupported` for what cannot be imported: `cbc-hmac` needs two keys, and the KMS API imports one. */
export function importFacts(kind: MaterialKind): ImportFacts {
  const row = facts.get(kind)
  if (!row) throw new HsmError('unsupported', `material of kind ${kind} cannot be imported`)
  return row
}

/** Every defect of imported material; never says which, beyond what the client knows of its own key. */
export function wrongMaterial(message: string): HsmError {
  return new HsmError('material', message)
}
