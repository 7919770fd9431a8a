import type { MaterialKind } from './material.js'

export type KeySpec =
  | 'SYMMETRIC_DEFAULT' | 'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'ECC_NIST_P256' | 'ECC_NIST_P384' | 'ECC_NIST_P521' | 'ECC_SECG_P256K1'
  | 'ECC_NIST_EDWARDS25519' | 'HMAC_224' | 'HMAC_256' | 'HMAC_384' | 'HMAC_512' | 'ML_DSA_44' | 'ML_DSA_65' | 'ML_DSA_87'
  | 'ML_KEM_512' | 'ML_KEM_768' | 'ML_KEM_1024' | 'SM2'

export type KeyUsage = 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC' | 'KEY_AGREEMENT' | 'ENCAPSULATE_DECAPSULATE'

export type OaepAlgorithm = 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256'
export type EncryptionAlgorithm = 'SYMMETRIC_DEFAULT' | OaepAlgorithm
export type SigningAlgorithm =
  | 'RSASSA_PKCS1_V1_5_SHA_256' | 'RSASSA_PKCS1_V1_5_SHA_384' | 'RSASSA_PKCS1_V1_5_SHA_512'
  | 'RSASSA_PSS_SHA_256' | 'RSASSA_PSS_SHA_384' | 'RSASSA_PSS_SHA_512'
  | 'ECDSA_SHA_256' | 'ECDSA_SHA_384' | 'ECDSA_SHA_512' | 'ED25519_SHA_512' | 'ED25519_PH_SHA_512' | 'ML_DSA_SHAKE_256'
export type MacAlgorithm = 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
export type Algorithm = EncryptionAlgorithm | SigningAlgorithm | MacAlgorithm | 'ECDH' | 'ML_KEM'

/** What one KeyUsage of a spec means. */
export interface UsageRow {
  readonly usage: KeyUsage
  /** In the order in which KeyMetadata lists them: sorted. */
  readonly algorithms: readonly Algorithm[]
  /** What its backing key is; undefined for SYMMETRIC_DEFAULT, where the key store chooses the suite. */
  readonly material: MaterialKind | undefined
  /** What a token must have for it, by the names of PKCS#11. Empty: no standard mechanism exists. */
  readonly mechanisms: readonly string[]
}

export interface KeySpecRow {
  readonly spec: KeySpec
  readonly type: 'symmetric' | 'hmac' | 'asymmetric'
  /** The first is the default, where there is one. */
  readonly usages: readonly UsageRow[]
  readonly importable: boolean
  readonly multiRegion: boolean
}

const asymmetric = { type: 'asymmetric', importable: true, multiRegion: true } as const
const oaep = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const
const rsaSigning = [
  'RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512',
] as const
const ecKeyPair = 'CKM_EC_KEY_PAIR_GEN'

function rsa(bits: 2048 | 3072 | 4096): KeySpecRow {
  const generate = 'CKM_RSA_PKCS_KEY_PAIR_GEN'
  return {
    spec: `RSA_${bits}`, ...asymmetric,
    usages: [
      {
        usage: 'ENCRYPT_DECRYPT', algorithms: oaep, material: `rsa-${bits}-encrypt`,
        mechanisms: [generate, 'CKM_RSA_PKCS_OAEP or CKM_RSA_X_509'],
      },
      {
        usage: 'SIGN_VERIFY', algorithms: rsaSigning, material: `rsa-${bits}-sign`,
        mechanisms: [generate, 'CKM_RSA_PKCS', 'CKM_RSA_PKCS_PSS'],
      },
    ],
  }
}

function ecdsa(algorithm: SigningAlgorithm, material: MaterialKind): UsageRow {
  return { usage: 'SIGN_VERIFY', algorithms: [algorithm], material, mechanisms: [ecKeyPair, 'CKM_ECDSA'] }
}

function ecdh(material: MaterialKind): UsageRow {
  return { usage: 'KEY_AGREEMENT', algorithms: ['ECDH'], material, mechanisms: [ecKeyPair, 'CKM_ECDH1_DERIVE'] }
}

