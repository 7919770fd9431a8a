import { expect } from 'chai'
import { contracts } from '../../../src/api/operations.js'
import { keySpecs } from '../../../src/domain/key-spec.js'
import { compilePolicyText } from '../../../src/domain/policy/compile.js'
import { decideByPolicies } from '../../../src/domain/policy/decide.js'
import { separatedPolicy, type Separation } from '../../../src/domain/policy/default-policy.js'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import { parsePolicy } from '../../../src/domain/policy/parse.js'
import { PolicyRequest } from '../../../src/domain/policy/request.js'
import { grantable } from '../../../src/service/grants/fit.js'
import type { Caller } from '../../../src/domain/caller.js'
import { accountId, identityPolicy, userCaller } from '../../support/callers.js'

const arn = `arn:aws:kms:eu-central-1:${accountId}:key/1234abcd-12ab-44cd-96ef-1234567890ab`
const everything = [identityPolicy(administratorAccess.document)]
const [administrator, user, nobody] = [userCaller('boss'), userCaller('worker'), userCaller('nobody')]
const owner = userCaller('owner', everything)
const base: Separation = {
  accountId, administrators: [administrator.arn], users: [user.arn], keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT',
  origin: 'AWS_KMS', multiRegion: false,
}
/** Every action of the API on a key. */
const actions = [...contracts.values()].filter(({ input }) => 'KeyId' in input || 'TargetKeyId' in input || 'AliasName' in input)
  .map(({ name }) => `kms:${name}`).concat('kms:ReEncryptFrom', 'kms:ReEncryptTo')
const cryptography =
  /^kms:(?:Encrypt|Decrypt|ReEncrypt\w*|GenerateDataKey\w*|GenerateMac|VerifyMac|Sign|Verify|Derive\w+|Encapsulate|Decapsulate)$/

function allowed(caller: Caller, of: Partial<Separation> = {}): readonly string[] {
  const policy = compilePolicyText(separatedPolicy({ ...base, ...of }), { name: 'key policy', kind: 'key' })
  return actions.filter(action => decideByPolicies({
    caller, resource: { policy, accountId }, request: new PolicyRequest(action, arn, {
      caller, time: 0, region: 'eu-central-1', sourceIp: undefined, secureTransport: true, userAgent: undefined, referer: undefined,
      sourceArn: undefined, sourceAccount: undefined, resource: undefined, requestAlias: undefined, encryptionContext: undefined,
      requestKeys: () => new Map([['kms:grantisforawsresource', 'false']]),
    }),
  }).allowed)
}

describe('a policy that keeps administrators and users apart', () => {
  it('is a good key policy, whoever is named in it', () => {
    for (const of of [{}, { administrators: [] }, { users: [] }, { administrators: [], users: [] }]) {
      expect(parsePolicy(separatedPolicy({ ...base, ...of }), 'key').statements.length).to.be.greaterThan(0)
    }
  })

  it('lets administrators do nothing with the key, nor give themselves the use of it by a grant', () => {
    const may = allowed(administrator)
    expect(may.filter(action => cryptography.test(action))).to.deep.equal([])
    expect(may).to.not.include('kms:CreateGrant')
    expect(may).to.include.members([
      'kms:PutKeyPolicy', 'kms:ScheduleKeyDeletion', 'kms:CancelKeyDeletion', 'kms:EnableKeyRotation', 'kms:TagResource', 'kms:CreateAlias',
      'kms:RevokeGrant', 'kms:UpdateKeyDescription', 'kms:DisableKey', 'kms:DescribeKey', 'kms:GetKeyPolicy',
    ])
  })

  it('lets users use it and look at it, and nothing else', () => {
    expect(allowed(user).filter(action => !cryptography.test(action))).to.deep.equal(['kms:DescribeKey'])
  })

  it('lets the account administer it by its policies, and not use it', () => {
    expect(allowed(owner)).to.deep.equal(allowed(administrator))
    expect(allowed(nobody)).to.deep.equal([])
  })

  it('lets administrators import and replicate where there is something to it', () => {
    const more = (of: Partial<Separation>) => allowed(administrator, of).filter(action => !allowed(administrator).includes(action))
    expect(more({ origin: 'EXTERNAL' })).to.deep.equal(['kms:ImportKeyMaterial'])
    expect(more({ multiRegion: true })).to.deep.equal(['kms:ReplicateKey'])
  })

  for (const { spec, usages } of keySpecs.values()) {
    for (const { usage } of usages) {
      it(`lets users of a key ${spec} for ${usage} do all that such a key is for`, () => {
        const key = { keySpec: spec, keyUsage: usage }
        const possible = grantable(key).filter(operation => operation !== 'CreateGrant' && operation !== 'RetireGrant')
          .map(operation => `kms:${operation}`)
        expect(allowed(user, key).filter(action => action !== 'kms:ReEncrypt')).to.have.members(possible)
      })
    }
  }
})
