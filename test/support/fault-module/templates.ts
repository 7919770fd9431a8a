import pkcs11, { type Template } from 'pkcs11js'

/** An AES-256 key that every vendor makes: the portable template, without what one of them refuses. */
export function aesKey(label: string, more: Template = []): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: false },
    { type: pkcs11.CKA_ENCRYPT, value: true },
    { type: pkcs11.CKA_DECRYPT, value: true },
    { type: pkcs11.CKA_LABEL, value: label },
    ...more,
  ]
}

export function without(template: Template, ...types: readonly number[]): Template {
  return template.filter(({ type }) => !types.includes(type))
}

/** An HMAC-SHA-256 key of a YubiHSM: its key type, and no length. */
export function yubihsmMacKey(label: string, keyType: number = pkcs11.CKK_SHA256_HMAC): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: keyType },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_SIGN, value: true },
    { type: pkcs11.CKA_VERIFY, value: true },
    { type: pkcs11.CKA_LABEL, value: label },
  ]
}

export const p256Parameters = Buffer.from('06082a8648ce3d030107', 'hex')

export function p256Public(label: string, isPrivate: boolean): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_EC },
    { type: pkcs11.CKA_EC_PARAMS, value: p256Parameters },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_PRIVATE, value: isPrivate },
    { type: pkcs11.CKA_VERIFY, value: true },
    { type: pkcs11.CKA_LABEL, value: label },
  ]
}

export function p256Private(label: string, more: Template = []): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_EC },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: false },
    { type: pkcs11.CKA_SIGN, value: true },
    { type: pkcs11.CKA_LABEL, value: label },
    ...more,
  ]
}
