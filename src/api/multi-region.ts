import {
  keyMetadata, tag,
} from './structures.js'
import { contract } from './shape.js'

export const replicateKey = contract({
  name: 'ReplicateKey',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    ReplicaRegion: { type: 'string', required: true, min: 1, max: 32, pattern: '^([a-z]+-){2,3}\\d+$' },
    Policy: { type: 'string', min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' },
    BypassPolicyLockoutSafetyCheck: { type: 'boolean' },
    Description: { type: 'string', min: 0, max: 8192, default: '' },
    Tags: { type: 'list', of: { type: 'structure', members: tag } },
  },
  output: {
    ReplicaKeyMetadata: { type: 'structure', members: keyMetadata },
    ReplicaPolicy: { type: 'string', min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' },
    ReplicaTags: { type: 'list', of: { type: 'structure', members: tag } },
  },
  errors: ['AlreadyExistsException', 'DisabledException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NotFoundException', 'TagException', 'UnsupportedOperationException'],
})

export const updatePrimaryRegion = contract({
  name: 'UpdatePrimaryRegion',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    PrimaryRegion: { type: 'string', required: true, min: 1, max: 32, pattern: '^([a-z]+-){2,3}\\d+$' },
  },
  output: null,
  errors: ['DisabledException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})
