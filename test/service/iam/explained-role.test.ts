import { expect } from 'chai'
import { explainDecision } from '../../../src/api/iam/decisions.js'
import { putInlinePolicy } from '../../../src/api/iam/policies.js'
import { createRole } from '../../../src/api/iam/roles.js'
import { assumeRole } from '../../../src/api/sts.js'
import type { Output } from '../../../src/api/shape.js'
import { KmsError } from '../../../src/domain/errors.js'
import { allowing, identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, administrator, call } from '../../support/services.js'
import { callerOf, foreignAdministrator } from './support.js'

type Input = Parameters<typeof call<typeof explainDecision>>[2]

const user = (name: string, account = accountId) => `arn:aws:iam::${account}:user/${name}`
const roleArn = (name: string, account = accountId) => `arn:aws:iam::${account}:role/${name}`
const assuming = (Resource = '*') => JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'sts:*', Resource } })

/** A trust policy of one statement. */
function trust(arn: string, more: object = {}): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: { Sid: 'Secret', Effect: 'Allow', Principal: { AWS: arn }, Action: ['sts:AssumeRole', 'sts:TagSession'], ...more },
  })
}

describe('ExplainDecision of assuming a role', () => {
  const on = serviceSuite()

  const explain = (PrincipalArn: string, ResourceArn: string, more: Partial<Input> = {}, caller = administrator) =>
    call(on.services, explainDecision, { PrincipalArn, Action: 'sts:AssumeRole', ResourceArn, ...more }, caller)
  const make = (RoleName: string, AssumeRolePolicyDocument: string, caller = administrator) =>
    call(on.services, createRole, { RoleName, AssumeRolePolicyDocument, Path: '/apps/' }, caller)
  const inline = (UserName: string, PolicyDocument: string, AccountId = accountId) =>
    call(on.services, putInlinePolicy, { AccountId, UserName, PolicyName: 'own', PolicyDocument })
  const typesOf = ({ Statements = [] }: Output<typeof explainDecision>) => Statements.map(({ PolicyType }) => PolicyType)

  it('agrees with what real calls are answered', async () => {
    await make('named', trust(user('anne')))
    await make('by-account', trust(accountId))
    await make('abroad', trust(user('bob', otherAccountId)))
    await make('with-id', trust(user('anne'), { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } }))
    await inline('bob', assuming())
    await inline('bob', assuming(), otherAccountId)
    const roles = ['apps/named', 'apps/by-account', 'apps/abroad', 'apps/with-id', 'named', 'apps/none'].map(name => roleArn(name))
    const outcomes: unknown[] = []
    for (const principal of [user('anne'), user('bob'), user('nobody'), user('bob', otherAccountId)]) {
      const caller = await callerOf(on.services, principal)
      for (const RoleArn of [...roles, roleArn('apps/none', otherAccountId)]) {
        const real = await call(on.services, assumeRole, { RoleArn, RoleSessionName: 'me' }, caller).then(() => undefined, messageOf)
        const explained = await explain(principal, RoleArn)
        const what = `${principal} ${RoleArn}`
        expect([explained.EvalDecision === 'allowed', explained.ErrorMessage], what).to.deep.equal([real === undefined, real])
        outcomes.push(real)
      }
    }
    // anne by her name, bob by the account, and he of the other account.
    expect(outcomes.filter(outcome => outcome === undefined)).to.have.length(3)
  })

  function messageOf(error: unknown): string {
    if (!(error instanceof KmsError)) throw error
    return error.message
  }

  it('shows the statements of the trust policy to who may get the role', async () => {
    await make('app', trust(user('anne')))
    const arn = roleArn('apps/app')
    const allowed = await explain(user('anne'), arn)
    expect(allowed).to.deep.include({
      EvalDecision: 'allowed', DecidedBy: 'resource policy', PolicyName: 'trust policy', Statement: 'statement 1 (Secret)',
      TrustPolicyShown: true,
    })
    expect(allowed).to.not.have.property('KeyPolicyShown')
    await inline('bob', assuming(arn))
    const no = await explain(user('bob'), arn)
    expect(no).to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'resource policy', ErrorCode: 'AccessDeniedException' })
    expect(no.Statements?.map(({ PolicyType, Applies, PrincipalFits }) => [PolicyType, Applies, PrincipalFits]))
      .to.deep.equal([['resource policy', false, false], ['identity policy', true, true]])
    expect((await explain(user('anne'), arn, { Action: 'STS:TagSession' })).EvalDecision).to.equal('allowed')
    expect((await explain(user('anne'), arn, { Action: 'sts:SetSourceIdentity' })).EvalDecision).to.equal('implicitDeny')
  })

  it('shows no more than the outcome to who may not, whether or not there is such a role', async () => {
    await make('open', trust(user('anne')))
    await make('closed', trust(user('nobody')))
    await inline('bob', assuming())
    const auditor = userCaller('auditor', [identityPolicy(allowing('iam:Simulate*'))])
    const { Statements, ...rest } = await explain(user('anne'), roleArn('apps/open'), {}, auditor)
    expect(rest).to.deep.equal({ EvalDecision: 'allowed', TrustPolicyShown: false, IsTruncated: false })
    expect(Statements).to.deep.equal([])
    const answers = new Set<string>()
    for (const name of ['open', 'closed', 'none']) {
      answers.add(JSON.stringify(await explain(user('bob'), roleArn(`apps/${name}`), {}, auditor)).replaceAll(name, 'x'))
    }
    expect([...answers]).to.have.length(1)
    expect([...answers][0]).to.include('"EvalDecision":"implicitDeny"').and.not.include('DecidedBy').and.not.include('resource policy')
  })

  it('tells of a role of another account what the call would, but for the account of the installation', async () => {
    const condition = { Condition: { StringEquals: { 'sts:ExternalId': 'x' }, Bool: { 'aws:SecureTransport': 'true' } } }
    await make('open', trust(otherAccountId, { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } }))
    await make('tls', trust(otherAccountId, condition))
    await inline('bob', assuming(), otherAccountId)
    const bob = user('bob', otherAccountId)
    const given = (name: string, value: string) => ({ ContextEntries: [{ ContextKeyName: name, ContextKeyValues: [value] }] })
    const answers = new Set<string>()
    for (const name of ['open', 'tls', 'none']) {
      answers.add(JSON.stringify(await explain(bob, roleArn(`apps/${name}`), {}, foreignAdministrator)).replaceAll(name, 'x'))
    }
    expect([...answers]).to.have.length(1)
    // What the caller may write is told as by a call; the rest of the policy cannot be felt out.
    const open = await explain(bob, roleArn('apps/open'), given('sts:ExternalId', 'x'), foreignAdministrator)
    expect(open).to.deep.include({ EvalDecision: 'allowed', TrustPolicyShown: false })
    expect(typesOf(open)).to.deep.equal(['identity policy'])
    await refused(explain(bob, roleArn('apps/tls'), given('aws:SecureTransport', 'true'), foreignAdministrator), 'ValidationException')
    await refused(explain(bob, roleArn('apps/none'), given('aws:SecureTransport', 'true'), foreignAdministrator), 'ValidationException')
    const shown = await explain(bob, roleArn('apps/tls'), given('aws:SecureTransport', 'true'))
    expect(shown).to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'resource policy', TrustPolicyShown: true })
    expect(typesOf(shown)).to.deep.equal(['resource policy', 'identity policy'])
  })

  const wrong: readonly (readonly [what: string, input: Partial<Input>])[] = [
    ['no role', { Action: 'sts:AssumeRole' }],
    ['what is no role', { Action: 'sts:AssumeRole', ResourceArn: user('anne') }],
    ['a key', { Action: 'sts:AssumeRole', ResourceArn: roleArn('x'), KeyId: '1234abcd-12ab-44cd-96ef-1234567890ab' }],
    ['whom an identity provider vouches for', { Action: 'sts:AssumeRoleWithWebIdentity', ResourceArn: roleArn('x') }],
  ]
  for (const [what, input] of wrong) {
    it(`refuses ${what}`, () => refused(
      call(on.services, explainDecision, { PrincipalArn: user('anne'), Action: '', ...input }), 'ValidationException'))
  }
})
