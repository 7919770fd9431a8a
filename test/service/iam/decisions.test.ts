import { expect } from 'chai'
import { createAlias } from '../../../src/api/aliases.js'
import { generateDataKey } from '../../../src/api/data-keys.js'
import { createGrant } from '../../../src/api/grants.js'
import { explainDecision } from '../../../src/api/iam/decisions.js'
import { createGroup } from '../../../src/api/iam/groups.js'
import { attachPolicy, createPolicy, putInlinePolicy, putPermissionsBoundary } from '../../../src/api/iam/policies.js'
import { createRole } from '../../../src/api/iam/roles.js'
import { createUser } from '../../../src/api/iam/users.js'
import { createKey, describeKey, disableKey, listKeys } from '../../../src/api/keys.js'
import { putKeyPolicy } from '../../../src/api/policies.js'
import type { Output } from '../../../src/api/shape.js'
import type { Caller } from '../../../src/domain/caller.js'
import { KmsError } from '../../../src/domain/errors.js'
import { allowing, identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, administrator, call, region } from '../../support/services.js'
import { callerOf, foreignAdministrator, policyArn, trusting } from './support.js'

type Input = Parameters<typeof call<typeof explainDecision>>[2]
type Explained = Output<typeof explainDecision>

const user = (name: string, account = accountId) => `arn:aws:iam::${account}:user/${name}`
const missing = '1234abcd-12ab-44cd-96ef-1234567890ab'
const document = (...statements: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements })
const allow = (action: string | readonly string[], more: object = {}) => ({ Effect: 'Allow', Action: action, Resource: '*', ...more })

