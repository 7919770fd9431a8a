import {
  algorithmSpec, expirationModelType, importType, wrappingKeySpec,
} from './enums.js'
import { contract } from './shape.js'

export const getParametersForImport = contract({
  name: 'GetParametersForImport',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    WrappingAlgorithm: { type: 'enum', required: true, values: algorithmSpec },
    WrappingKeySpec: { type: 'enum', required: true, values: wrappingKeySpec },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    ImportToken: { type: 'blob', min: 1, max: 6144 },
    PublicKey: { type: 'blob', min: 1, max: 4096, sensitive: true },
    ParametersValidTo: { type: 'timestamp' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const importKeyMaterial = contract({
  name: 'ImportKeyMaterial',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    ImportToken: { type: 'blob', required: true, min: 1, max: 6144 },
    EncryptedKeyMaterial: { type: 'blob', required: true, min: 1, max: 6144 },
    ValidTo: { type: 'timestamp' },
    ExpirationModel: { type: 'enum', values: expirationModelType },
    ImportType: { type: 'enum', values: importType },
    KeyMaterialDescription: { type: 'string', min: 0, max: 256, pattern: '^[a-zA-Z0-9:/_\\s.-]+$' },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'ExpiredImportTokenException', 'IncorrectKeyMaterialException', 'InvalidArnException', 'InvalidCiphertextException', 'InvalidImportTokenException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const deleteImportedKeyMaterial = contract({
  name: 'DeleteImportedKeyMaterial',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyMaterialId: { type: 'string', min: 0, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})
