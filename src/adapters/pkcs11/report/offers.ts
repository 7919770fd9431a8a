import pkcs11 from 'pkcs11js'
import { keySpecs } from '../../../domain/key-spec.js'
import type { MaterialKind } from '../../../domain/material.js'
import { kindsOf, type MechanismSource } from '../driver/kinds.js'
import { suiteOf, type Profile } from '../profiles/profile.js'

/** What a token's mechanism list lets this service do. */
export interface Offers {
  readonly suites: { readonly gcm: boolean, readonly 'cbc-hmac': boolean }
  /** Seal, MAC and audit roots: without all three the service does not start. */
  readonly roots: boolean
  /** KMS operations that reach the HSM, and whether their keys could live here. */
  readonly operations: Readonly<Record<string, boolean>>
  /** By spec and usage, `RSA_2048 SIGN_VERIFY`. */
  readonly keySpecs: Readonly<Record<string, SpecOffer>>
}

export interface SpecOffer {
  readonly offered: boolean
  /** What a token must have for it, by the names of PKCS#11. */
  readonly needs: readonly string[]
}

const symmetric = [
  'Encrypt', 'Decrypt', 'ReEncrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext', 'RotateKeyOnDemand',
]
const others: Readonly<Record<string, (kind: MaterialKind) => boolean>> = {
  Sign: signs, Verify: signs,
  GetPublicKey: kind => !/^(?:gcm|cbc-hmac|hmac-)/.test(kind),
  GenerateMac: kind => kind.startsWith('hmac-'), VerifyMac: kind => kind.startsWith('hmac-'),
  DeriveSharedSecret: kind => kind.startsWith('ecdh-'),
  Encapsulate: kind => kind.startsWith('ml-kem-'), Decapsulate: kind => kind.startsWith('ml-kem-'),
  ImportKeyMaterial: kind => kind.endsWith('-wrapping'),
}

function signs(kind: MaterialKind): boolean {
  return kind.endsWith('-sign') || kind.startsWith('ecdsa-') || kind === 'ed25519' || kind.startsWith('ml-dsa-')
}

/** From the mechanism list, as the driver reads it. */
export function offersOf(source: MechanismSource, profile: Profile, hasGenerator: boolean): Offers {
  const kinds = new Set(kindsOf(source, withOaep(profile, source)))
  const has = (kind: MaterialKind): boolean => kinds.has(kind)
  const suites = { 'gcm': hasGenerator && has('gcm'), 'cbc-hmac': hasGenerator && has('cbc-hmac') }
  const seals = suites.gcm || suites['cbc-hmac']
  const newKeysSeal = seals && (profile.probeAtStart === 'everything' || suites[suiteOf(profile)])
  return {
    suites,
    roots: seals && has('hmac-sha-256') && has('ecdsa-p256'),
    operations: Object.fromEntries([
      ...symmetric.map(name => [name, seals] as const), ['GenerateRandom', hasGenerator],
      ...Object.entries(others).map(([name, fits]) => [name, [...kinds].some(fits)] as const),
    ]),
    keySpecs: Object.fromEntries([...keySpecs.values()].flatMap(({ spec, usages }): readonly (readonly [string, SpecOffer])[] => {
      if (usages.length === 0) return [[spec, { offered: false, needs: [] }]]
      return usages.map(({ usage, material, mechanisms }) => {
        return [`${spec} ${usage}`, { offered: material === undefined ? newKeysSeal : has(material), needs: mechanisms }]
      })
    })),
  }
}

/** What the generic profile leaves open is found out with keys; here the list must do. */
function withOaep(profile: Profile, { mechanisms }: MechanismSource): Profile {
  if (profile.probeAtStart !== 'everything') return profile
  const oaep = mechanisms.includes(pkcs11.CKM_RSA_PKCS_OAEP) ? 'native' : mechanisms.includes(pkcs11.CKM_RSA_X_509) ? 'raw' : 'none'
  return { ...profile, oaep }
}

// PKCS#11 3.0 and later; the binding knows the names of 2.40.
const newer: readonly (readonly [number, string])[] = [
  [0x1055, 'CKM_EC_EDWARDS_KEY_PAIR_GEN'], [0x1056, 'CKM_EC_MONTGOMERY_KEY_PAIR_GEN'], [0x1057, 'CKM_EDDSA'],
  [0xf, 'CKM_ML_KEM_KEY_PAIR_GEN'], [0x17, 'CKM_ML_KEM'], [0x1c, 'CKM_ML_DSA_KEY_PAIR_GEN'], [0x1d, 'CKM_ML_DSA'],
  [0x210b, 'CKM_AES_KEY_WRAP_KWP'], [0x402a, 'CKM_HKDF_DERIVE'], [0x3ac, 'CKM_SP800_108_COUNTER_KDF'],
]
const names = new Map<number, string>([
  ...Object.entries(pkcs11).filter(([name]) => name.startsWith('CKM_')).map(([name, type]) => [Number(type), name] as const),
  ...newer,
])

/** undefined for vendors' own. */
export function mechanismName(type: number): string | undefined {
  return names.get(type)
}
