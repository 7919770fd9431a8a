/** A managed policy that every account has and nobody changes, under an ARN of the account `aws`. */
export interface BuiltInPolicy { readonly arn: string, readonly name: string, readonly description: string, readonly document: string }

function policy(name: string, description: string, ...statements: readonly object[]): BuiltInPolicy {
  return {
    arn: `arn:aws:iam::aws:policy/${name}`, name, description,
    document: JSON.stringify({ Version: '2012-10-17', Statement: statements }, null, 2),
  }
}

function allow(...actions: readonly string[]): object {
  return { Effect: 'Allow', Action: actions, Resource: '*' }
}

/** What tells of keys and uses none. */
const readKeys = [
  'kms:Describe*', 'kms:List*', 'kms:GetKeyPolicy', 'kms:GetKeyRotationStatus', 'kms:GetKeyLastUsage', 'kms:GetPublicKey',
]
const useKeys = [
  'kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:GenerateMac', 'kms:VerifyMac', 'kms:Sign', 'kms:Verify',
  'kms:DeriveSharedSecret', 'kms:Encapsulate', 'kms:Decapsulate', 'kms:GetPublicKey', 'kms:DescribeKey', 'kms:GenerateRandom',
]

export const administratorAccess = policy('AdministratorAccess', 'Everything, in the account and on keys that leave it to the account.',
  allow('*'))

export const builtInPolicies: readonly BuiltInPolicy[] = [
  administratorAccess,
  policy('ClavigerKeyAdministrator', 'Makes, changes and deletes keys, and uses none.',
    // Nor lets others use them by a grant, which could be oneself in another role.
    { ...allow('kms:*') }, { ...allow(...cryptography(), 'kms:CreateGrant'), Effect: 'Deny' }),
  policy('ClavigerKeyUser', 'Uses keys that leave it to the account, and changes none.',
    allow(...useKeys, 'kms:ListKeys', 'kms:ListAliases')),
  policy('ClavigerAuditor', 'Lists and reads keys, identities and the audit log; uses and changes nothing.',
    allow(
      ...readKeys, 'iam:Get*', 'iam:List*', 'iam:Simulate*', 'organizations:List*', 'cloudtrail:LookupEvents', 'claviger:Get*',
      'claviger:List*',
    ),
    { ...allow(...cryptography()), Effect: 'Deny' }),
  policy('ClavigerApprover', 'Sees, approves and rejects requests that need several people.',
    allow('claviger:ListApprovalRequests', 'claviger:GetApprovalRequest', 'claviger:ApproveRequest', 'claviger:RejectRequest')),
]

/** Operations that put key material to use. */
function cryptography(): readonly string[] {
  return useKeys.filter(action => action !== 'kms:DescribeKey' && action !== 'kms:GetPublicKey' && action !== 'kms:GenerateRandom')
}

const byArn = new Map(builtInPolicies.map(one => [one.arn, one]))

export function builtInPolicy(arn: string): BuiltInPolicy | undefined {
  return byArn.get(arn)
}
