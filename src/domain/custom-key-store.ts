import { createHash, X509Certificate } from 'node:crypto'

/** As CreateCustomKeyStore takes it (KMS API Reference, CloudHsmClusterId). */
export const clusterIdPattern = /^cluster-[2-7a-zA-Z]{11,16}$/
/** Random bytes that an id is made of. */
export const customKeyStoreIdBytes = 9

const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const clusterIdDigits = 11
const customKeyStoreIdDigits = 17

/** The cluster id of a configured key store that was given none: always the same for the same name. */
export function clusterIdOf(keyStore: string): string {
  const digest = createHash('sha256').update('claviger cluster id\0').update(keyStore).digest()
  return `cluster-${[...digest.subarray(0, clusterIdDigits)].map(byte => base32Alphabet.charAt(byte % 32)).join('')}`
}

export function newCustomKeyStoreId(random: Uint8Array): string {
  return `cks-${Buffer.from(random).toString('hex').slice(0, customKeyStoreIdDigits)}`
}

/** What a PEM text holds if it is one certificate and nothing else, in DER. */
export function certificateOf(pem: string): Buffer | undefined {
  if (!/^\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/.test(pem)) return undefined
  try {
    return new X509Certificate(pem).raw
  } catch {
    return undefined
  }
}
