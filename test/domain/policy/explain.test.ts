import { expect } from 'chai'
import { compilePolicyText } from '../../../src/domain/policy/compile.js'
import { decideByPolicies, type Question } from '../../../src/domain/policy/decide.js'
import { explain, type StatementTrace } from '../../../src/domain/policy/explain.js'
import { PolicyRequest, type ContextValue, type RequestFacts } from '../../../src/domain/policy/request.js'
import type { Caller } from '../../../src/domain/caller.js'
import { accountId, allowing, identityPolicy, userCaller } from '../../support/callers.js'

const key = `arn:aws:kms:eu-central-1:${accountId}:key/1234abcd-12ab-44cd-96ef-1234567890ab`

function question(caller: Caller, keyPolicy: object, of: Partial<RequestFacts> = {}, action = 'kms:Decrypt'): Question {
  const facts: RequestFacts = {
    caller, time: 0, region: 'eu-central-1', sourceIp: '192.0.2.1', secureTransport: true, userAgent: undefined, referer: undefined,
    sourceArn: undefined, sourceAccount: undefined, resource: undefined, requestAlias: undefined, encryptionContext: { tenant: '1' },
    requestKeys: () => new Map(), ...of,
  }
  return {
    caller, request: new PolicyRequest(action, key, facts),
    resource: { accountId, policy: compilePolicyText(JSON.stringify(keyPolicy), { name: 'key policy', kind: 'key' }) },
  }
}

const statement = (of: object) => ({ Effect: 'Allow', Principal: { AWS: accountId }, Action: 'kms:*', Resource: '*', ...of })
const policy = (...of: readonly object[]) => ({ Version: '2012-10-17', Statement: of.map(statement) })
const parts = ({ applies, action, naming, resource, missing }: StatementTrace) => ({ applies, action, naming, resource, missing })