describe('ExplainDecision', () => {
  const on = serviceSuite()
  let KeyId: string
  let arn: string

  beforeEach(async () => {
    const { KeyMetadata } = await call(on.services, createKey, {})
    KeyId = KeyMetadata?.KeyId ?? ''
    arn = KeyMetadata?.Arn ?? ''
  })

  const explain = (input: Input, caller = administrator): Promise<Explained> => call(on.services, explainDecision, input, caller)
  const inline = (UserName: string, text: string, AccountId = accountId) =>
    call(on.services, putInlinePolicy, { AccountId, UserName, PolicyName: 'own', PolicyDocument: text })
  const statementsOf = ({ Statements = [] }: Explained) =>
    Statements.map(({ PolicyType, PolicyName, Statement, Applies }) => [PolicyType, PolicyName, Statement, Applies])

  it('says who has decided, and shows every statement that was looked at', async () => {
    await inline('bob', document(allow('kms:Decrypt', { Sid: 'Use' }), { ...allow('kms:Encrypt'), Effect: 'Deny' }))
    const allowed = await explain({ PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId })
    expect(allowed).to.deep.include({
      EvalDecision: 'allowed', DecidedBy: 'resource policy', PolicyName: 'key policy',
      Statement: 'statement 1 (Enable IAM User Permissions)', AndPolicyName: 'inline policy own', AndStatement: 'statement 1 (Use)',
      KeyPolicyShown: true, IsTruncated: false,
    })
    expect(allowed).to.not.have.property('ErrorCode')
    expect(statementsOf(allowed)).to.deep.equal([
      ['resource policy', 'key policy', 'statement 1 (Enable IAM User Permissions)', true],
      ['identity policy', 'inline policy own', 'statement 1 (Use)', true],
      ['identity policy', 'inline policy own', 'statement 2', false],
    ])
    const denied = await explain({ PrincipalArn: user('bob'), Action: 'kms:Encrypt', KeyId: arn })
    expect(denied).to.deep.include({
      EvalDecision: 'explicitDeny', DecidedBy: 'identity policy', PolicyName: 'inline policy own', Statement: 'statement 2',
      ErrorCode: 'AccessDeniedException',
      ErrorMessage: `User: ${user('bob')} is not authorized to perform: kms:Encrypt on resource: ${arn} with an explicit deny in an `
        + 'identity-based policy',
    })
    const nothing = await explain({ PrincipalArn: user('bob'), Action: 'kms:Sign', KeyId })
    expect(nothing).to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'identity policy' })
    expect(nothing).to.not.have.property('PolicyName')
  })

  it('shows what of a statement fits, and each condition with what it saw', async () => {
    const Condition = { StringEquals: { 'kms:EncryptionContext:tenant': ['1', '2'] }, IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }
    await inline('bob', document(allow('kms:Decrypt', { Condition })))
    const asked = { PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId, EncryptionContext: { tenant: '1' } }
    const without = await explain(asked)
    expect(without.EvalDecision).to.equal('implicitDeny')
    expect(without.Statements?.at(-1)).to.deep.equal({
      PolicyType: 'identity policy', PolicyName: 'inline policy own', Statement: 'statement 1', Effect: 'Allow', Applies: false,
      ActionFits: true, ResourceFits: true, PrincipalFits: true,
      Conditions: [
        { Operator: 'StringEquals', Key: 'kms:EncryptionContext:tenant', Values: ['1', '2'], Seen: ['1'], Holds: true },
        { Operator: 'IpAddress', Key: 'aws:SourceIp', Values: ['192.0.2.0/24'], Holds: false },
      ],
    })
    const ContextEntries = [{ ContextKeyName: 'AWS:SourceIP', ContextKeyValues: ['192.0.2.9'] }]
    expect((await explain({ ...asked, ContextEntries })).EvalDecision).to.equal('allowed')
    expect((await explain({ ...asked, ContextEntries, EncryptionContext: { tenant: '3' } })).EvalDecision).to.equal('implicitDeny')
  })

  it('finds the grant that allows, as a call would', async () => {
    const asked = { PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId }
    expect((await explain(asked)).EvalDecision).to.equal('implicitDeny')
    const { GrantId } = await call(on.services, createGrant, {
      KeyId, GranteePrincipal: user('bob'), Operations: ['Decrypt', 'CreateGrant'],
      Constraints: { EncryptionContextSubset: { tenant: '1' } },
    })
    const EncryptionContext = { tenant: '1', more: 'x' }
    const allowed = { EvalDecision: 'allowed', DecidedBy: 'grant', PolicyName: GrantId }
    expect(await explain({ ...asked, EncryptionContext })).to.deep.include(allowed)
    expect((await explain(asked)).EvalDecision).to.equal('implicitDeny')
    // What it passes on must stay within it.
    const passing = (...operations: readonly string[]) => explain({
      ...asked, Action: 'kms:CreateGrant', EncryptionContext: { tenant: '1' },
      ContextEntries: [{ ContextKeyName: 'kms:GrantOperations', ContextKeyValues: operations }],
    })
    expect((await passing('Decrypt')).EvalDecision).to.equal('allowed')
    expect((await passing('Decrypt', 'Encrypt')).EvalDecision).to.equal('implicitDeny')
  })

  it('takes boundaries, groups, roles, sessions and session policies into account', async () => {
    await call(on.services, createGroup, { GroupName: 'users' })
    await call(on.services, createPolicy, { PolicyName: 'limit', PolicyDocument: document(allow('kms:Encrypt')) })
    await inline('bob', document(allow('kms:*')))
    await call(on.services, putPermissionsBoundary, { UserName: 'bob', PermissionsBoundary: policyArn('limit') })
    const bob = { PrincipalArn: user('bob'), KeyId }
    expect(await explain({ ...bob, Action: 'kms:Encrypt' })).to.deep.include({ EvalDecision: 'allowed' })
    expect(await explain({ ...bob, Action: 'kms:Decrypt' }))
      .to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'permissions boundary' })

    await call(on.services, createRole, { RoleName: 'deploy', Path: '/ci/', AssumeRolePolicyDocument: trusting(accountId) })
    await call(on.services, attachPolicy, { RoleName: 'deploy', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerKeyUser' })
    const session = `arn:aws:sts::${accountId}:assumed-role/deploy/run-7`
    const SessionPolicy = document(allow('kms:Encrypt', { Condition: { StringLike: { 'aws:userid': '*:run-7' } } }))
    for (const PrincipalArn of [`arn:aws:iam::${accountId}:role/ci/deploy`, session]) {
      const asked = { PrincipalArn, KeyId }
      expect((await explain({ ...asked, Action: 'kms:Decrypt' })).EvalDecision).to.equal('allowed')
      expect(await explain({ ...asked, Action: 'kms:Decrypt', SessionPolicy }))
        .to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'session policy' })
      expect((await explain({ ...asked, Action: 'kms:Encrypt', SessionPolicy })).EvalDecision)
        .to.equal(PrincipalArn === session ? 'allowed' : 'implicitDeny')
    }
    await refused(explain({ ...bob, Action: 'kms:Encrypt', SessionPolicy }), 'ValidationException')
    await refused(explain({ PrincipalArn: session, KeyId, Action: 'kms:Encrypt', SessionPolicy: '{' }), 'MalformedPolicyDocumentException')
    const long = document(...Array.from({ length: 60 }, () => allow('kms:Encrypt')))
    await refused(explain({ PrincipalArn: session, KeyId, Action: 'kms:Encrypt', SessionPolicy: long }), 'LimitExceededException')
  })

  it('answers for actions that are about no key, with the identity that they are about', async () => {
    await inline('bob', document(
      allow('kms:ListKeys'), allow('iam:GetUser', { Resource: user('${aws:username}') }),
      allow('iam:DeleteUser', { Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue' } } }),
    ))
    await call(on.services, createUser, { UserName: 'carol', Tags: [{ Key: 'team', Value: 'blue' }] })
    const decision = async (Action: string, ResourceArn?: string) =>
      (await explain({ PrincipalArn: user('bob'), Action, ...ResourceArn !== undefined && { ResourceArn } })).EvalDecision
    expect(await decision('kms:ListKeys')).to.equal('allowed')
    expect(await decision('kms:CreateKey')).to.equal('implicitDeny')
    expect(await decision('iam:GetUser', user('bob'))).to.equal('allowed')
    expect(await decision('iam:GetUser', user('anne'))).to.equal('implicitDeny')
    expect(await decision('iam:DeleteUser', user('carol'))).to.equal('allowed')
    expect(await decision('iam:DeleteUser', user('anne'))).to.equal('implicitDeny')
    expect(await decision('iam:GetUser', user('bob', otherAccountId))).to.equal('implicitDeny')
  })

  const wrong: readonly (readonly [what: string, input: Input, code: 'ValidationException' | 'NoSuchEntityException'])[] = [
    ['an action that there is not', { PrincipalArn: user('bob'), Action: 'kms:Decrpyt', KeyId: missing }, 'ValidationException'],
    ['ReEncrypt, which has two', { PrincipalArn: user('bob'), Action: 'kms:ReEncrypt', KeyId: missing }, 'ValidationException'],
    ['RetireGrant, which the grant decides', { PrincipalArn: user('bob'), Action: 'kms:RetireGrant', KeyId: missing },
      'ValidationException'],
    ['a key for an action on none', { PrincipalArn: user('bob'), Action: 'kms:ListKeys', KeyId: missing }, 'ValidationException'],
    ['no key for an action on one', { PrincipalArn: user('bob'), Action: 'kms:Decrypt' }, 'ValidationException'],
    ['an encryption context for an action without', {
      PrincipalArn: user('bob'), Action: 'kms:Sign', KeyId: missing, EncryptionContext: { a: 'b' },
    }, 'ValidationException'],
    ['a condition key that is none', {
      PrincipalArn: user('bob'), Action: 'kms:ListKeys', ContextEntries: [{ ContextKeyName: 'sourceip', ContextKeyValues: ['x'] }],
    }, 'ValidationException'],
    ['a region that is not served', { PrincipalArn: user('bob'), Action: 'kms:ListKeys', Region: 'mars-1' }, 'ValidationException'],
    ['an account', { PrincipalArn: `arn:aws:iam::${accountId}:root`, Action: 'kms:ListKeys' }, 'ValidationException'],
    ['a user of another account than is named', {
      AccountId: otherAccountId, PrincipalArn: user('bob'), Action: 'kms:ListKeys',
    }, 'ValidationException'],
    ['a user that is not there', { PrincipalArn: user('none'), Action: 'kms:ListKeys' }, 'NoSuchEntityException'],
    ['a user in other letters', { PrincipalArn: user('Bob'), Action: 'kms:ListKeys' }, 'NoSuchEntityException'],
    ['a user under another path', { PrincipalArn: user('dev/bob'), Action: 'kms:ListKeys' }, 'NoSuchEntityException'],
    ['a role that is not there', { PrincipalArn: `arn:aws:sts::${accountId}:assumed-role/none/x`, Action: 'kms:ListKeys' },
      'NoSuchEntityException'],
  ]
  for (const [what, input, code] of wrong) it(`refuses ${what}`, () => refused(explain(input), code))

  it('names a key by its alias as a call does, and asks in the region that is named', async () => {
    await call(on.services, createAlias, { AliasName: 'alias/app', TargetKeyId: KeyId })
    await inline('bob', document(allow('kms:Decrypt', { Condition: { StringEquals: { 'kms:RequestAlias': 'alias/app' } } })))
    const asked = { PrincipalArn: user('bob'), Action: 'kms:Decrypt' }
    expect((await explain({ ...asked, KeyId: 'alias/app' })).EvalDecision).to.equal('allowed')
    expect((await explain({ ...asked, KeyId })).EvalDecision).to.equal('implicitDeny')
    expect((await explain({ ...asked, KeyId: 'alias/app', Region: 'us-east-1' })).ErrorCode).to.equal('AccessDeniedException')
    // A question leaves no managed key behind.
    await explain({ PrincipalArn: administrator.arn, Action: 'kms:Decrypt', KeyId: 'alias/aws/ebs' })
    expect(await on.store.aliases.get(accountId, region, 'alias/aws/ebs')).to.equal(undefined)
  })

  it('does not ask for the state of the key: permission comes first', async () => {
    await call(on.services, disableKey, { KeyId })
    expect((await explain({ PrincipalArn: administrator.arn, Action: 'kms:Decrypt', KeyId })).EvalDecision).to.equal('allowed')
  })

  it('agrees with what real calls are answered', async () => {
    await call(on.services, putKeyPolicy, {
      KeyId, BypassPolicyLockoutSafetyCheck: true, Policy: document(
        { ...allow('kms:*'), Principal: { AWS: user('administrator') } },
        { ...allow(['kms:DescribeKey', 'kms:GenerateDataKey']), Principal: { AWS: [user('anne'), otherAccountId] } },
        { ...allow('kms:GenerateDataKey'), Principal: { AWS: accountId }, Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
        { ...allow('kms:DescribeKey'), Effect: 'Deny', Principal: { AWS: user('anne') } },
      ),
    })
    await inline('bob', document(allow('kms:*')))
    await inline('nobody', document(allow('kms:GenerateDataKey', { Condition: { StringEquals: { 'kms:EncryptionContext:a': 'b' } } })))
    await inline('bob', document(allow('kms:DescribeKey')), otherAccountId)
    const outcomes: unknown[] = []
    for (const principal of [...['administrator', 'anne', 'bob', 'nobody'].map(name => user(name)), user('bob', otherAccountId)]) {
      const caller = await callerOf(on.services, principal)
      for (const EncryptionContext of [{}, { a: 'b' }]) {
        const real = await answerOf(call(on.services, generateDataKey, { KeyId: arn, KeySpec: 'AES_256', EncryptionContext }, caller))
        const explained = await explain({ PrincipalArn: principal, Action: 'kms:GenerateDataKey', KeyId: arn, EncryptionContext })
        expect([explained.EvalDecision === 'allowed', explained.ErrorMessage], principal).to.deep.equal(real)
        outcomes.push(real[0])
      }
      const real = await answerOf(call(on.services, describeKey, { KeyId: arn }, caller))
      const explained = await explain({ PrincipalArn: principal, Action: 'kms:DescribeKey', KeyId: arn })
      expect([explained.EvalDecision === 'allowed', explained.ErrorMessage], principal).to.deep.equal(real)
      outcomes.push(real[0])
    }
    expect(outcomes.filter(Boolean)).to.have.length(9)
    expect(outcomes.filter(outcome => !outcome)).to.have.length(6)
  })

  async function answerOf(act: Promise<unknown>): Promise<readonly [allowed: boolean, message: string | undefined]> {
    try {
      await act
      return [true, undefined]
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      return [false, error.message]
    }
  }

  describe('of a key of another account', () => {
    let theirs: string
    beforeEach(async () => {
      await inline('bob', document(allow('kms:*', { Condition: { StringEquals: { 'kms:KeySpec': 'SYMMETRIC_DEFAULT' } } })))
      const { KeyMetadata } = await call(on.services, createKey, {}, foreignAdministrator)
      theirs = KeyMetadata?.Arn ?? ''
    })
    const setPolicy = (...statements: readonly object[]) => call(on.services, putKeyPolicy, {
      KeyId: theirs, Policy: document({ ...allow('kms:*'), Principal: { AWS: otherAccountId } }, ...statements),
    }, foreignAdministrator)
    const asked = () => ({ PrincipalArn: user('bob'), Action: 'kms:Decrypt' })

    it('tells nothing that depends on what there is', async () => {
      const other = theirs.replace(/[^/]*$/, missing)
      const answers = new Set<string>()
      const ask = async (KeyId: string) => {
        answers.add(JSON.stringify(await explain({ ...asked(), KeyId })).replaceAll(KeyId, 'the key'))
      }
      await ask(other)
      await ask(theirs)
      await setPolicy({ ...allow('kms:Decrypt'), Effect: 'Deny', Principal: { AWS: user('bob') } })
      await ask(theirs)
      // Admitted there, but not by its own policies.
      await setPolicy({ ...allow('kms:Decrypt'), Principal: { AWS: user('bob') }, Condition: { Bool: { 'aws:SecureTransport': 'true' } } })
      await ask(theirs)
      expect([...answers]).to.have.length(1)
      expect([...answers][0]).to.include('"EvalDecision":"implicitDeny"').and.to.not.include('DecidedBy').and.not.include('Seen')
        .and.not.include('resource policy')
    })

    it('tells that a call would be allowed, and no more', async () => {
      await setPolicy({ ...allow('kms:Decrypt', { Sid: 'Secret' }), Principal: { AWS: user('bob') } })
      const { Statements, ...rest } = await explain({ ...asked(), KeyId: theirs })
      expect(rest).to.deep.equal({ EvalDecision: 'allowed', KeyPolicyShown: false, IsTruncated: false })
      expect(JSON.stringify(Statements)).to.not.include('Secret')
    })
  })

  it('shows the owner of a key why a user of another account may use it, or may not', async () => {
    const bob = user('bob', otherAccountId)
    await inline('bob', document(allow('kms:*')), otherAccountId)
    const statement = { ...allow('kms:Decrypt', { Sid: 'Tenant' }), Principal: { AWS: otherAccountId } }
    await call(on.services, putKeyPolicy, {
      KeyId, Policy: document({ ...allow('kms:*'), Principal: { AWS: accountId } }, {
        ...statement, Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } },
      }),
    })
    const asked = { PrincipalArn: bob, KeyId: arn, Action: 'kms:Decrypt' }
    const no = await explain(asked)
    expect(no).to.deep.include({ EvalDecision: 'implicitDeny', DecidedBy: 'resource policy', KeyPolicyShown: true })
    expect(no.ErrorMessage).to.include('because the resource does not exist in this Region')
    expect(statementsOf(no).slice(1)).to.deep.equal([
      ['resource policy', 'key policy', 'statement 2 (Tenant)', false], ['identity policy', 'inline policy own', 'statement 1', true],
    ])
    const ContextEntries = [{ ContextKeyName: 'aws:MultiFactorAuthPresent', ContextKeyValues: ['true'] }]
    expect(await explain({ ...asked, ContextEntries })).to.deep.include({
      EvalDecision: 'allowed', DecidedBy: 'resource policy', Statement: 'statement 2 (Tenant)', AndPolicyName: 'inline policy own',
    })
    const { GrantId } = await call(on.services, createGrant, { KeyId, GranteePrincipal: bob, Operations: ['Encrypt'] })
    expect(await explain({ ...asked, Action: 'kms:Encrypt' })).to.deep.include({
      EvalDecision: 'allowed', DecidedBy: 'grant', PolicyName: GrantId, KeyPolicyShown: true,
    })
    // It is the service that keeps the action in the account, whatever the key is like.
    const outside = { EvalDecision: 'implicitDeny', DecidedBy: 'service', KeyPolicyShown: false }
    expect(await explain({ ...asked, Action: 'kms:DisableKey' })).to.deep.include(outside)
    expect(await explain({ ...asked, Action: 'kms:DisableKey', KeyId: arn.replace(KeyId, missing) })).to.deep.include(outside)
  })

  it('shows nobody else of the account of that key more than the outcome', async () => {
    await inline('bob', document(allow('kms:*')), otherAccountId)
    const asked = { PrincipalArn: user('bob', otherAccountId), Action: 'kms:Encrypt' }
    const auditor = userCaller('auditor', [identityPolicy(allowing('iam:Simulate*'))])
    const answers = new Set<string>()
    const ask = async (key: string) => {
      answers.add(JSON.stringify(await explain({ ...asked, KeyId: key }, auditor)).replaceAll(key, 'the key'))
    }
    await ask(arn)
    await ask(arn.replace(KeyId, missing))
    expect([...answers]).to.have.length(1)
    expect([...answers][0]).to.not.include('DecidedBy').and.not.include('resource policy')
    const ContextEntries = [{ ContextKeyName: 'aws:MultiFactorAuthPresent', ContextKeyValues: ['true'] }]
    for (const KeyId of [arn, arn.replace(/[^/]*$/, missing)]) {
      await refused(explain({ ...asked, KeyId, ContextEntries }, auditor), 'ValidationException')
    }
    await call(on.services, createGrant, { KeyId, GranteePrincipal: asked.PrincipalArn, Operations: ['Encrypt'] })
    const { Statements: _, ...rest } = await explain({ ...asked, KeyId: arn }, auditor)
    expect(rest).to.deep.equal({ EvalDecision: 'allowed', KeyPolicyShown: false, IsTruncated: false })
  })

  it('says that there is no such key or alias to who would be told so', async () => {
    const auditor = userCaller('auditor', [identityPolicy(allowing('iam:Simulate*'))])
    for (const key of ['alias/none', missing]) {
      const asked = { PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId: key }
      expect(await explain(asked)).to.deep.include({ EvalDecision: 'implicitDeny', KeyNotFound: true })
      expect(await explain(asked, auditor)).to.not.have.property('KeyNotFound')
    }
    expect(await explain({ PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId })).to.not.have.property('KeyNotFound')
    const abroad = { PrincipalArn: user('bob', otherAccountId), Action: 'kms:Decrypt', KeyId: 'alias/none' }
    expect(await explain(abroad)).to.not.have.property('KeyNotFound')
  })

  it('tells nothing of a user of another account, whether or not there is one', async () => {
    const byTag = document(allow('iam:GetUser', { Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue' } } }))
    await inline('bob', byTag, otherAccountId)
    await call(on.services, createUser, { UserName: 'carol', Tags: [{ Key: 'team', Value: 'blue' }] })
    const answers = new Set<string>()
    for (const name of ['carol', 'none']) {
      const asked = { PrincipalArn: user('bob', otherAccountId), Action: 'iam:GetUser', ResourceArn: user(name) }
      answers.add(JSON.stringify(await explain(asked, foreignAdministrator)).replaceAll(name, 'x'))
    }
    expect([...answers]).to.have.length(1)
    expect([...answers][0]).to.include('"EvalDecision":"implicitDeny"').and.not.include('Seen')
  })

  it('shows the statements of a key policy to who may read it', async () => {
    const auditor = userCaller('auditor', [identityPolicy(allowing('iam:Simulate*'))])
    await inline('bob', document(allow('kms:Decrypt')))
    const asked = { PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId }
    const blind = await explain(asked, auditor)
    expect(blind).to.deep.include({ EvalDecision: 'allowed', DecidedBy: 'resource policy', KeyPolicyShown: false })
    expect(blind).to.not.have.property('PolicyName')
    expect(blind).to.not.have.property('Statement')
    expect(statementsOf(blind)).to.deep.equal([['identity policy', 'inline policy own', 'statement 1', true]])
    const reader = userCaller('auditor', [identityPolicy(allowing('iam:Simulate*', 'kms:GetKeyPolicy'))])
    expect(await explain(asked, reader)).to.deep.include({ PolicyName: 'key policy', KeyPolicyShown: true })
  })

  it('takes a permission on the one who is asked about, in the own account unless it is that of the installation', async () => {
    const asked = { PrincipalArn: user('bob'), Action: 'kms:ListKeys' }
    const messages = new Set<string>()
    for (const name of ['bob', 'none']) {
      const foreign = explain({ ...asked, PrincipalArn: user(name) }, foreignAdministrator)
      messages.add((await refused(foreign, 'AccessDeniedException')).message)
    }
    expect([...messages]).to.have.length(1)
    const narrow: Caller = userCaller('lead', [identityPolicy({
      Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'iam:SimulatePrincipalPolicy', Resource: user('anne') },
    })])
    await explain({ ...asked, PrincipalArn: user('anne') }, narrow)
    await refused(explain(asked, narrow), 'AccessDeniedException')
    expect((await explain({ ...asked, PrincipalArn: user('administrator', otherAccountId) })).EvalDecision).to.equal('allowed')
  })

  it('records the question, and nothing in the name of the one who is asked about', async () => {
    const before = on.audit.events.length
    await explain({ PrincipalArn: user('bob'), Action: 'kms:Decrypt', KeyId })
    expect(on.audit.events.slice(before)).to.have.length(1)
    expect(on.audit.events.at(-1)).to.deep.include({ eventName: 'ExplainDecision', readOnly: true, responseElements: null })
    expect(on.audit.events.at(-1)?.userIdentity).to.deep.include({ arn: administrator.arn })
    await call(on.services, listKeys, {})
  })
})