function hmac(bits: 224 | 256 | 384 | 512): KeySpecRow {
  return {
    spec: `HMAC_${bits}`, type: 'hmac', importable: true, multiRegion: true,
    usages: [{
      usage: 'GENERATE_VERIFY_MAC', algorithms: [`HMAC_SHA_${bits}`], material: `hmac-sha-${bits}`,
      mechanisms: ['CKM_GENERIC_SECRET_KEY_GEN', `CKM_SHA${bits}_HMAC`],
    }],
  }
}

function mlDsa(set: 44 | 65 | 87): KeySpecRow {
  return {
    spec: `ML_DSA_${set}`, type: 'asymmetric', importable: false, multiRegion: true,
    usages: [{
      usage: 'SIGN_VERIFY', algorithms: ['ML_DSA_SHAKE_256'], material: `ml-dsa-${set}`,
      mechanisms: ['CKM_ML_DSA_KEY_PAIR_GEN', 'CKM_ML_DSA'],
    }],
  }
}

function mlKem(set: 512 | 768 | 1024): KeySpecRow {
  return {
    spec: `ML_KEM_${set}`, type: 'asymmetric', importable: false, multiRegion: true,
    usages: [{
      usage: 'ENCAPSULATE_DECAPSULATE', algorithms: ['ML_KEM'], material: `ml-kem-${set}`,
      mechanisms: ['CKM_ML_KEM_KEY_PAIR_GEN', 'CKM_ML_KEM'],
    }],
  }
}

const rows: readonly KeySpecRow[] = [
  {
    spec: 'SYMMETRIC_DEFAULT', type: 'symmetric', importable: true, multiRegion: true,
    usages: [{
      usage: 'ENCRYPT_DECRYPT', algorithms: ['SYMMETRIC_DEFAULT'], material: undefined,
      mechanisms: ['CKM_AES_KEY_GEN', 'CKM_AES_GCM or CKM_AES_CBC with CKM_SHA256_HMAC'],
    }],
  },
  hmac(224), hmac(256), hmac(384), hmac(512),
  rsa(2048), rsa(3072), rsa(4096),
  { spec: 'ECC_NIST_P256', ...asymmetric, usages: [ecdsa('ECDSA_SHA_256', 'ecdsa-p256'), ecdh('ecdh-p256')] },
  { spec: 'ECC_NIST_P384', ...asymmetric, usages: [ecdsa('ECDSA_SHA_384', 'ecdsa-p384'), ecdh('ecdh-p384')] },
  { spec: 'ECC_NIST_P521', ...asymmetric, usages: [ecdsa('ECDSA_SHA_512', 'ecdsa-p521'), ecdh('ecdh-p521')] },
  { spec: 'ECC_SECG_P256K1', ...asymmetric, usages: [ecdsa('ECDSA_SHA_256', 'ecdsa-secp256k1')] },
  {
    spec: 'ECC_NIST_EDWARDS25519', ...asymmetric,
    usages: [{
      usage: 'SIGN_VERIFY', algorithms: ['ED25519_PH_SHA_512', 'ED25519_SHA_512'], material: 'ed25519',
      mechanisms: ['CKM_EC_EDWARDS_KEY_PAIR_GEN', 'CKM_EDDSA'],
    }],
  },
  mlDsa(44), mlDsa(65), mlDsa(87),
  mlKem(512), mlKem(768), mlKem(1024),
  // AWS KMS has it in China only, and PKCS#11 has no mechanism for it: named, so that it is refused by name.
  { spec: 'SM2', type: 'asymmetric', importable: false, multiRegion: false, usages: [] },
]

/** What a KeySpec of the KMS API means (developer guide, Key spec reference): one row per spec, and every fact about it here. */
export const keySpecs: ReadonlyMap<string, KeySpecRow> = new Map(rows.map(row => [row.spec, row]))

export function keySpecRow(spec: KeySpec): KeySpecRow {
  const row = keySpecs.get(spec)
  if (!row) throw new TypeError(`there is no key spec ${spec}`)
  return row
}

/** The row of a usage that a key of this spec can have; undefined if it cannot. */
export function usageRow(spec: KeySpec, usage: KeyUsage): UsageRow | undefined {
  return keySpecRow(spec).usages.find(row => row.usage === usage)
}
