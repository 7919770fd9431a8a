import type { Members } from '../shape.js'

/*
 * What the operations on identities have in common. Names and limits are those of the IAM API Reference; the forms of names and paths are
 * checked by the service (domain/principal.ts), which answers in words.
 */

/** Of another account than the caller's: for callers of the account of the installation. */
export const ofAccount = { AccountId: { type: 'string', min: 12, max: 12, pattern: '[0-9]+' } } as const satisfies Members

export const entityName = { type: 'string', min: 1, max: 64, pattern: '[\\w+=,.@-]+' } as const
export const groupName = { type: 'string', min: 1, max: 128, pattern: '[\\w+=,.@-]+' } as const
export const policyName = { type: 'string', min: 1, max: 128, pattern: '[\\w+=,.@-]+' } as const
export const requiredName = { ...entityName, required: true } as const
export const requiredGroupName = { ...groupName, required: true } as const
export const requiredPolicyName = { ...policyName, required: true } as const

export const path = { type: 'string', min: 1, max: 512, pattern: '\\/(?:[\\w+=,.@-]+\\/)*' } as const
export const pathPrefix = { type: 'string', min: 1, max: 512, pattern: '\\/[\\w+=,.@\\/-]*' } as const
export const arn = { type: 'string', min: 20, max: 2048 } as const
export const requiredArn = { ...arn, required: true } as const
export const description = { type: 'string', min: 0, max: 1000, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*' } as const
export const document = { type: 'string', min: 1, max: 131072, pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+' } as const
export const requiredDocument = { ...document, required: true } as const
export const maxSessionDuration = { type: 'integer', min: 3600, max: 43200 } as const
export const accessKeyId = { type: 'string', min: 16, max: 128, pattern: '[\\w]+' } as const
export const requiredAccessKeyId = { ...accessKeyId, required: true } as const
export const accessKeyStatus = ['Active', 'Inactive'] as const

/** Of the operations that list. */
export const ofPage = {
  Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  MaxItems: { type: 'integer', min: 1, max: 1000, default: 100 },
} as const satisfies Members

export const pageEnd = {
  IsTruncated: { type: 'boolean' },
  Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
} as const satisfies Members

export const tag = {
  Key: { type: 'string', required: true, min: 1, max: 128 },
  Value: { type: 'string', required: true, min: 0, max: 256 },
} as const satisfies Members

export const tags = { type: 'list', of: { type: 'structure', members: tag }, max: 50 } as const

export const permissionsBoundary = {
  PermissionsBoundaryType: { type: 'string' },
  PermissionsBoundaryArn: arn,
} as const satisfies Members

export const attachedPolicy = { PolicyName: policyName, PolicyArn: arn } as const satisfies Members
export const inlinePolicy = { PolicyName: policyName, PolicyDocument: document } as const satisfies Members
const attachedPolicies = { type: 'list', of: { type: 'structure', members: attachedPolicy } } as const
const inlinePolicies = { type: 'list', of: { type: 'structure', members: inlinePolicy } } as const

export const account = {
  AccountId: { type: 'string' },
  AccountName: { type: 'string' },
  Arn: arn,
  CreateDate: { type: 'timestamp' },
} as const satisfies Members

export const user = {
  UserName: entityName,
  UserId: { type: 'string' },
  Arn: arn,
  Path: path,
  CreateDate: { type: 'timestamp' },
  PermissionsBoundary: { type: 'structure', members: permissionsBoundary },
  Tags: tags,
} as const satisfies Members

/** As GetUser and GetAccountAuthorizationDetails tell of a user: with everything that decides what it may. */
export const userDetail = {
  ...user,
  GroupList: { type: 'list', of: groupName },
  AttachedManagedPolicies: attachedPolicies,
  UserPolicyList: inlinePolicies,
} as const satisfies Members

export const group = {
  GroupName: groupName,
  GroupId: { type: 'string' },
  Arn: arn,
  Path: path,
  CreateDate: { type: 'timestamp' },
} as const satisfies Members

export const groupDetail = {
  ...group,
  AttachedManagedPolicies: attachedPolicies,
  GroupPolicyList: inlinePolicies,
} as const satisfies Members

export const role = {
  RoleName: entityName,
  RoleId: { type: 'string' },
  Arn: arn,
  Path: path,
  CreateDate: { type: 'timestamp' },
  AssumeRolePolicyDocument: document,
  Description: description,
  MaxSessionDuration: maxSessionDuration,
  PermissionsBoundary: { type: 'structure', members: permissionsBoundary },
  Tags: tags,
} as const satisfies Members

export const roleDetail = {
  ...role,
  AttachedManagedPolicies: attachedPolicies,
  RolePolicyList: inlinePolicies,
} as const satisfies Members

export const policy = {
  PolicyName: policyName,
  PolicyId: { type: 'string' },
  Arn: arn,
  Path: path,
  Description: description,
  CreateDate: { type: 'timestamp' },
  UpdateDate: { type: 'timestamp' },
} as const satisfies Members

export const policyDetail = { ...policy, PolicyDocument: document } as const satisfies Members

export const accessKeyLastUsed = {
  LastUsedDate: { type: 'timestamp' },
  ServiceName: { type: 'string' },
  Region: { type: 'string' },
} as const satisfies Members

export const accessKeyMetadata = {
  UserName: entityName,
  AccessKeyId: accessKeyId,
  Status: { type: 'enum', values: accessKeyStatus },
  CreateDate: { type: 'timestamp' },
  AccessKeyLastUsed: { type: 'structure', members: accessKeyLastUsed },
} as const satisfies Members

/** The one time that the secret is shown. */
export const newAccessKey = {
  UserName: entityName,
  AccessKeyId: accessKeyId,
  Status: { type: 'enum', values: accessKeyStatus },
  SecretAccessKey: { type: 'string', sensitive: true },
  CreateDate: { type: 'timestamp' },
} as const satisfies Members
