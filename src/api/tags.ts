import {
  tag,
} from './structures.js'
import { contract } from './shape.js'

export const tagResource = contract({
  name: 'TagResource',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Tags: { type: 'list', required: true, of: { type: 'structure', members: tag } },
  },
  output: null,
  errors: ['InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException', 'TagException'],
})

export const untagResource = contract({
  name: 'UntagResource',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    TagKeys: { type: 'list', required: true, of: { type: 'string', min: 1, max: 128 } },
  },
  output: null,
  errors: ['InvalidArnException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException', 'TagException'],
})

export const listResourceTags = contract({
  name: 'ListResourceTags',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    Limit: { type: 'integer', min: 1, max: 1000, default: 50 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    Tags: { type: 'list', of: { type: 'structure', members: tag } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'KMSInternalException', 'NotFoundException'],
})
