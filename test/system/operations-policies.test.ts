import { expect } from 'chai'
import { refusal } from '../support/clients.js'
import { suite } from './suite.js'

const statement = { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'kms:*', Resource: '*' }
const policyOf = (change: object) => JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, ...change }] })

describe('key policies over HTTP', () => {
  const on = suite()

  it('a key without a policy of its own has the default policy', async () => {
    const { id } = await on.newKey()
    const { Policy, PolicyName } = await on.kms.getKeyPolicy({ KeyId: id })
    expect(PolicyName).to.equal('default')
    expect(JSON.parse(Policy ?? '')).to.deep.equal({
      Version: '2012-10-17',
      Id: 'key-default-1',
      Statement: [{
        Sid: 'Enable IAM User Permissions', Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${on.server.admin.accountId}:root` },
        Action: 'kms:*', Resource: '*',
      }],
    })
  })

  it('PutKeyPolicy replaces the policy, which GetKeyPolicy gives back to the letter', async () => {
    const { id, arn } = await on.newKey()
    const policy = `${policyOf({ Sid: 'ä, with a\ttab' })}\n `
    await on.kms.putKeyPolicy({ KeyId: arn, PolicyName: 'default', Policy: policy })
    expect((await on.kms.getKeyPolicy({ KeyId: id, PolicyName: 'default' })).Policy).to.equal(policy)
  })

  it('ListKeyPolicies always answers default', async () => {
    const { id } = await on.newKey()
    const { PolicyNames, Truncated } = await on.kms.listKeyPolicies({ KeyId: id, Limit: 1 })
    expect([PolicyNames, Truncated]).to.deep.equal([['default'], false])
  })

  it('refuses every policy name but default', async () => {
    const { id } = await on.newKey()
    expect((await refusal(on.kms.getKeyPolicy({ KeyId: id, PolicyName: 'other' }))).code).to.equal('NotFoundException')
    expect((await refusal(on.kms.putKeyPolicy({ KeyId: id, PolicyName: 'other', Policy: policyOf({}) }))).code)
      .to.equal('UnsupportedOperationException')
  })

  for (const [title, policy] of [
    ['text that is not JSON', 'Allow everything'],
    ['a list', '[]'],
    ['no statement', '{"Version":"2012-10-17","Statement":[]}'],
    ['an unknown version', '{"Version":"2012-10-18","Statement":[]}'],
    ['an unknown element', policyOf({ Prinzipal: '*' })],
    ['an effect that is not one', policyOf({ Effect: 'allow' })],
    ['a statement without principal', policyOf({ Principal: undefined })],
    ['a principal that is none', policyOf({ Principal: 'everybody' })],
    ['both Action and NotAction', policyOf({ NotAction: 'kms:Decrypt' })],
  ] as const) {
    it(`refuses ${title}, and keeps the old policy`, async () => {
      const { id } = await on.newKey({ Policy: policyOf({}) })
      expect((await refusal(on.kms.putKeyPolicy({ KeyId: id, Policy: policy }))).code).to.equal('MalformedPolicyDocumentException')
      expect((await on.kms.getKeyPolicy({ KeyId: id })).Policy).to.equal(policyOf({}))
    })
  }

  it('takes 32 KiB of policy and no more', async () => {
    const { id } = await on.newKey()
    const room = 32_768 - policyOf({ Sid: '' }).length
    await on.kms.putKeyPolicy({ KeyId: id, Policy: policyOf({ Sid: 'x'.repeat(room) }) })
    expect((await refusal(on.kms.putKeyPolicy({ KeyId: id, Policy: policyOf({ Sid: 'x'.repeat(room + 1) }) }))).code)
      .to.equal('LimitExceededException')
  })
})
