import { createKey } from '../../src/api/keys.js'
import { getParametersForImport, importKeyMaterial } from '../../src/api/imports.js'
import type { Input, Output } from '../../src/api/shape.js'
import type { WrappingAlgorithm } from '../../src/ports/hsm.js'
import type { Services } from '../../src/service/services.js'
import { call, region } from './services.js'
import { wrapped } from './wrapped.js'

export interface ImportOptions {
  readonly algorithm?: WrappingAlgorithm
  readonly at?: string
  readonly asked?: Partial<Input<typeof importKeyMaterial>>
}

/** A key that waits for its material. */
export async function newExternalKey(services: Services, asked: Partial<Input<typeof createKey>> = {}): Promise<string> {
  return (await call(services, createKey, { Origin: 'EXTERNAL', ...asked })).KeyMetadata?.KeyId ?? ''
}

/** Both calls of an import; the material does not expire unless `asked` says otherwise. */
export async function importInto(
  services: Services, KeyId: string, material: Uint8Array,
  { algorithm = 'RSAES_OAEP_SHA_256', at = region, asked = {} }: ImportOptions = {},
): Promise<Output<typeof importKeyMaterial>> {
  const parameters = await call(services, getParametersForImport, {
    KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: 'RSA_2048',
  }, undefined, at)
  const { PublicKey = new Uint8Array(), ImportToken = new Uint8Array() } = parameters
  return call(services, importKeyMaterial, {
    KeyId, ImportToken, EncryptedKeyMaterial: wrapped(PublicKey, algorithm, material),
    ...asked.ValidTo ? { ExpirationModel: 'KEY_MATERIAL_EXPIRES' } : { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }, ...asked,
  }, undefined, at)
}
