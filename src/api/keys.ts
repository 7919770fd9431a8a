import {
  customerMasterKeySpec, encapsulationAlgorithmSpec, encryptionAlgorithmSpec, keyAgreementAlgorithmSpec, keySpec, keyState, keyUsageType, originType, signingAlgorithmSpec,
} from './enums.js'
import {
  keyLastUsageData, keyListEntry, keyMetadata, tag,
} from './structures.js'
import { contract } from './shape.js'

export const createKey = contract({
  name: 'CreateKey',
  input: {
    Policy: { type: 'string', min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' },
    Description: { type: 'string', min: 0, max: 8192, default: '' },
    KeyUsage: { type: 'enum', values: keyUsageType },
    CustomerMasterKeySpec: { type: 'enum', values: customerMasterKeySpec },
    KeySpec: { type: 'enum', values: keySpec },
    Origin: { type: 'enum', values: originType, default: 'AWS_KMS' },
    CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
    BypassPolicyLockoutSafetyCheck: { type: 'boolean' },
    Tags: { type: 'list', of: { type: 'structure', members: tag } },
    MultiRegion: { type: 'boolean', default: false },
    XksKeyId: { type: 'string', min: 1, max: 128, pattern: '^[a-zA-Z0-9-_.]+$' },
  },
  output: {
    KeyMetadata: { type: 'structure', members: keyMetadata },
  },
  errors: ['CloudHsmClusterInvalidConfigurationException', 'CustomKeyStoreInvalidStateException', 'CustomKeyStoreNotFoundException', 'DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'TagException', 'UnsupportedOperationException', 'XksKeyAlreadyInUseException', 'XksKeyInvalidConfigurationException', 'XksKeyNotFoundException'],
})

export const describeKey = contract({
  name: 'DescribeKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
  },
  output: {
    KeyMetadata: { type: 'structure', members: keyMetadata },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'NotFoundException'],
})

export const listKeys = contract({
  name: 'ListKeys',
  input: {
    Limit: { type: 'integer', min: 1, max: 1000, default: 100 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    Keys: { type: 'list', of: { type: 'structure', members: keyListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['DependencyTimeoutException', 'InvalidMarkerException', 'KMSInternalException'],
})

export const enableKey = contract({
  name: 'EnableKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
})

export const disableKey = contract({
  name: 'DisableKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const updateKeyDescription = contract({
  name: 'UpdateKeyDescription',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Description: { type: 'string', required: true, min: 0, max: 8192 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const scheduleKeyDeletion = contract({
  name: 'ScheduleKeyDeletion',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    PendingWindowInDays: { type: 'integer', min: 1, max: 365, default: 30 },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    DeletionDate: { type: 'timestamp' },
    KeyState: { type: 'enum', values: keyState },
    PendingWindowInDays: { type: 'integer', min: 1, max: 365 },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const cancelKeyDeletion = contract({
  name: 'CancelKeyDeletion',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const getPublicKey = contract({
  name: 'GetPublicKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    PublicKey: { type: 'blob', min: 1, max: 8192 },
    CustomerMasterKeySpec: { type: 'enum', values: customerMasterKeySpec },
    KeySpec: { type: 'enum', values: keySpec },
    KeyUsage: { type: 'enum', values: keyUsageType },
    EncryptionAlgorithms: { type: 'list', of: { type: 'enum', values: encryptionAlgorithmSpec } },
    SigningAlgorithms: { type: 'list', of: { type: 'enum', values: signingAlgorithmSpec } },
    KeyAgreementAlgorithms: { type: 'list', of: { type: 'enum', values: keyAgreementAlgorithmSpec } },
    EncapsulationAlgorithms: { type: 'list', of: { type: 'enum', values: encapsulationAlgorithmSpec } },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'InvalidArnException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const getKeyLastUsage = contract({
  name: 'GetKeyLastUsage',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    KeyLastUsage: { type: 'structure', members: keyLastUsageData },
    TrackingStartDate: { type: 'timestamp' },
    KeyCreationDate: { type: 'timestamp' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'NotFoundException'],
})
