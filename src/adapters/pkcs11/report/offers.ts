import pkcs11 from 'pkcs11js'

/** What a token's mechanism list lets this service do. */
export interface Offers {
  readonly suites: { readonly gcm: boolean, readonly 'cbc-hmac': boolean }
  /** Seal, MAC and audit roots: without all three the service does not start. */
  readonly roots: boolean
  /** KMS operations that reach the HSM, and whether their keys could live here. */
  readonly operations: Readonly<Record<string, boolean>>
}

const symmetric = [
  'Encrypt', 'Decrypt', 'ReEncrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'RotateKeyOnDemand',
]
const asymmetric = ['Sign', 'Verify', 'GetPublicKey']
const macs = ['GenerateMac', 'VerifyMac']

/** From the mechanism list only: some libraries describe mechanisms that they then refuse. */
export function offersOf(mechanisms: readonly number[], hasGenerator: boolean): Offers {
  const has = (...wanted: readonly number[]): boolean => wanted.every(each => mechanisms.includes(each))
  const mac = has(pkcs11.CKM_GENERIC_SECRET_KEY_GEN, pkcs11.CKM_SHA256_HMAC)
  const ec = has(pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKM_ECDSA)
  const rsa = has(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN) && (has(pkcs11.CKM_RSA_PKCS_PSS) || has(pkcs11.CKM_RSA_PKCS))
  const gcm = hasGenerator && has(pkcs11.CKM_AES_KEY_GEN, pkcs11.CKM_AES_GCM)
  const cbcHmac = hasGenerator && has(pkcs11.CKM_AES_KEY_GEN, pkcs11.CKM_AES_CBC_PAD) && mac
  const all = (names: readonly string[], offered: boolean): [string, boolean][] => names.map(name => [name, offered])
  return {
    suites: { gcm, 'cbc-hmac': cbcHmac },
    roots: (gcm || cbcHmac) && mac && ec,
    operations: Object.fromEntries([
      ...all(symmetric, gcm || cbcHmac), ['GenerateRandom', hasGenerator], ...all(asymmetric, ec || rsa), ...all(macs, mac),
      ['DeriveSharedSecret', has(pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKM_ECDH1_DERIVE)],
    ]),
  }
}

// PKCS#11 3.0 and later; the binding knows the names of 2.40.
const newer: readonly (readonly [number, string])[] = [
  [0x1055, 'CKM_EC_EDWARDS_KEY_PAIR_GEN'], [0x1056, 'CKM_EC_MONTGOMERY_KEY_PAIR_GEN'], [0x1057, 'CKM_EDDSA'],
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
