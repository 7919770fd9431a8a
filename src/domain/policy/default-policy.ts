import type { KeySpec, KeyUsage } from '../key-spec.js'
import type { Origin } from '../key.js'
import { rootArn } from '../principal.js'

/** The policy of a key that was created without one (KMS developer guide, Default key policy). */
export function defaultPolicy(accountId: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [{
      Sid: 'Enable IAM User Permissions',
      Effect: 'Allow',
      Principal: { AWS: rootArn(accountId) },
      Action: 'kms:*',
      Resource: '*',
    }],
  }, null, 2)
}

/** Who looks after a key and who uses it; ARNs of users and roles, of whatever account. */
export interface Separation {
  readonly accountId: string
  readonly administrators: readonly string[]
  readonly users: readonly string[]
  readonly keySpec: KeySpec
  readonly keyUsage: KeyUsage
  readonly origin: Origin
  readonly multiRegion: boolean
}

/**
 * What key administrators do (KMS developer guide, Allows key administrators to administer the KMS key), but without CreateGrant: a grant
 * to oneself would be the use of the key.
 */
const administration = [
  'kms:CreateAlias', 'kms:Describe*', 'kms:Enable*', 'kms:List*', 'kms:Put*', 'kms:Update*', 'kms:Revoke*', 'kms:Disable*', 'kms:Get*',
  'kms:Delete*', 'kms:TagResource', 'kms:UntagResource', 'kms:ScheduleKeyDeletion', 'kms:CancelKeyDeletion', 'kms:RotateKeyOnDemand',
]

const symmetricUse = ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*']

/** What key users do, by the key's usage; a symmetric key has a row of its own. */
const use: Readonly<Record<KeyUsage, readonly string[]>> = {
  ENCRYPT_DECRYPT: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GetPublicKey'],
  SIGN_VERIFY: ['kms:Sign', 'kms:Verify', 'kms:GetPublicKey'],
  GENERATE_VERIFY_MAC: ['kms:GenerateMac', 'kms:VerifyMac'],
  KEY_AGREEMENT: ['kms:DeriveSharedSecret', 'kms:GetPublicKey'],
  ENCAPSULATE_DECAPSULATE: ['kms:Encapsulate', 'kms:Decapsulate', 'kms:GetPublicKey'],
}

/**
 * A policy that keeps the administrators of a key and its users apart. Unlike in the default policy, the policies of the account can only
 * administer: who is not named here cannot use the key, whatever they say. Who may set the policy can still change that, and is seen to.
 */
export function separatedPolicy({ accountId, administrators, users, ...key }: Separation): string {
  const administering = [...administration, ...forOrigin(key)]
  const named = [
    statement('Enable administration by the account', [rootArn(accountId)], administering),
    ...administrators.length > 0 ? [statement('Allow access for Key Administrators', administrators, administering)] : [],
    ...users.length > 0 ? usersStatements(users, key) : [],
  ]
  return JSON.stringify({ Version: '2012-10-17', Id: 'key-separated-1', Statement: named }, null, 2)
}

function forOrigin({ origin, multiRegion }: Pick<Separation, 'origin' | 'multiRegion'>): readonly string[] {
  return [...origin === 'EXTERNAL' ? ['kms:ImportKeyMaterial'] : [], ...multiRegion ? ['kms:ReplicateKey'] : []]
}

function usersStatements(users: readonly string[], { keySpec, keyUsage }: Pick<Separation, 'keySpec' | 'keyUsage'>): readonly object[] {
  const actions = keySpec === 'SYMMETRIC_DEFAULT' ? symmetricUse : use[keyUsage]
  return [
    statement('Allow use of the key', users, [...actions, 'kms:DescribeKey']),
    {
      ...statement('Allow attachment of persistent resources', users, ['kms:CreateGrant', 'kms:ListGrants', 'kms:RevokeGrant']),
      Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
    },
  ]
}

function statement(sid: string, principals: readonly string[], actions: readonly string[]): object {
  return { Sid: sid, Effect: 'Allow', Principal: { AWS: principals }, Action: actions, Resource: '*' }
}
