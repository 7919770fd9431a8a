import * as api from '../api/imports.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { notFound } from '../domain/key-state.js'
import type { Key } from '../domain/key.js'
import { wrappingKey, type WrappingBits } from '../domain/material.js'
import { dayMs } from '../domain/rotation.js'
import type { WrappingAlgorithm } from '../ports/hsm.js'
import { importMaterial } from './imports/material.js'
import { deleteMaterial } from './imports/removal.js'
import { invalidToken, type ImportParameters } from './imports/tokens.js'
import { dayOf, importTokenMs, wrappingKeyOf } from './imports/wrapping-keys.js'
import { fitsImport } from './key-fit.js'
import { onKey } from './operation.js'
import type { Services } from './services.js'

type ParametersInput = Input<typeof api.getParametersForImport>
type MaterialInput = Input<typeof api.importKeyMaterial>

/** KMS API Reference, ImportKeyMaterial, ValidTo. */
const validToDaysMax = 365
const wrappingAlgorithms: readonly string[] = [
  'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256',
] satisfies readonly WrappingAlgorithm[]

export const getParametersForImport = onKey(api.getParametersForImport, {
  readOnly: true,
  state: 'import',
  key: input => input.KeyId,
  fits: (key, input) => {
    fitsImport(key)
    fitsWrapping(key, input)
  },
  async run({ key: { key }, input }, services) {
    const { clock, keyStores, importTokens } = services
    const bits = bitsOf(input)
    const day = dayOf(clock.now())
    if (!keyStores.get(key.keyStore).kinds.has(wrappingKey(bits, day).kind)) {
      throw new KmsError('UnsupportedOperationException', 'The HSM of this key store takes no key material from outside.')
    }
    const validTo = clock.now() + importTokenMs
    const parameters: ImportParameters = {
      region: key.region, keyId: key.keyId, algorithm: input.WrappingAlgorithm as WrappingAlgorithm, bits, day, validTo,
    }
    return {
      KeyId: key.arn,
      PublicKey: await wrappingKeyOf(key.keyStore, bits, day, services),
      ImportToken: await importTokens.tokenOf(parameters),
      ParametersValidTo: new Date(validTo),
    }
  },
})

export const importKeyMaterial = onKey(api.importKeyMaterial, {
  state: 'import',
  key: input => input.KeyId,
  check: checkExpiration,
  fits: fitsImport,
  async run(call, services) {
    const { key: { key }, input } = call
    checkValidTo(input, services)
    const parameters = await goodToken(key, input.ImportToken, services)
    const { version, way } = await importMaterial(key, parameters, input, services)
    call.used(key, version)
    call.detail('importWay', way)
    return { KeyId: key.arn, ...isSymmetric(key) && { KeyMaterialId: version.keyMaterialId } }
  },
  retry: {
    outcome: ({ KeyMaterialId }) => KeyMaterialId ?? '',
    async answer(id, { keys: [view], input }) {
      if (!view) throw notFound({ arn: input.KeyId })
      return { KeyId: view.key.arn, ...id !== '' && { KeyMaterialId: id } }
    },
  },
})

export const deleteImportedKeyMaterial = onKey(api.deleteImportedKeyMaterial, {
  state: 'delete-material',
  key: input => input.KeyId,
  fits: fitsImport,
  async run({ key: { key }, input, used }, services) {
    const version = await deleteMaterial(key, input.KeyMaterialId, services)
    if (version) used(key, version)
    return { KeyId: key.arn, ...version && isSymmetric(key) && { KeyMaterialId: version.keyMaterialId } }
  },
})

/** Which wrapping can carry which key (KMS developer guide, Select a wrapping public key spec). */
function fitsWrapping({ keySpec }: Key, { WrappingAlgorithm: algorithm, WrappingKeySpec: spec }: ParametersInput): void {
  if (!wrappingAlgorithms.includes(algorithm)) throw unsupported(`WrappingAlgorithm ${algorithm}`)
  if (spec === 'SM2') throw unsupported(`WrappingKeySpec ${spec}`)
  if (!algorithm.startsWith('RSAES')) return
  const tooLarge = keySpec.startsWith('RSA') || (keySpec === 'ECC_NIST_P521' && spec === 'RSA_2048')
  if (!tooLarge) return
  const wrapping = `WrappingAlgorithm ${algorithm} with WrappingKeySpec ${spec}`
  throw new KmsError('ValidationException', `${wrapping} cannot wrap key material for KeySpec ${keySpec}.`)
}

function bitsOf({ WrappingKeySpec: spec }: ParametersInput): WrappingBits {
  return Number(spec.slice('RSA_'.length)) as WrappingBits
}

function checkExpiration({ ExpirationModel: model = 'KEY_MATERIAL_EXPIRES', ValidTo: validTo }: MaterialInput): void {
  if (model === 'KEY_MATERIAL_EXPIRES' && validTo === undefined) {
    throw new KmsError('ValidationException', 'A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES')
  }
  if (model === 'KEY_MATERIAL_DOES_NOT_EXPIRE' && validTo !== undefined) {
    throw new KmsError('ValidationException', 'A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE')
  }
}

function checkValidTo({ ValidTo: validTo }: MaterialInput, { clock }: Services): void {
  if (validTo === undefined) return
  const ahead = validTo.getTime() - clock.now()
  if (!(ahead > 0)) throw new KmsError('ValidationException', 'The validTo date must be in the future.')
  if (ahead > validToDaysMax * dayMs) throw new KmsError('ValidationException', `The validTo date must be within ${validToDaysMax} days.`)
}

async function goodToken(key: Key, token: Uint8Array, { importTokens, clock }: Services): Promise<ImportParameters> {
  const parameters = await importTokens.read(token)
  if (parameters.keyId !== key.keyId || parameters.region !== key.region) throw invalidToken()
  if (parameters.validTo <= clock.now()) throw new KmsError('ExpiredImportTokenException')
  return parameters
}

/** DescribeKey has no material id for other keys, either. */
function isSymmetric({ keySpec }: Key): boolean {
  return keySpec === 'SYMMETRIC_DEFAULT'
}

function unsupported(what: string): KmsError {
  return new KmsError('UnsupportedOperationException', `${what} is not supported.`)
}
