import {
  messageType, signingAlgorithmSpec,
} from './enums.js'
import { contract } from './shape.js'

export const sign = contract({
  name: 'Sign',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Message: { type: 'blob', required: true, min: 1, max: 4096, sensitive: true },
    MessageType: { type: 'enum', values: messageType, default: 'RAW' },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    SigningAlgorithm: { type: 'enum', required: true, values: signingAlgorithmSpec },
    DryRun: { type: 'boolean' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    Signature: { type: 'blob', min: 1, max: 6144 },
    SigningAlgorithm: { type: 'enum', values: signingAlgorithmSpec },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const verify = contract({
  name: 'Verify',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Message: { type: 'blob', required: true, min: 1, max: 4096, sensitive: true },
    MessageType: { type: 'enum', values: messageType, default: 'RAW' },
    Signature: { type: 'blob', required: true, min: 1, max: 6144 },
    SigningAlgorithm: { type: 'enum', required: true, values: signingAlgorithmSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    SignatureValid: { type: 'boolean' },
    SigningAlgorithm: { type: 'enum', values: signingAlgorithmSpec },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidSignatureException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})
