import {
  encapsulationAlgorithmSpec, keyAgreementAlgorithmSpec, originType,
} from './enums.js'
import {
  recipientInfo,
} from './structures.js'
import { contract } from './shape.js'

export const deriveSharedSecret = contract({
  name: 'DeriveSharedSecret',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    KeyAgreementAlgorithm: { type: 'enum', required: true, values: keyAgreementAlgorithmSpec },
    PublicKey: { type: 'blob', required: true, min: 1, max: 8192 },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
    Recipient: { type: 'structure', members: recipientInfo },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    SharedSecret: { type: 'blob', min: 1, max: 4096, sensitive: true },
    CiphertextForRecipient: { type: 'blob', min: 1, max: 6144 },
    KeyAgreementAlgorithm: { type: 'enum', values: keyAgreementAlgorithmSpec },
    KeyOrigin: { type: 'enum', values: originType },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const encapsulate = contract({
  name: 'Encapsulate',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    EncapsulationAlgorithm: { type: 'enum', required: true, values: encapsulationAlgorithmSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    SharedSecret: { type: 'blob', min: 1, max: 4096, sensitive: true },
    SharedSecretCiphertextBlob: { type: 'blob' },
    EncapsulationAlgorithm: { type: 'enum', values: encapsulationAlgorithmSpec },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const decapsulate = contract({
  name: 'Decapsulate',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    SharedSecretCiphertextBlob: { type: 'blob', required: true },
    EncapsulationAlgorithm: { type: 'enum', required: true, values: encapsulationAlgorithmSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    SharedSecret: { type: 'blob', min: 1, max: 4096, sensitive: true },
    EncapsulationAlgorithm: { type: 'enum', values: encapsulationAlgorithmSpec },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidCiphertextException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})
