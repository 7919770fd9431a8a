import {
  dataKeyPairSpec, dataKeySpec,
} from './enums.js'
import {
  recipientInfo,
} from './structures.js'
import { contract } from './shape.js'

export const generateDataKey = contract({
  name: 'GenerateDataKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    NumberOfBytes: { type: 'integer', min: 1, max: 1024 },
    KeySpec: { type: 'enum', values: dataKeySpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    Recipient: { type: 'structure', members: recipientInfo },
    DryRun: { type: 'boolean' },
  },
  output: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    Plaintext: { type: 'blob', min: 1, max: 4096, sensitive: true },
    KeyId: { type: 'string', min: 1, max: 2048 },
    CiphertextForRecipient: { type: 'blob', min: 1, max: 6144 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const generateDataKeyWithoutPlaintext = contract({
  name: 'GenerateDataKeyWithoutPlaintext',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    KeySpec: { type: 'enum', values: dataKeySpec },
    NumberOfBytes: { type: 'integer', min: 1, max: 1024 },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const generateDataKeyPair = contract({
  name: 'GenerateDataKeyPair',
  input: {
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    KeyPairSpec: { type: 'enum', required: true, values: dataKeyPairSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    Recipient: { type: 'structure', members: recipientInfo },
    DryRun: { type: 'boolean' },
  },
  output: {
    PrivateKeyCiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    PrivateKeyPlaintext: { type: 'blob', min: 1, max: 4096, sensitive: true },
    PublicKey: { type: 'blob', min: 1, max: 8192 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyPairSpec: { type: 'enum', values: dataKeyPairSpec },
    CiphertextForRecipient: { type: 'blob', min: 1, max: 6144 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const generateDataKeyPairWithoutPlaintext = contract({
  name: 'GenerateDataKeyPairWithoutPlaintext',
  input: {
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    KeyPairSpec: { type: 'enum', required: true, values: dataKeyPairSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    PrivateKeyCiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    PublicKey: { type: 'blob', min: 1, max: 8192 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyPairSpec: { type: 'enum', values: dataKeyPairSpec },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException', 'UnsupportedOperationException'],
})
