import pkcs11 from 'pkcs11js'
import type { ObjectRole, Profile, TemplateFacts } from './profile.js'

/** What several profiles say alike. */

/** 4,096 bytes are the KMS API's limit for Encrypt; the rest is room for what the service seals for itself. */
export const sealedBytesMax = 4096 + 256

const nothingMore: TemplateFacts = { set: {}, omit: [] }
const fixed: TemplateFacts = { set: { modifiable: false, copyable: false }, omit: [] }

/** The template that every vendor accepts, as it is. */
export const portableTemplate: Readonly<Record<ObjectRole, TemplateFacts>> = {
  secret: nothingMore, mac: nothingMore, private: nothingMore, public: nothingMore,
}

/** For tokens that know the attributes by which an object stays what it is. */
export const fixedTemplate: Readonly<Record<ObjectRole, TemplateFacts>> = { secret: fixed, mac: fixed, private: fixed, public: fixed }

/** AES-GCM as the standard has it: our IV of 12 bytes, ulIvBits 96. */
export const standardGcm: Profile['seal'] = {
  mode: 'gcm-caller-iv', gcmMechanism: pkcs11.CKM_AES_GCM, ivBytes: 12, ivBits: 96, plaintextBytesMax: sealedBytesMax,
  outputSlackBytes: 16, emptyPlaintext: true,
}

/** What C_Decrypt may answer to a bad ciphertext by the standard. */
export const standardInvalid: readonly number[] = [pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE]
