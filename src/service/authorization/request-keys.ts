import { constraintsOf, grantPrincipal, type GrantConstraints } from '../../domain/grant.js'
import type { Tag } from '../../domain/key.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import type { ContextValue, RequestKeys } from '../../domain/policy/request.js'

/** The members of a call and, of one of its keys, what the need for it says (service/operation.ts). */
export interface AskedOf { readonly input: Members, readonly algorithm?: string }

type Members = Readonly<Record<string, unknown>>

interface Row {
  /** As AWS spells it. */
  readonly key: string
  readonly operations: readonly string[]
  /** undefined: not in the request. */
  readonly read: (input: Members, asked: AskedOf) => unknown
}

/** The condition key has the value of a member. */
function member(key: string, name: string, ...operations: readonly string[]): Row {
  return { key, operations, read: input => input[name] }
}

/** The same of a principal of a grant: of what will be stored, so that an account has one name, and not two. */
function grantPrincipalKey(key: string, name: string): Row {
  return { key, operations: ['CreateGrant'], read: ({ [name]: of }) => typeof of === 'string' ? grantPrincipal(of) : undefined }
}

const dataKeys = [
  'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext',
]
const withTags = ['CreateKey', 'ReplicateKey', 'TagResource', 'CreateUser', 'CreateRole', 'TagPrincipal']

/**
 * Condition keys that only some operations have, and where their values come from (KMS developer guide, Condition keys for AWS KMS). A key
 * for a member with a default is there when the member was left out; kms:BypassPolicyLockoutSafetyCheck and kms:ExpirationModel are not.
 */
