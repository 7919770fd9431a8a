import {
  grantOperation,
} from './enums.js'
import {
  grantConstraints, grantListEntry,
} from './structures.js'
import { contract } from './shape.js'

export const createGrant = contract({
  name: 'CreateGrant',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    GranteePrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
    RetiringPrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
    Operations: { type: 'list', required: true, of: { type: 'enum', values: grantOperation } },
    Constraints: { type: 'structure', members: grantConstraints },
    GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 8192 }, min: 0, max: 10 },
    Name: { type: 'string', min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
    DryRun: { type: 'boolean' },
    GranteeServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
    RetiringServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
  },
  output: {
    GrantToken: { type: 'string', min: 1, max: 8192 },
    GrantId: { type: 'string', min: 1, max: 128 },
  },
  errors: ['DependencyTimeoutException', 'DisabledException', 'DryRunOperationException', 'InvalidArnException', 'InvalidGrantTokenException', 'KMSInternalException', 'KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
})

export const listGrants = contract({
  name: 'ListGrants',
  input: {
    Limit: { type: 'integer', min: 1, max: 1000, default: 50 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    GrantId: { type: 'string', min: 1, max: 128 },
    GranteePrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
    GranteeServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
  },
  output: {
    Grants: { type: 'list', of: { type: 'structure', members: grantListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'InvalidGrantIdException', 'InvalidMarkerException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const listRetirableGrants = contract({
  name: 'ListRetirableGrants',
  input: {
    Limit: { type: 'integer', min: 1, max: 1000, default: 50 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    RetiringPrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
    RetiringServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
  },
  output: {
    Grants: { type: 'list', of: { type: 'structure', members: grantListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['DependencyTimeoutException', 'InvalidArnException', 'InvalidMarkerException', 'KMSInternalException', 'NotFoundException'],
})

export const retireGrant = contract({
  name: 'RetireGrant',
  input: {
    GrantToken: { type: 'string', min: 1, max: 8192 },
    KeyId: { type: 'string', min: 1, max: 2048 },
    GrantId: { type: 'string', min: 1, max: 128 },
    DryRun: { type: 'boolean' },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'DryRunOperationException', 'InvalidArnException', 'InvalidGrantIdException', 'InvalidGrantTokenException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})

export const revokeGrant = contract({
  name: 'RevokeGrant',
  input: {
    KeyId: { type: 'string', required: true, min: 1, max: 2048 },
    GrantId: { type: 'string', required: true, min: 1, max: 128 },
    DryRun: { type: 'boolean' },
  },
  output: null,
  errors: ['DependencyTimeoutException', 'DryRunOperationException', 'InvalidArnException', 'InvalidGrantIdException', 'KMSInternalException', 'KMSInvalidStateException', 'NotFoundException'],
})
