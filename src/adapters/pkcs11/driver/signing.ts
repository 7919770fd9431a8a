import pkcs11, { type Mechanism } from 'pkcs11js'
import type { SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import { curveOf, hashes, latticeBytes, modulusBytesOf, newer } from './numbers.js'
import { view } from './operations.js'
import { requireAtMost, requireLength, wrongKind } from './requirements.js'

/** One signing algorithm of the KMS API in PKCS#11. */
export interface SigningRow {
  /** Kinds of material that do it. */
  readonly kinds: readonly MaterialKind[]
  readonly mechanism: Mechanism
  /** Of the digest that it signs; undefined where it signs messages. */
  readonly digestBytes: number | undefined
  /** What C_Sign is given in front of the input. */
  readonly prefix?: Uint8Array
  readonly signatureBytes: (kind: MaterialKind) => number
}

type DigestName = 'sha256' | 'sha384' | 'sha512'

const rsaKinds = ['rsa-2048-sign', 'rsa-3072-sign', 'rsa-4096-sign'] as const
const edwardsSignatureBytes = 64

/** DigestInfo up to the digest (RFC 8017, section 9.2, note 1): CKM_RSA_PKCS pads and adds nothing. */
const digestInfo: Readonly<Record<DigestName, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

function pkcs1(hash: DigestName): SigningRow {
  return {
    kinds: rsaKinds, mechanism: { mechanism: pkcs11.CKM_RSA_PKCS }, digestBytes: hashes[hash].bytes,
    prefix: Buffer.from(digestInfo[hash], 'hex'), signatureBytes: modulusBytesOf,
  }
}

/** With a salt as long as the digest, as AWS KMS has it. */
function pss(hash: DigestName): SigningRow {
  const { mechanism: hashAlg, mgf, bytes } = hashes[hash]
  const parameter = { type: pkcs11.CK_PARAMS_RSA_PSS, hashAlg, mgf, saltLen: bytes }
  const pssMechanism = { mechanism: pkcs11.CKM_RSA_PKCS_PSS, parameter }
  return { kinds: rsaKinds, mechanism: pssMechanism, digestBytes: bytes, signatureBytes: modulusBytesOf }
}

/** r‖s; CKM_ECDSA hashes nothing itself. */
function ecdsa(hash: DigestName, ...kinds: readonly MaterialKind[]): SigningRow {
  const signatureBytes = (kind: MaterialKind): number => 2 * curveOf(kind).fieldBytes
  return { kinds, mechanism: { mechanism: pkcs11.CKM_ECDSA }, digestBytes: hashes[hash].bytes, signatureBytes }
}

const edwards = { kinds: ['ed25519'], digestBytes: undefined, signatureBytes: () => edwardsSignatureBytes } as const

/** CK_EDDSA_PARAMS on 64-bit Unix: phFlag and padding, length and address of the context, of which there is none. */
const prehashParameter = Buffer.alloc(24)
prehashParameter[0] = 1

/** Ed25519 without the digest inside: also how a token signs that does not heed the parameter. */
export const pureEdwards: Mechanism = { mechanism: newer.CKM_EDDSA }
export const prehashEdwards: Mechanism = { mechanism: newer.CKM_EDDSA, parameter: prehashParameter }

const rows: Readonly<Record<SigningAlgorithm, SigningRow>> = {
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1('sha256'),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1('sha384'),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1('sha512'),
  RSASSA_PSS_SHA_256: pss('sha256'),
  RSASSA_PSS_SHA_384: pss('sha384'),
  RSASSA_PSS_SHA_512: pss('sha512'),
  ECDSA_SHA_256: ecdsa('sha256', 'ecdsa-p256', 'ecdsa-secp256k1'),
  ECDSA_SHA_384: ecdsa('sha384', 'ecdsa-p384'),
  ECDSA_SHA_512: ecdsa('sha512', 'ecdsa-p521'),
  ED25519_SHA_512: { ...edwards, mechanism: pureEdwards },
  ED25519_PH_SHA_512: { ...edwards, mechanism: prehashEdwards },
  ML_DSA_SHAKE_256: {
    kinds: ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'], mechanism: { mechanism: newer.CKM_ML_DSA }, digestBytes: undefined,
    signatureBytes: kind => latticeBytes[kind]?.output ?? 0,
  },
}

/** Messages in one call; the KMS API has at most 4,096 bytes. */
const messageBytesMax = 16 * 1024

/** The row by which material signs this input. Throws kind `configuration` if it does not. */
export function signingRow(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): SigningRow {
  if (!Object.hasOwn(rows, algorithm)) throw new HsmError('configuration', 'there is no such signing algorithm')
  const row = rows[algorithm]
  if (!row.kinds.includes(material.kind)) throw wrongKind(material, `does no ${algorithm}`)
  if (row.digestBytes === undefined) requireAtMost('a message', input.length, messageBytesMax)
  else requireLength('a digest', input, row.digestBytes)
  return row
}

/** What C_Sign and C_Verify are given. */
export function prefixed({ prefix }: SigningRow, input: Uint8Array): Buffer {
  return prefix ? Buffer.concat([prefix, input]) : view(input)
}
