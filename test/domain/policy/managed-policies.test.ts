import { expect } from 'chai'
import { compilePolicyText } from '../../../src/domain/policy/compile.js'
import { decideByPolicies, type Question } from '../../../src/domain/policy/decide.js'
import { defaultPolicy } from '../../../src/domain/policy/default-policy.js'
import { builtInPolicies, builtInPolicy } from '../../../src/domain/policy/managed-policies.js'
import { PolicyRequest } from '../../../src/domain/policy/request.js'
import { factsOf } from '../../../src/service/authorization/facts.js'
import { operations } from '../../../src/service/operations.js'
import { sampleKey } from '../../contract/store-samples.js'
import { accountId, identityPolicy, userCaller } from '../../support/callers.js'

const key = sampleKey(1, { policy: defaultPolicy(accountId) })
const keyPolicy = compilePolicyText(key.policy, { name: 'key policy', kind: 'key' })
const origin = { requestId: '', sourceIp: '127.0.0.1', userAgent: '', secureTransport: false }

/** Under the default key policy, and with nothing but that managed policy. */
function may(policyName: string, action: string): boolean {
  return decided(policyName, action, { policy: keyPolicy, accountId })
}

/** What is about no key. */
function mayOtherwise(policyName: string, action: string): boolean {
  return decided(policyName, action, undefined)
}

function decided(policyName: string, action: string, resource: Question['resource']): boolean {
  const caller = userCaller('anne', [identityPolicy(builtInPolicy(`arn:aws:iam::aws:policy/${policyName}`)?.document ?? '')])
  const facts = factsOf({ caller, region: key.region, origin, time: 0 }, { resource: { accountId, tags: [], key } })
  return decideByPolicies({ caller, request: new PolicyRequest(action, key.arn, facts), resource }).allowed
}

/** All that the API has, by the names of their actions. */
const actions = [...operations.keys()].flatMap(name => name === 'ReEncrypt' ? ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] : [`kms:${name}`])
/** What puts the material of a key to use, as the API names it. */
const using = /:(?:Encrypt|Decrypt|ReEncrypt.*|GenerateDataKey.*|GenerateMac|VerifyMac|Sign|Verify|DeriveSharedSecret|(?:En|De)capsulate)$/
const uses = actions.filter(action => using.test(action))

describe('the managed policies that every account has', () => {
  it('can be read, and found by their ARNs', () => {
    expect(builtInPolicies.map(({ name }) => name)).to.deep.equal([
      'AdministratorAccess', 'ClavigerKeyAdministrator', 'ClavigerKeyUser', 'ClavigerAuditor', 'ClavigerApprover',
    ])
    for (const policy of builtInPolicies) {
      for (const kind of ['identity', 'limit'] as const) compilePolicyText(policy.document, { name: policy.name, kind })
      expect(policy.arn).to.equal(`arn:aws:iam::aws:policy/${policy.name}`)
      expect(builtInPolicy(policy.arn)).to.equal(policy)
    }
    for (const arn of ['arn:aws:iam::aws:policy/None', 'arn:aws:iam::aws:policy/administratoraccess', '__proto__', '']) {
      expect(builtInPolicy(arn)).to.equal(undefined)
    }
  })

  it('know every operation that uses a key', () => { expect(uses).to.have.length(15) })

  it('let an administrator of everything do everything', () => {
    expect(mayOtherwise('AdministratorAccess', 'iam:CreateUser')).to.equal(true)
    expect(actions.filter(action => !may('AdministratorAccess', action))).to.deep.equal([])
  })

  it('let an administrator of keys do everything but use them, or let others use them by a grant', () => {
    expect(actions.filter(action => !may('ClavigerKeyAdministrator', action))).to.have.members([...uses, 'kms:CreateGrant'])
  })

  it('let a user of keys use them and see them, and change nothing', () => {
    expect(actions.filter(action => may('ClavigerKeyUser', action))).to.have.members(
      [...uses, 'kms:DescribeKey', 'kms:GetPublicKey', 'kms:GenerateRandom', 'kms:ListKeys', 'kms:ListAliases'])
  })

  it('let an auditor read, and neither use nor change anything', () => {
    const allowed = actions.filter(action => may('ClavigerAuditor', action))
    expect(allowed.filter(action => !/^kms:(?:Describe|List|Get(?!ParametersForImport))/.test(action))).to.deep.equal([])
    expect(allowed).to.include.members(['kms:DescribeKey', 'kms:ListKeys', 'kms:ListGrants', 'kms:GetKeyPolicy', 'kms:GetKeyLastUsage'])
    const reads = ['cloudtrail:LookupEvents', 'iam:GetUser', 'claviger:GetApprovalRequest', 'claviger:ListApprovalRequests']
    expect(reads.filter(action => !mayOtherwise('ClavigerAuditor', action))).to.deep.equal([])
    const changes = ['iam:CreateUser', 'iam:PutUserPolicy', 'claviger:ApproveRequest', 's3:GetObject']
    expect(changes.filter(action => mayOtherwise('ClavigerAuditor', action))).to.deep.equal([])
  })

  it('keep an auditor from using keys whatever else allows it', () => {
    const both = [...builtInPolicies].filter(({ name }) => /Auditor|KeyUser/.test(name)).map(({ document }) => identityPolicy(document))
    const caller = userCaller('anne', both)
    const facts = factsOf({ caller, region: key.region, origin, time: 0 })
    for (const action of uses) {
      const question = { caller, request: new PolicyRequest(action, key.arn, facts), resource: { policy: keyPolicy, accountId } }
      expect(decideByPolicies(question).reason, action).to.include({ verdict: 'deny', by: 'identity policy' })
    }
  })

  it('let an approver approve, and nothing of keys', () => {
    expect(actions.filter(action => may('ClavigerApprover', action))).to.deep.equal([])
    expect(mayOtherwise('ClavigerApprover', 'claviger:ApproveRequest')).to.equal(true)
  })
})
