import { expect } from 'chai'
import { explainDecision } from '../../../src/api/iam/decisions.js'
import { putKeyPolicy } from '../../../src/api/policies.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call, newKey } from '../../support/services.js'
import { otherAccountId } from '../../support/callers.js'
import { foreignAdministrator } from './support.js'

const secret = '203.0.113.7'

describe('ExplainDecision about a key of another account', () => {
  const on = serviceSuite()
  let [arn, keyId] = ['', '']

  beforeEach(async () => {
    const { key } = await newKey(on.services)
    ;[arn, keyId] = [key.arn, key.keyId]
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [
      { Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*' },
      {
        Effect: 'Allow', Principal: { AWS: otherAccountId }, Action: 'kms:Decrypt', Resource: '*',
        Condition: { IpAddress: { 'aws:SourceIp': secret } },
      },
    ] })
    await call(on.services, putKeyPolicy, { KeyId: keyId, Policy })
  })

  const asked = () => ({ PrincipalArn: foreignAdministrator.arn, Action: 'kms:Decrypt', KeyId: arn })
  const entries = (value: string) =>
    [{ ContextKeyName: 'aws:SourceIp', ContextKeyValues: [value] } as const]

  it('takes no condition keys: which of them its policy asks for could be guessed, one by one', async () => {
    const texts = new Set<string>()
    for (const value of [secret, '203.0.113.8']) {
      const explaining = call(on.services, explainDecision, { ...asked(), ContextEntries: entries(value) }, foreignAdministrator)
      texts.add((await refused(explaining, 'ValidationException')).message)
    }
    expect(texts.size).to.equal(1)
  })

  it('nor of one that there is not: they are told apart by nothing', async () => {
    const missing = arn.replace(keyId, '1234abcd-12ab-44cd-96ef-1234567890ab')
    const texts = new Set<string>()
    for (const KeyId of [arn, missing]) {
      const explaining = call(on.services, explainDecision, { ...asked(), KeyId, ContextEntries: entries(secret) }, foreignAdministrator)
      texts.add((await refused(explaining, 'ValidationException')).message)
    }
    expect(texts.size).to.equal(1)
  })

  it('says without them what a call would get', async () => {
    expect(await call(on.services, explainDecision, asked(), foreignAdministrator)).to.include({ EvalDecision: 'implicitDeny' })
  })
})
