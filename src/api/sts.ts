import { contract, type Contract } from './shape.js'

/* STS as its API Reference has it: what its query protocol calls `Tags.member.1.Key` is the member `Key` of the first of `Tags`. */

const arn = { type: 'string', min: 20, max: 2048, pattern: '[\\t\\n\\r\\u{20}-\\u{7E}\\u{85}\\u{A0}-\\u{D7FF}\\u{E000}-\\u{FFFD}\\u{10000}-\\u{10FFFF}]+' } as const
const roleSessionName = { type: 'string', required: true, min: 2, max: 64, pattern: '[\\w+=,.@-]*' } as const
const sourceIdentity = { type: 'string', min: 2, max: 64, pattern: '[\\w+=,.@-]*' } as const
const policy = { type: 'string', min: 1, max: 2048, pattern: '[\\t\\n\\r\\u{20}-\\u{FF}]+' } as const
const policyArns = { type: 'list', of: { type: 'structure', members: { arn } }, max: 10 } as const
const tagKey = { type: 'string', min: 1, max: 128, pattern: '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+' } as const
const tagValue = { type: 'string', min: 0, max: 256, pattern: '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*' } as const
const serialNumber = { type: 'string', min: 9, max: 256, pattern: '[\\w+=/:,.@-]*' } as const
const tokenCode = { type: 'string', min: 6, max: 6, pattern: '[\\d]*', sensitive: true } as const

const minimumTokenSize = { type: 'integer', min: 0, max: 4096 } as const

const credentials = {
  AccessKeyId: { type: 'string', required: true },
  SecretAccessKey: { type: 'string', required: true, sensitive: true },
  SessionToken: { type: 'string', required: true, sensitive: true },
  Expiration: { type: 'timestamp', required: true },
} as const

const tokenSize = {
  SessionTokenUtilization: { type: 'integer' },
  SessionTokenSize: { type: 'integer' },
} as const

const assumedRoleUser = {
  AssumedRoleId: { type: 'string', required: true },
  Arn: { type: 'string', required: true },
} as const

export const getCallerIdentity = contract({
  name: 'GetCallerIdentity',
  input: {},
  output: {
    UserId: { type: 'string' },
    Account: { type: 'string' },
    Arn: { type: 'string' },
  },
  errors: [],
})

export const getSessionToken = contract({
  name: 'GetSessionToken',
  input: {
    DurationSeconds: { type: 'integer', min: 900, max: 129_600, default: 43_200 },
    SerialNumber: serialNumber,
    TokenCode: tokenCode,
    MinimumSessionTokenSize: minimumTokenSize,
  },
  output: {
    Credentials: { type: 'structure', members: credentials },
    ...tokenSize,
  },
  errors: ['RegionDisabledException'],
})

export const assumeRole = contract({
  name: 'AssumeRole',
  input: {
    RoleArn: { ...arn, required: true },
    RoleSessionName: roleSessionName,
    PolicyArns: policyArns,
    Policy: policy,
    DurationSeconds: { type: 'integer', min: 900, max: 43_200, default: 3_600 },
    Tags: { type: 'list', of: { type: 'structure', members: { Key: { ...tagKey, required: true }, Value: { ...tagValue, required: true } } }, max: 50 },
    TransitiveTagKeys: { type: 'list', of: tagKey, max: 50 },
    ExternalId: { type: 'string', min: 2, max: 1224, pattern: '[\\w+=,.@:/-]*' },
    SerialNumber: serialNumber,
    TokenCode: tokenCode,
    SourceIdentity: sourceIdentity,
    ProvidedContexts: { type: 'list', of: { type: 'structure', members: { ProviderArn: arn, ContextAssertion: { type: 'string', min: 4, max: 2048, sensitive: true } } }, max: 5 },
    MinimumSessionTokenSize: minimumTokenSize,
  },
  output: {
    Credentials: { type: 'structure', members: credentials },
    AssumedRoleUser: { type: 'structure', members: assumedRoleUser },
    PackedPolicySize: { type: 'integer' },
    SourceIdentity: sourceIdentity,
    ...tokenSize,
  },
  errors: ['ExpiredTokenException', 'MalformedPolicyDocumentException', 'PackedPolicyTooLargeException', 'RegionDisabledException'],
})

export const assumeRoleWithWebIdentity = contract({
  name: 'AssumeRoleWithWebIdentity',
  input: {
    RoleArn: { ...arn, required: true },
    RoleSessionName: roleSessionName,
    WebIdentityToken: { type: 'string', required: true, min: 4, max: 20_000, sensitive: true },
    ProviderId: { type: 'string', min: 4, max: 2048 },
    PolicyArns: policyArns,
    Policy: policy,
    DurationSeconds: { type: 'integer', min: 900, max: 43_200, default: 3_600 },
    MinimumSessionTokenSize: minimumTokenSize,
  },
  output: {
    Credentials: { type: 'structure', members: credentials },
    SubjectFromWebIdentityToken: { type: 'string' },
    AssumedRoleUser: { type: 'structure', members: assumedRoleUser },
    PackedPolicySize: { type: 'integer' },
    Provider: { type: 'string' },
    Audience: { type: 'string' },
    SourceIdentity: sourceIdentity,
    ...tokenSize,
  },
  errors: [
    'ExpiredTokenException', 'IDPCommunicationErrorException', 'IDPRejectedClaimException', 'InvalidIdentityTokenException', 'MalformedPolicyDocumentException',
    'PackedPolicyTooLargeException', 'RegionDisabledException',
  ],
})

/** By operation name. */
export const stsContracts: ReadonlyMap<string, Contract> = new Map(
  [getCallerIdentity, getSessionToken, assumeRole, assumeRoleWithWebIdentity].map((one: Contract) => [one.name, one]),
)
