/** What a KeySpec of the KMS API means. One row per spec; CreateKey refuses a spec that has no row. */
export type KeySpec = 'SYMMETRIC_DEFAULT'
export type KeyUsage = 'ENCRYPT_DECRYPT'

interface KeySpecRow {
  readonly usages: readonly KeyUsage[]
  readonly encryptionAlgorithms: readonly 'SYMMETRIC_DEFAULT'[]
}

export const keySpecs: ReadonlyMap<string, KeySpecRow & { readonly spec: KeySpec }> = new Map([
  ['SYMMETRIC_DEFAULT', {
    spec: 'SYMMETRIC_DEFAULT', usages: ['ENCRYPT_DECRYPT'], encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
  }],
])
