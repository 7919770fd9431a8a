import {
  includeKeyMaterial,
} from './enums.js'
import {
  rotationsListEntry,
} from './structures.js'
import { contract } from './shape.js'

export const enableKeyRotation = contract({
  name: 'EnableKeyRotation',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    RotationPeriodInDays: { type: 'integer', min: 90, max: 2560, default: 365 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'DisabledException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const disableKeyRotation = contract({
  name: 'DisableKeyRotation',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'DisabledException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const getKeyRotationStatus = contract({
  name: 'GetKeyRotationStatus',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: {
    KeyRotationEnabled: { type: 'boolean' },
    KeyId: { type: 'string', min: 1, max: 2048 },
    RotationPeriodInDays: { type: 'integer', min: 90, max: 2560 },
    NextRotationDate: { type: 'timestamp' },
    OnDemandRotationStartDate: { type: 'timestamp' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const rotateKeyOnDemand = contract({
  name: 'RotateKeyOnDemand',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: {
    KeyId: { type: 'string', min: 1, max: 2048 },
  },
  errors: ['ConflictException', 'DependencyTimeoutException', 'DisabledException', 'InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException', 'UnsupportedOperationException'],
})

export const listKeyRotations = contract({
  name: 'ListKeyRotations',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    IncludeKeyMaterial: { type: 'enum', values: includeKeyMaterial, default: 'ROTATIONS_ONLY' },
    Limit: { type: 'integer', min: 1, max: 1000, default: 100 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    Rotations: { type: 'list', of: { type: 'structure', members: rotationsListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
})
