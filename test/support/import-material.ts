import type {
  CreateKeyCommandInput, GetParametersForImportCommandInput, ImportKeyMaterialCommandInput, ImportKeyMaterialCommandOutput, KMS,
} from '@aws-sdk/client-kms'
import { wrapped } from './wrapped.js'

/** As a client wraps what it imports (KMS developer guide, Encrypt the key material). */

export interface Wrapping {
  readonly algorithm?: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'RSA_AES_KEY_WRAP_SHA_1' | 'RSA_AES_KEY_WRAP_SHA_256'
  readonly spec?: 'RSA_2048' | 'RSA_3072' | 'RSA_4096'
  /** With the ready result of AES-KWP, for published vectors: the wrapping key and what it made. */
  readonly kwp?: { readonly key: Uint8Array, readonly wrapped: Uint8Array }
}

/** EncryptedKeyMaterial of some material under the public key (DER) of GetParametersForImport. */
export function wrapMaterial(
  publicKey: Uint8Array, material: Uint8Array, { algorithm = 'RSAES_OAEP_SHA_256', kwp }: Wrapping = {},
): Uint8Array {
  if (!kwp) return wrapped(publicKey, algorithm, material)
  const oaep = algorithm.endsWith('SHA_1') ? 'RSAES_OAEP_SHA_1' : 'RSAES_OAEP_SHA_256'
  return Buffer.concat([wrapped(publicKey, oaep, kwp.key), kwp.wrapped])
}

type ImportOptions = Wrapping & Omit<Partial<ImportKeyMaterialCommandInput>, 'KeyId' | 'ImportToken' | 'EncryptedKeyMaterial'>

/** Both calls of an import. The material never expires, unless the options say so. */
export async function importMaterial(
  kms: KMS, keyId: string, material: Uint8Array, { algorithm = 'RSAES_OAEP_SHA_256', spec = 'RSA_2048', kwp, ...rest }: ImportOptions = {},
): Promise<ImportKeyMaterialCommandOutput> {
  const request: GetParametersForImportCommandInput = { KeyId: keyId, WrappingAlgorithm: algorithm, WrappingKeySpec: spec }
  const { PublicKey: publicKey = new Uint8Array(), ImportToken: token } = await kms.getParametersForImport(request)
  return kms.importKeyMaterial({
    KeyId: keyId, ImportToken: token, EncryptedKeyMaterial: wrapMaterial(publicKey, material, { algorithm, ...kwp && { kwp } }),
    ...'ExpirationModel' in rest || 'ValidTo' in rest ? {} : { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const },
    ...rest,
  })
}

/** A new EXTERNAL key with this material; answers its ARN. */
export async function importedKey(
  kms: KMS, material: Uint8Array, input: CreateKeyCommandInput = {}, options: ImportOptions = {},
): Promise<string> {
  const { KeyMetadata: { Arn: arn = '' } = {} } = await kms.createKey({ ...input, Origin: 'EXTERNAL' })
  await importMaterial(kms, arn, material, options)
  return arn
}
