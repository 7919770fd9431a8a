import { constants, createPublicKey, publicEncrypt, type KeyObject } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { AttributeName } from '../../driver/attributes.js'
import { readAttribute } from '../../driver/evidence.js'
import type { Profile } from '../profile.js'
import { ask, type Trial } from './trial.js'

const modulusBits = 2048
const publicExponent = Buffer.from([1, 0, 1])
const secret = Buffer.alloc(32, 0x5a)
/** CKG_MGF1_SHA256. */
const mgf1Sha256 = 2
const dataSpecified = 1

export interface RsaObservation {
  readonly oaep: Profile['oaep']
  /** Of public RSA keys. */
  readonly unreadable: readonly AttributeName[]
}

export function observeOaep(trial: Trial): Profile['oaep'] {
  return observeRsa(trial).oaep
}

/** OAEP with SHA-256, as the KMS API has it: some tokens list the mechanism and take SHA-1 only. */
export function observeRsa(trial: Trial): RsaObservation {
  const none = { oaep: 'none', unreadable: [] } as const
  const offered = trial.mechanisms
  const [native, raw] = [offered.includes(pkcs11.CKM_RSA_PKCS_OAEP), offered.includes(pkcs11.CKM_RSA_X_509)]
  if (!offered.includes(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN)) return none
  const pair = ask(() => rsaPair(trial))
  if (!pair.ok) return none
  const { publicKey, privateKey } = pair.value
  const shown = trial.reading(session => readAttribute(trial.lib, session, publicKey, 'modulus_bits'))
  const unreadable: readonly AttributeName[] = shown === undefined ? ['modulus_bits'] : []
  try {
    const ciphertext = publicEncrypt(
      { key: keyObject(trial, publicKey), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, secret)
    const opens = (mechanism: pkcs11.Mechanism, right: (out: Buffer) => boolean): boolean => {
      const answer = ask(() => trial.onSession(session => {
        trial.lib.C_DecryptInit(session, mechanism, privateKey)
        return trial.lib.C_Decrypt(session, ciphertext, Buffer.alloc(modulusBits / 8))
      }))
      return answer.ok && right(answer.value)
    }
    const parameter = { type: pkcs11.CK_PARAMS_RSA_OAEP, hashAlg: pkcs11.CKM_SHA256, mgf: mgf1Sha256, source: dataSpecified }
    if (native && opens({ mechanism: pkcs11.CKM_RSA_PKCS_OAEP, parameter }, out => out.equals(secret))) {
      return { oaep: 'native', unreadable }
    }
    const encoded = (out: Buffer): boolean => out.length === modulusBits / 8 && out[0] === 0
    return { oaep: raw && opens({ mechanism: pkcs11.CKM_RSA_X_509 }, encoded) ? 'raw' : 'none', unreadable }
  } finally {
    trial.discard(publicKey, privateKey)
  }
}

/** As a key for OAEP would be made. */
export function rsaPair(trial: Trial): { readonly publicKey: Handle, readonly privateKey: Handle } {
  const common = [
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_RSA }, { type: pkcs11.CKA_TOKEN, value: !trial.sessionKeys },
    { type: pkcs11.CKA_LABEL, value: trial.label },
  ]
  return trial.pair(
    pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN,
    [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY }, ...common, { type: pkcs11.CKA_ENCRYPT, value: true },
      { type: pkcs11.CKA_MODULUS_BITS, value: modulusBits }, { type: pkcs11.CKA_PUBLIC_EXPONENT, value: publicExponent },
    ],
    [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY }, ...common, { type: pkcs11.CKA_DECRYPT, value: true },
      { type: pkcs11.CKA_PRIVATE, value: true }, { type: pkcs11.CKA_SENSITIVE, value: true },
      { type: pkcs11.CKA_EXTRACTABLE, value: false },
    ],
  )
}

export function keyObject(trial: Trial, publicKey: Handle): KeyObject {
  const [modulus, exponent] = [pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT].map(type => {
    const [read] = trial.reading(session => trial.lib.C_GetAttributeValue(session, publicKey, [{ type }]))
    return Buffer.from(read?.value ?? Buffer.alloc(0)).toString('base64url')
  })
  return createPublicKey({ key: { kty: 'RSA', n: modulus ?? '', e: exponent ?? '' }, format: 'jwk' })
}
