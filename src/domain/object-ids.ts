/** Object identifiers of public-key algorithms and curves, in dots: what stands in SubjectPublicKeyInfo and PrivateKeyInfo. */
export const objectIds = {
  // RFC 8017, appendix A.1
  rsaEncryption: '1.2.840.113549.1.1.1',
  // RFC 5480, section 2.1
  ecPublicKey: '1.2.840.10045.2.1',
  // RFC 8410, section 3
  ed25519: '1.3.101.112',
  // NIST Computer Security Objects Register, nistAlgorithms sigAlgs and kems (RFC 9881, RFC 9935)
  'ml-dsa-44': '2.16.840.1.101.3.4.3.17',
  'ml-dsa-65': '2.16.840.1.101.3.4.3.18',
  'ml-dsa-87': '2.16.840.1.101.3.4.3.19',
  'ml-kem-512': '2.16.840.1.101.3.4.4.1',
  'ml-kem-768': '2.16.840.1.101.3.4.4.2',
  'ml-kem-1024': '2.16.840.1.101.3.4.4.3',
} as const

export interface CurveRow {
  readonly oid: string
  /** Of a coordinate. */
  readonly fieldBytes: number
  /** Of the base point: private keys are below it. As long as a coordinate on all of these curves. */
  readonly order: Uint8Array
}

export type CurveName = 'p256' | 'p384' | 'p521' | 'secp256k1' | 'sm2'

/** Named curves (RFC 5480, SP 800-186, SEC 2, GB/T 32918.5). */
export const curves: Readonly<Record<CurveName, CurveRow>> = {
  p256: {
    oid: '1.2.840.10045.3.1.7', fieldBytes: 32,
    order: Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex'),
  },
  p384: {
    oid: '1.3.132.0.34', fieldBytes: 48,
    order: Buffer.from('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973', 'hex'),
  },
  p521: {
    oid: '1.3.132.0.35', fieldBytes: 66,
    order: Buffer.from('01' + 'ff'.repeat(32) + 'fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409', 'hex'),
  },
  secp256k1: {
    oid: '1.3.132.0.10', fieldBytes: 32,
    order: Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex'),
  },
  sm2: {
    oid: '1.2.156.10197.1.301', fieldBytes: 32,
    order: Buffer.from('fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123', 'hex'),
  },
}
