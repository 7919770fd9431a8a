import {
  aliasListEntry,
} from './structures.js'
import { contract } from './shape.js'

export const createAlias = contract({
  name: 'CreateAlias',
  input: {
    AliasName: { type: 'string', required: true, min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
    TargetKeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: null,
  errors: ['AlreadyExistsException', 'DependencyTimeoutException', 'InvalidAliasNameException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
})

export const updateAlias = contract({
  name: 'UpdateAlias',
  input: {
    AliasName: { type: 'string', required: true, min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
    TargetKeyId: { type: 'string', required: true, min: 1, max: 2048 },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
})

export const deleteAlias = contract({
  name: 'DeleteAlias',
  input: {
    AliasName: { type: 'string', required: true, min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const listAliases = contract({
  name: 'ListAliases',
  input: {
    KeyId: { type: 'string', min: 1, max: 2048 },
    Limit: { type: 'integer', min: 1, max: 1000, default: 50 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    Aliases: { type: 'list', of: { type: 'structure', members: aliasListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'InvalidMarkerException', 'KMSInternalException', 'NotFoundException'],
})