describe('explain', () => {
  const anne = userCaller('anne', [identityPolicy(allowing('kms:Decrypt'), 'own')])

  it('shows every statement of every policy, in the order in which they are asked', () => {
    const everywhere: Caller = {
      ...anne, boundary: identityPolicy(allowing('*'), 'limit'),
      session: { issuedAt: 0, expiresAt: 1, policies: [identityPolicy(allowing('kms:*'), 'of the session')] },
    }
    const asked = question(everywhere, policy({ Sid: 'A' }, { Sid: 'B', Effect: 'Deny', Action: 'kms:Encrypt' }))
    expect(explain(asked).map(({ by, policy: name, statement: of, effect, applies }) => [by, name, of, effect, applies])).to.deep.equal([
      ['resource policy', 'key policy', 'statement 1 (A)', 'Allow', true],
      ['resource policy', 'key policy', 'statement 2 (B)', 'Deny', false],
      ['identity policy', 'own', 'statement 1', 'Allow', true],
      ['permissions boundary', 'limit', 'statement 1', 'Allow', true],
      ['session policy', 'of the session', 'statement 1', 'Allow', true],
    ])
  })

  const rows: readonly (readonly [what: string, of: object, expected: object])[] = [
    ['the action', { Action: 'kms:Encrypt' }, { applies: false, action: false }],
    ['the resource', { Resource: `${key}0` }, { applies: false, resource: false }],
    ['the principal', { Principal: { AWS: `arn:aws:iam::${accountId}:user/bob` } }, { applies: false, naming: undefined }],
    ['nothing', {}, {}],
    ['nothing, and names the user', { Principal: { AWS: anne.arn } }, { naming: 'user' }],
    ['nothing, and names everybody', { Principal: '*' }, { naming: 'anyone' }],
    ['a condition', { Condition: { StringEquals: { 'kms:EncryptionContext:tenant': '2' } } }, { applies: false }],
    ['a variable that has no value', { Condition: { StringEquals: { 'aws:userid': '${aws:PrincipalTag/none}' } } },
      { applies: false, missing: ['aws:principaltag/none'] }],
  ]
  for (const [what, of, expected] of rows) {
    it(`says that ${what} does not fit`, () => {
      const [trace] = explain(question(anne, policy(of)))
      if (!trace) throw new Error('there is no trace')
      expect(parts(trace)).to.deep.equal({ applies: true, action: true, naming: 'account', resource: true, missing: [], ...expected })
    })
  }

  it('shows each condition with the values that it saw', () => {
    const Condition = {
      'StringEquals': { 'kms:EncryptionContext:Tenant': ['1', '2'] },
      'ForAnyValue:StringLike': { 'kms:EncryptionContextKeys': 'ten*' },
      'IpAddress': { 'aws:SourceIp': '198.51.100.0/24' },
      'StringEqualsIfExists': { 'kms:ViaService': 's3.example' },
      'Null': { 'kms:RequestAlias': 'false' },
    }
    const [trace] = explain(question(anne, policy({ Condition })))
    expect(trace?.conditions).to.deep.equal([
      { operator: 'StringEquals', key: 'kms:EncryptionContext:Tenant', values: ['1', '2'], seen: ['1'], holds: true },
      { operator: 'ForAnyValue:StringLike', key: 'kms:EncryptionContextKeys', values: ['ten*'], seen: ['tenant'], holds: true },
      { operator: 'IpAddress', key: 'aws:SourceIp', values: ['198.51.100.0/24'], seen: ['192.0.2.1'], holds: false },
      { operator: 'StringEqualsIfExists', key: 'kms:ViaService', values: ['s3.example'], seen: [], holds: true },
      { operator: 'Null', key: 'kms:RequestAlias', values: ['false'], seen: [], holds: false },
    ])
  })

  it('takes what is given for what the request has, in any case, in conditions and in variables', () => {
    const given = new Map<string, ContextValue>([
      ['aws:sourceip', '198.51.100.7'], ['kms:viaservice', 's3.example'], ['aws:username', 'bob'], ['aws:principaltag/team', 'blue'],
    ])
    const Condition = {
      IpAddress: { 'AWS:SourceIp': '198.51.100.0/24' }, StringEquals: { 'kms:ViaService': 's3.example', 'aws:PrincipalTag/Team': 'blue' },
      StringLike: { 'kms:EncryptionContext:tenant': '${aws:username}' },
    }
    const asked = question(anne, policy({ Condition }), { given, encryptionContext: { tenant: 'bob' } })
    expect(explain(asked)[0]?.applies).to.equal(true)
    expect(decideByPolicies(asked).allowed).to.equal(true)
    expect(decideByPolicies(question(anne, policy({ Condition }), { encryptionContext: { tenant: 'bob' } })).allowed).to.equal(false)
  })

  it('is bounded in work, and what takes too much of it does not fit', () => {
    const endless = policy({ Condition: { StringLike: { 'kms:EncryptionContext:tenant': `*${'a'.repeat(1_500)}b` } } })
    const asked = question(anne, endless, { encryptionContext: { tenant: 'a'.repeat(60_000) } })
    const [trace] = explain(asked)
    expect([trace?.applies, trace?.conditions[0]?.holds]).to.deep.equal([false, false])
    expect(decideByPolicies(asked).reason).to.deep.equal({ verdict: 'deny', by: 'service' })
  })

  it('agrees with the decision: who is allowed is allowed by a statement that applies, who is denied by one that does', () => {
    const effects = ['Allow', 'Deny'] as const
    const principals = [{ AWS: accountId }, { AWS: anne.arn }, { AWS: `arn:aws:iam::${accountId}:user/bob` }, '*'] as const
    const actions = ['kms:Decrypt', 'kms:De*', 'kms:Encrypt'] as const
    let decided = 0
    for (const Effect of effects) for (const Principal of principals) for (const Action of actions) {
      const asked = question(anne, policy({ Sid: 'first', Effect, Principal, Action }, { Sid: 'second' }))
      const { reason: { verdict, policy: name, statement: of } } = decideByPolicies(asked)
      const found = explain(asked).find(trace => trace.policy === name && trace.statement === of)
      if (verdict === 'no') continue
      expect(found).to.deep.include({ applies: true, effect: verdict === 'allow' ? 'Allow' : 'Deny' })
      decided++
    }
    expect(decided).to.equal(24)
  })
})
