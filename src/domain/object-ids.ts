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

/** Named curves: object identifier and the length of a coordinate in bytes (RFC 5480, SEC 2, GB/T 32918.5). */
export const curves = {
  'p256': { oid: '1.2.840.10045.3.1.7', fieldBytes: 32 },
  'p384': { oid: '1.3.132.0.34', fieldBytes: 48 },
  'p521': { oid: '1.3.132.0.35', fieldBytes: 66 },
  'secp256k1': { oid: '1.3.132.0.10', fieldBytes: 32 },
  'sm2': { oid: '1.2.156.10197.1.301', fieldBytes: 32 },
} as const

export type CurveName = keyof typeof curves