const rows: readonly Row[] = [
  {
    key: 'kms:EncryptionAlgorithm', operations: ['Encrypt', 'Decrypt', 'ReEncrypt', ...dataKeys],
    read: (_, { algorithm }) => algorithm ?? 'SYMMETRIC_DEFAULT',
  },
  member('kms:SigningAlgorithm', 'SigningAlgorithm', 'Sign', 'Verify'),
  member('kms:MessageType', 'MessageType', 'Sign', 'Verify'),
  member('kms:MacAlgorithm', 'MacAlgorithm', 'GenerateMac', 'VerifyMac'),
  member('kms:KeyAgreementAlgorithm', 'KeyAgreementAlgorithm', 'DeriveSharedSecret'),
  member('kms:DataKeyPairSpec', 'KeyPairSpec', 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext'),

  ...['kms:KeySpec', 'kms:CustomerMasterKeySpec'].map(key => ({
    key, operations: ['CreateKey'], read: (input: Members) => input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT',
  })),
  ...['kms:KeyUsage', 'kms:CustomerMasterKeyUsage'].map(key => ({
    key, operations: ['CreateKey'], read: (input: Members) => input.KeyUsage ?? 'ENCRYPT_DECRYPT',
  })),
  member('kms:KeyOrigin', 'Origin', 'CreateKey'),
  member('kms:MultiRegion', 'MultiRegion', 'CreateKey'),
  { key: 'kms:MultiRegionKeyType', operations: ['CreateKey'], read: ({ MultiRegion }) => MultiRegion === true ? 'PRIMARY' : undefined },
  member('kms:BypassPolicyLockoutSafetyCheck', 'BypassPolicyLockoutSafetyCheck', 'CreateKey', 'PutKeyPolicy', 'ReplicateKey'),

  member('kms:GrantOperations', 'Operations', 'CreateGrant'),
  {
    key: 'kms:GrantConstraintType', operations: ['CreateGrant'],
    read: ({ Constraints: asked }) => {
      const constraints: Members = { ...constraintsOf(asked as GrantConstraints | undefined) }
      return ['EncryptionContextEquals', 'EncryptionContextSubset'].find(type => constraints[type] !== undefined)
    },
  },
  { key: 'kms:GrantConstraintSourceArn', operations: ['CreateGrant'], read: ({ Constraints: of = {} }) => (of as Members).SourceArn },
  grantPrincipalKey('kms:GranteePrincipal', 'GranteePrincipal'),
  member('kms:GranteeServicePrincipal', 'GranteeServicePrincipal', 'CreateGrant'),
  grantPrincipalKey('kms:RetiringPrincipal', 'RetiringPrincipal'),
  member('kms:RetiringServicePrincipal', 'RetiringServicePrincipal', 'CreateGrant'),
  // True only where a cloud service calls for its user.
  { key: 'kms:GrantIsForAWSResource', operations: ['CreateGrant', 'ListGrants', 'RevokeGrant'], read: () => false },

  member('kms:RotationPeriodInDays', 'RotationPeriodInDays', 'EnableKeyRotation'),
  member('kms:ScheduleKeyDeletionPendingWindowInDays', 'PendingWindowInDays', 'ScheduleKeyDeletion'),
  member('kms:ExpirationModel', 'ExpirationModel', 'ImportKeyMaterial'),
  {
    key: 'kms:ValidTo', operations: ['ImportKeyMaterial'],
    read: ({ ValidTo: time }) => time instanceof Date ? Math.floor(time.getTime() / 1000) : undefined,
  },
  member('kms:WrappingAlgorithm', 'WrappingAlgorithm', 'GetParametersForImport'),
  member('kms:WrappingKeySpec', 'WrappingKeySpec', 'GetParametersForImport'),
  member('kms:ReplicaRegion', 'ReplicaRegion', 'ReplicateKey'),
  member('kms:PrimaryRegion', 'PrimaryRegion', 'UpdatePrimaryRegion'),

  // Of the operations that set one; elsewhere it is the one that the principal has (service/iam/subjects.ts).
  member('iam:PermissionsBoundary', 'PermissionsBoundary', 'CreateUser', 'CreateRole', 'PutPermissionsBoundary'),
  member('iam:PolicyARN', 'PolicyArn', 'AttachPolicy', 'DetachPolicy'),

  {
    key: 'aws:TagKeys', operations: [...withTags, 'UntagResource', 'UntagPrincipal'],
    read: ({ Tags: tags, TagKeys: keys }) => keys ?? (tags === undefined ? undefined : tagsOf(tags).map(({ TagKey }) => TagKey)),
  },
]

const byOperation = new Map<string, readonly Row[]>()
for (const { operations } of rows) for (const name of operations) byOperation.set(name, rows.filter(row => row.operations.includes(name)))

/** Of an operation by its name. `more`: what the members do not tell. */
export function requestKeysOf(operation: string, asked: AskedOf, more: RequestKeys): RequestKeys {
  const keys = new Map(more)
  for (const { key, read } of byOperation.get(operation) ?? []) {
    const value = textOf(read(asked.input, asked))
    if (value !== undefined) keys.set(key.toLowerCase(), value)
  }
  if (withTags.includes(operation)) addTags(keys, asked.input)
  return keys
}

/** Tags whose keys differ in case only are one condition key with several values. */
function addTags(keys: Map<string, ContextValue>, { Tags: tags = [] }: Members): void {
  for (const { TagKey, TagValue } of tagsOf(tags)) {
    const name = `aws:requesttag/${foldCase(TagKey)}`
    const before = keys.get(name)
    keys.set(name, before === undefined ? TagValue : [before, TagValue].flat())
  }
}

/** KMS has names of its own for the two members of a tag. */
function tagsOf(tags: unknown): readonly Tag[] {
  return (tags as readonly (Tag | { readonly Key: string, readonly Value: string })[])
    .map(tag => 'TagKey' in tag ? tag : { TagKey: tag.Key, TagValue: tag.Value })
}

/** Members that are asked for are texts, numbers, booleans or lists of them. */
function textOf(value: unknown): ContextValue | undefined {
  if (Array.isArray(value)) return value.map(String)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
