import {
  dryRunModifierType, encryptionAlgorithmSpec,
} from './enums.js'
import {
  recipientInfo,
} from './structures.js'
import { contract } from './shape.js'

export const encrypt = contract({
  name: 'Encrypt',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Plaintext: { type: 'blob', required: true, min: 1, max: 4096, sensitive: true },
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    EncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec, default: 'SYMMETRIC_DEFAULT' },
    DryRun: { type: 'boolean' },
  },
  output: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    EncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const decrypt = contract({
  name: 'Decrypt',
  input: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    EncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec, default: 'SYMMETRIC_DEFAULT' },
    Recipient: { type: 'structure', members: recipientInfo },
    DryRun: { type: 'boolean' },
    DryRunModifiers: { type: 'list', of: { type: 'enum', values: dryRunModifierType } },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    Plaintext: { type: 'blob', min: 1, max: 4096, sensitive: true },
    EncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec },
    CiphertextForRecipient: { type: 'blob', min: 1, max: 6144 },
    KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'IncorrectKeyException', 'InvalidCiphertextException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const reEncrypt = contract({
  name: 'ReEncrypt',
  input: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    SourceEncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    SourceKeyId: { type: 'string', min: 1, max: 2048 },
    DestinationKeyId: { type: 'string', required: true, min: 1, max: 2048 },
    DestinationEncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
    SourceEncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec, default: 'SYMMETRIC_DEFAULT' },
    DestinationEncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec, default: 'SYMMETRIC_DEFAULT' },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
    DryRunModifiers: { type: 'list', of: { type: 'enum', values: dryRunModifierType } },
  },
  output: {
    CiphertextBlob: { type: 'blob', min: 1, max: 6144 },
    SourceKeyId: { type: 'string', min: 1, max: 2048 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    SourceEncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec },
    DestinationEncryptionAlgorithm: { type: 'enum', values: encryptionAlgorithmSpec },
    SourceKeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
    DestinationKeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'IncorrectKeyException', 'InvalidCiphertextException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})
