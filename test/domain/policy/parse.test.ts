import { expect } from 'chai'
import { defaultPolicy } from '../../../src/domain/policy/default-policy.js'
import { parsePolicy, policyBytesMax } from '../../../src/domain/policy/parse.js'
import { refused } from '../../support/refusal.js'

const statement = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::111122223333:root' }, Action: 'kms:*', Resource: '*' }

const parse = (text: string) => parsePolicy(text, 'key')

function policyOf(...statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

describe('key policy document', () => {
  for (const [what, text] of Object.entries({
    'the default policy': defaultPolicy('111122223333'),
    'one statement that is not in a list': JSON.stringify({ Statement: statement }),
    'the version before, and an Id': JSON.stringify({ Version: '2008-10-17', Id: 'a', Statement: [statement] }),
    'several statements, a Sid with spaces': policyOf({ ...statement, Sid: 'a b' }, { ...statement, Effect: 'Deny' }),
    'everybody as principal': policyOf({ ...statement, Principal: '*' }),
    'principals of every kind': policyOf({
      ...statement, Principal: { AWS: ['*', '111122223333'], Service: 'a.amazonaws.com', Federated: 'a', CanonicalUser: 'b' },
    }),
    'the negative elements': policyOf({ Effect: 'Deny', NotPrincipal: { AWS: '*' }, NotAction: ['kms:Decrypt'], NotResource: '*' }),
    'a statement without action and resource, which never applies': policyOf({ Effect: 'Allow', Principal: '*' }),
    'conditions with texts, numbers, booleans and lists': policyOf({
      ...statement,
      Condition: {
        'StringEquals': { 'kms:EncryptionContext:a': 'b' },
        'ForAnyValue:StringLike': { 'kms:EncryptionContextKeys': ['a*', 'b'] },
        'NumericLessThan': { 'kms:RotationPeriodInDays': 400 },
        'Bool': { 'kms:MultiRegion': false },
      },
    }),
  })) {
    it(`may be ${what}`, () => {
      parse(text)
    })
  }

  const { Effect: _effect, ...noEffect } = statement
  const { Principal: _principal, ...noPrincipal } = statement
  for (const [what, text] of Object.entries({
    'not JSON': '{',
    'empty': '',
    'a list': '[]',
    'null': 'null',
    'without a statement': '{}',
    'with an empty list of statements': policyOf(),
    'with a statement that is a text': JSON.stringify({ Statement: ['a'] }),
    'with an unknown element': JSON.stringify({ Statement: [statement], Owner: 'a' }),
    'with __proto__ as an element': `{"__proto__": {}, "Statement": [${JSON.stringify(statement)}]}`,
    'with an unknown element in a statement': policyOf({ ...statement, Actions: 'kms:*' }),
    'of an unknown version': JSON.stringify({ Version: '2020-01-01', Statement: statement }),
    'with an Id that is a number': JSON.stringify({ Id: 1, Statement: statement }),
    'without an effect': policyOf(noEffect),
    'with an effect in small letters': policyOf({ ...statement, Effect: 'allow' }),
    'with a Sid that is a list': policyOf({ ...statement, Sid: ['a'] }),
    'without a principal': policyOf(noPrincipal),
    'with both Principal and NotPrincipal': policyOf({ ...statement, NotPrincipal: '*' }),
    'with both Action and NotAction': policyOf({ ...statement, NotAction: 'kms:*' }),
    'with both Resource and NotResource': policyOf({ ...statement, NotResource: '*' }),
    'with a principal that is a bare ARN': policyOf({ ...statement, Principal: 'arn:aws:iam::111122223333:root' }),
    'with an empty principal': policyOf({ ...statement, Principal: {} }),
    'with a principal of an unknown kind': policyOf({ ...statement, Principal: { Group: 'a' } }),
    'with a principal that is null': policyOf({ ...statement, Principal: null }),
    'with an empty list of principals': policyOf({ ...statement, Principal: { AWS: [] } }),
    'with an action that is a number': policyOf({ ...statement, Action: 1 }),
    'with an empty list of actions': policyOf({ ...statement, Action: [] }),
    'with a resource that is an object': policyOf({ ...statement, Resource: {} }),
    'with a condition that is a list': policyOf({ ...statement, Condition: [] }),
    'with a condition operator that is a text': policyOf({ ...statement, Condition: { StringEquals: 'a' } }),
    'with a condition value that is an object': policyOf({ ...statement, Condition: { StringEquals: { 'a:b': {} } } }),
    'with a condition value that is null': policyOf({ ...statement, Condition: { StringEquals: { 'a:b': [null] } } }),
  })) {
    it(`must not be ${what}`, async () => {
      const { message } = await refused(() => parse(text), 'MalformedPolicyDocumentException')
      expect(message).to.not.equal('')
    })
  }

  it('names invalid principals in the words of AWS KMS', async () => {
    const text = policyOf({ ...statement, Principal: 'a' })
    const { message } = await refused(() => parse(text), 'MalformedPolicyDocumentException')
    expect(message).to.equal('Policy contains a statement with one or more invalid principals. (statement 1: "a")')
  })

  it(`must not be larger than ${policyBytesMax} bytes`, async () => {
    const text = policyOf(statement)
    const padded = (bytes: number) => text + ' '.repeat(bytes - text.length)
    parse(padded(policyBytesMax))
    await refused(() => parse(padded(policyBytesMax + 1)), 'LimitExceededException')
    // Bytes, not characters.
    await refused(() => parse(policyOf({ ...statement, Sid: 'é'.repeat(policyBytesMax / 2) })), 'LimitExceededException')
  })
})
