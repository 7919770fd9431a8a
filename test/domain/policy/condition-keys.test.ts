import { expect } from 'chai'
import { conditionKey, conditionKeys, ignoresCase, readKey, type KeyType } from '../../../src/domain/policy/condition-keys.js'
import type { PolicyRequest } from '../../../src/domain/policy/request.js'

/** As KMS and IAM document them (KMS developer guide, Condition keys for AWS KMS; IAM User Guide, Global condition context keys). */
const documented: Readonly<Record<string, KeyType | readonly ['several', KeyType]>> = {
  'kms:CallerAccount': 'String', 'kms:ViaService': 'String', 'kms:KeySpec': 'String', 'kms:CustomerMasterKeySpec': 'String',
  'kms:KeyUsage': 'String', 'kms:CustomerMasterKeyUsage': 'String', 'kms:KeyOrigin': 'String', 'kms:MultiRegion': 'Bool',
  'kms:MultiRegionKeyType': 'String', 'kms:ResourceAliases': ['several', 'String'], 'kms:RequestAlias': 'String',
  'kms:EncryptionContext:<name>': 'String', 'kms:EncryptionContextKeys': ['several', 'String'], 'kms:EncryptionAlgorithm': 'String',
  'kms:SigningAlgorithm': 'String', 'kms:MessageType': 'String', 'kms:MacAlgorithm': 'String', 'kms:KeyAgreementAlgorithm': 'String',
  'kms:DataKeyPairSpec': 'String', 'kms:ReEncryptOnSameKey': 'Bool', 'kms:GrantOperations': ['several', 'String'],
  'kms:GrantConstraintType': 'String', 'kms:GrantConstraintSourceArn': 'ARN', 'kms:GranteePrincipal': 'String',
  'kms:GranteeServicePrincipal': 'String', 'kms:RetiringPrincipal': 'String', 'kms:RetiringServicePrincipal': 'String',
  'kms:GrantIsForAWSResource': 'Bool', 'kms:BypassPolicyLockoutSafetyCheck': 'Bool', 'kms:RotationPeriodInDays': 'Numeric',
  'kms:ScheduleKeyDeletionPendingWindowInDays': 'Numeric', 'kms:TrailingDaysWithoutKeyUsage': 'Numeric', 'kms:ExpirationModel': 'String',
  // A timestamp, in seconds since the epoch.
  'kms:ValidTo': 'Date', 'kms:WrappingAlgorithm': 'String', 'kms:WrappingKeySpec': 'String', 'kms:ReplicaRegion': 'String',
  'kms:PrimaryRegion': 'String', 'kms:RecipientAttestation:<measurement>': 'String',

  'aws:PrincipalArn': 'ARN', 'aws:PrincipalAccount': 'String', 'aws:PrincipalType': 'String', 'aws:PrincipalTag/<key>': 'String',
  'aws:PrincipalIsAWSService': 'Bool', 'aws:PrincipalServiceName': 'String', 'aws:PrincipalOrgID': 'String',
  'aws:PrincipalOrgPaths': ['several', 'String'], 'aws:userid': 'String', 'aws:username': 'String', 'aws:SourceIp': 'IP',
  'aws:SecureTransport': 'Bool', 'aws:CurrentTime': 'Date', 'aws:EpochTime': 'Date', 'aws:RequestedRegion': 'String',
  'aws:ResourceTag/<key>': 'String', 'aws:RequestTag/<key>': 'String', 'aws:TagKeys': ['several', 'String'],
  'aws:ResourceAccount': 'String',
  'aws:MultiFactorAuthPresent': 'Bool', 'aws:MultiFactorAuthAge': 'Numeric', 'aws:TokenIssueTime': 'Date', 'aws:SourceIdentity': 'String',
  'aws:FederatedProvider': 'String', 'aws:UserAgent': 'String', 'aws:Referer': 'String', 'aws:SourceArn': 'ARN',
  'aws:SourceAccount': 'String', 'aws:ViaAWSService': 'Bool', 'aws:CalledVia': ['several', 'String'], 'aws:SourceVpc': 'String',
  'aws:SourceVpce': 'String', 'aws:VpcSourceIp': 'IP',
}

describe('the condition keys of KMS and AWS', () => {
  const known = conditionKeys.filter(({ name }) => /^(?:kms|aws):/.test(name))

  it('are those that are documented, with their types', () => {
    const table = Object.fromEntries(known.map(({ name, type, multi }) => [name, multi ? ['several', type] : type]))
    expect(table).to.deep.equal(documented)
  })

  it('are each there once, in whatever case', () => {
    const names = conditionKeys.map(({ name }) => name.toLowerCase())
    expect(new Set(names).size).to.equal(names.length)
  })

  it('are for policies of identities only in one case', () => {
    expect(conditionKeys.filter(({ identityOnly }) => identityOnly).map(({ name }) => name)).to.deep.equal(['kms:ResourceAliases'])
  })

  it('are compared without regard to case where they are digits of a measurement', () => {
    expect(['kms:RecipientAttestation:PCR0', 'KMS:recipientattestation:imagesha384'].map(ignoresCase)).to.deep.equal([true, true])
    expect(['kms:RecipientAttestation', 'kms:KeySpec', 'kms:EncryptionContext:PCR0'].map(ignoresCase)).to.deep.equal([false, false, false])
  })
})

describe('a condition key that the service does not know', () => {
  const read = (name: string, keys: Readonly<Record<string, string>>) =>
    readKey(name, conditionKey(name), 'trust', { facts: {}, requestKeys: new Map(Object.entries(keys)) } as unknown as PolicyRequest)

  it('may be one of an identity provider', () => {
    expect(read('issuer.example/path:sub', { 'issuer.example/path:sub': 'anne' })).to.equal('anne')
  })

  for (const name of ['__proto__', 'constructor:x', 'aws:nosuchkey', 'kms:EncryptionContext', 'aws:PrincipalTag', 'kms:', 'toString:a']) {
    it(`is absent: ${name}`, () => { expect(read(name, {})).to.equal(undefined) })
  }
})
