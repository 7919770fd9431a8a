import { contract } from './shape.js'

export const putKeyPolicy = contract({
  name: 'PutKeyPolicy',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    PolicyName: { type: 'string', min: 1, max: 128, pattern: '[\\w]+', default: 'default' },
    Policy: { type: 'string', required: true, min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' },
    BypassPolicyLockoutSafetyCheck: { type: 'boolean' },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'MalformedPolicyDocumentException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const getKeyPolicy = contract({
  name: 'GetKeyPolicy',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    PolicyName: { type: 'string', min: 1, max: 128, pattern: '[\\w]+', default: 'default' },
  },
  output: {
    Policy: { type: 'string', min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' },
    PolicyName: { type: 'string', min: 1, max: 128, pattern: '[\\w]+' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const listKeyPolicies = contract({
  name: 'ListKeyPolicies',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Limit: { type: 'integer', min: 1, max: 1000, default: 100 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    PolicyNames: { type: 'list', of: { type: 'string', min: 1, max: 128, pattern: '[\\w]+' } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})
