import {
  macAlgorithmSpec,
} from './enums.js'
import { contract } from './shape.js'

export const generateMac = contract({
  name: 'GenerateMac',
  input: {
    Message: { type: 'blob', required: true, min: 1, max: 4096, sensitive: true },
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    MacAlgorithm: { type: 'enum', required: true, values: macAlgorithmSpec },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    Mac: { type: 'blob', min: 1, max: 6144 },
    MacAlgorithm: { type: 'enum', values: macAlgorithmSpec },
    KeyId: { type: 'string', min: 1, max: 2048 },
  },
  errors: ['DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})

export const verifyMac = contract({
  name: 'VerifyMac',
  input: {
    Message: { type: 'blob', required: true, min: 1, max: 4096, sensitive: true },
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    MacAlgorithm: { type: 'enum', required: true, values: macAlgorithmSpec },
    Mac: { type: 'blob', required: true, min: 1, max: 6144 },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    DryRun: { type: 'boolean' },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    MacValid: { type: 'boolean' },
    MacAlgorithm: { type: 'enum', values: macAlgorithmSpec },
  },
  errors: ['DisabledException', 'DryRunOperationException', 'InvalidGrantTokenException', 'InvalidKeyUsageException', 'KMSInternalException', 'KMSInvalidMacException', 'KMSInvalidStateException', 'KeyUnavailableException', 'NotFoundException'],
})
