import pkcs11 from 'pkcs11js'

/** The attributes we set or read, named as in evidence: CKA_ without the prefix, in lower case. */
const attributes = {
  class: { type: pkcs11.CKA_CLASS, form: 'number' },
  key_type: { type: pkcs11.CKA_KEY_TYPE, form: 'number' },
  value_len: { type: pkcs11.CKA_VALUE_LEN, form: 'number' },
  label: { type: pkcs11.CKA_LABEL, form: 'text' },
  id: { type: pkcs11.CKA_ID, form: 'bytes' },
  token: { type: pkcs11.CKA_TOKEN, form: 'boolean' },
  private: { type: pkcs11.CKA_PRIVATE, form: 'boolean' },
  sensitive: { type: pkcs11.CKA_SENSITIVE, form: 'boolean' },
  always_sensitive: { type: pkcs11.CKA_ALWAYS_SENSITIVE, form: 'boolean' },
  extractable: { type: pkcs11.CKA_EXTRACTABLE, form: 'boolean' },
  never_extractable: { type: pkcs11.CKA_NEVER_EXTRACTABLE, form: 'boolean' },
  local: { type: pkcs11.CKA_LOCAL, form: 'boolean' },
  key_gen_mechanism: { type: pkcs11.CKA_KEY_GEN_MECHANISM, form: 'number' },
  encrypt: { type: pkcs11.CKA_ENCRYPT, form: 'boolean' },
  decrypt: { type: pkcs11.CKA_DECRYPT, form: 'boolean' },
  sign: { type: pkcs11.CKA_SIGN, form: 'boolean' },
  sign_recover: { type: pkcs11.CKA_SIGN_RECOVER, form: 'boolean' },
  verify: { type: pkcs11.CKA_VERIFY, form: 'boolean' },
  verify_recover: { type: pkcs11.CKA_VERIFY_RECOVER, form: 'boolean' },
  wrap: { type: pkcs11.CKA_WRAP, form: 'boolean' },
  unwrap: { type: pkcs11.CKA_UNWRAP, form: 'boolean' },
  derive: { type: pkcs11.CKA_DERIVE, form: 'boolean' },
  modifiable: { type: pkcs11.CKA_MODIFIABLE, form: 'boolean' },
  copyable: { type: pkcs11.CKA_COPYABLE, form: 'boolean' },
  allowed_mechanisms: { type: pkcs11.CKA_ALLOWED_MECHANISMS, form: 'bytes' },
  ec_params: { type: pkcs11.CKA_EC_PARAMS, form: 'bytes' },
  ec_point: { type: pkcs11.CKA_EC_POINT, form: 'bytes' },
  modulus_bits: { type: pkcs11.CKA_MODULUS_BITS, form: 'number' },
  modulus: { type: pkcs11.CKA_MODULUS, form: 'integer' },
  public_exponent: { type: pkcs11.CKA_PUBLIC_EXPONENT, form: 'integer' },
  // Of public keys only: a secret one has it, too, and is never asked.
  value: { type: pkcs11.CKA_VALUE, form: 'bytes' },
  // PKCS#11 3.2.
  parameter_set: { type: 0x61d, form: 'number' },
  encapsulate: { type: 0x633, form: 'boolean' },
  decapsulate: { type: 0x634, form: 'boolean' },
} as const

export type AttributeName = keyof typeof attributes
export type AttributeValue = boolean | number | string | Uint8Array
export type AttributeValues = { readonly [Name in AttributeName]?: AttributeValue }

export function attributeType(name: AttributeName): number {
  return attributes[name].type
}

export function attributeNames(values: AttributeValues): readonly AttributeName[] {
  return Object.keys(values) as AttributeName[]
}

/** A fresh template: the binding writes into what it is given. */
export function template(values: AttributeValues): pkcs11.Template {
  return attributeNames(values).map(name => {
    const value = values[name]
    return { type: attributes[name].type, value: value instanceof Uint8Array ? Buffer.from(value) : value as boolean | number | string }
  })
}

/** How a value stands in evidence: bytes as hex. */
export function shown(value: AttributeValue): boolean | number | string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

/** A value as the token wrote it; undefined if it has not the form its attribute should have. */
export function decodeAttribute(name: AttributeName, bytes: Buffer): boolean | number | string | undefined {
  switch (attributes[name].form) {
    case 'boolean': return bytes.length === 1 ? bytes[0] !== 0 : undefined
    case 'number': return decodeUlong(bytes)
    case 'text': return bytes.toString('utf8')
    case 'bytes': return bytes.toString('hex')
    // Some tokens put zeros in front.
    case 'integer': return bytes.toString('hex').replace(/^(?:00)+(?=.)/, '')
  }
}

/** A list of CK_ULONG, as CKA_ALLOWED_MECHANISMS holds it on 64-bit Unix. */
export function ulongs(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 8)
  values.forEach((value, at) => bytes.writeBigUInt64LE(BigInt(value), at * 8))
  return bytes
}

// CK_UNAVAILABLE_INFORMATION is all ones and has no exact number.
function decodeUlong(bytes: Buffer): number | undefined {
  if (bytes.length !== 8) return undefined
  const value = bytes.readBigUInt64LE()
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}
