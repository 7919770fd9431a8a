import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { assumeRole } from '../../../src/api/sts.js'
import type { Input } from '../../../src/api/shape.js'
import type { Caller } from '../../../src/domain/caller.js'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import { callerOfAccount } from '../../../src/service/identities/callers.js'
import { allowing, identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { change, newRole, remove, trusting, trustPolicy } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'

type In = Partial<Input<typeof assumeRole>>

const may = identityPolicy(allowing('sts:*'))
const [anne, bob] = [userCaller('anne'), userCaller('bob', [may])]
const stranger = userCaller('anne', [], { accountId: otherAccountId })
const strangerWhoMay = userCaller('anne', [may], { accountId: otherAccountId })
const arnOf = (name: string, account = accountId) => `arn:aws:iam::${account}:role/${name}`
const denied = (caller: Caller) => `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${arnOf('worker')}`

function tagged(Key: string, Value: string): In {
  return { Tags: [{ Key, Value }] }
}

describe('AssumeRole', () => {
  const on = serviceSuite()
  const assume = (caller: Caller, input: In = {}) =>
    call(on.services, assumeRole, { RoleArn: arnOf('worker'), RoleSessionName: 'me', ...input }, caller)

  it('answers credentials and the session that they are of', async () => {
    await newRole(on.services, 'worker', { path: '/team/', trustPolicy: trustPolicy(trusting({ AWS: anne.arn })) })
    const answer = await assume(anne, { RoleArn: `arn:aws:iam::${accountId}:role/team/worker`, DurationSeconds: 900 })
    expect(answer.AssumedRoleUser).to.deep.equal({
      AssumedRoleId: 'AROAWORKER:me', Arn: `arn:aws:sts::${accountId}:assumed-role/worker/me`,
    })
    expect(answer.Credentials?.Expiration.getTime()).to.equal(on.clock.now() + 900_000)
    expect(answer.Credentials?.AccessKeyId).to.match(/^CVAS/)
    expect(answer).to.not.have.any.keys('PackedPolicySize', 'SourceIdentity')
    expect(answer.SessionTokenSize).to.equal(answer.Credentials?.SessionToken.length)
    expect(answer.SessionTokenUtilization).to.be.within(1, 20)
  })

  it('says the same of a role that does not exist, one of another path, and one that may not be assumed', async () => {
    await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting({ AWS: bob.arn })) })
    const arns = [
      arnOf('worker'), arnOf('nothing'), arnOf('Worker'), `arn:aws:iam::${accountId}:role/team/worker`, arnOf('x', otherAccountId),
      arnOf('x', '999999999999'),
    ]
    for (const caller of [anne, userCaller('anne', [may]), stranger, strangerWhoMay]) {
      for (const RoleArn of arns) {
        const { message } = await refused(assume(caller, { RoleArn, DurationSeconds: 43_200 }), 'AccessDeniedException')
        expect(message).to.equal(`User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`)
      }
    }
  })

  it('says in the audit log what decided, and names the role', async () => {
    await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting({ AWS: anne.arn }, { Sid: 'Anne' })) })
    await assume(anne, { SourceIdentity: 'anne' })
    const event = on.audit.events.at(-1)
    expect(event).to.deep.include({ eventSource: 'sts.amazonaws.com', eventName: 'AssumeRole' })
    expect(event?.resources).to.deep.equal([{ ARN: arnOf('worker'), type: 'AWS::IAM::Role', accountId }])
    const decision = {
      resource: arnOf('worker'), verdict: 'allow', by: 'resource policy', policy: 'trust policy', statement: 'statement 1 (Anne)',
    }
    expect(event?.additionalEventData?.authorization).to.deep.equal([
      { action: 'sts:AssumeRole', ...decision }, { action: 'sts:SetSourceIdentity', ...decision },
    ])
    await refused(assume(bob), 'AccessDeniedException')
    expect(on.audit.events.at(-1)?.additionalEventData?.authorization).to.deep.equal([
      { action: 'sts:AssumeRole', resource: arnOf('worker'), verdict: 'not allowed', by: 'resource policy' },
    ])
  })

  it('records what was asked for and which access key was given, and no secret', async () => {
    await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting({ AWS: anne.arn })) })
    const answer = await assume(anne, { ...tagged('team', 'red'), ExternalId: 'contract-1', Policy: JSON.stringify(allowing('kms:*')) })
    const event = on.audit.events.at(-1)
    expect(event?.requestParameters).to.deep.equal({
      roleArn: arnOf('worker'), roleSessionName: 'me', durationSeconds: 3_600, externalId: 'contract-1',
      tags: [{ key: 'team', value: 'red' }], policy: JSON.stringify(allowing('kms:*')),
    })
    expect(event?.responseElements).to.have.nested.property('credentials.accessKeyId', answer.Credentials?.AccessKeyId)
    for (const secret of [answer.Credentials?.SecretAccessKey, answer.Credentials?.SessionToken]) {
      expect(JSON.stringify(event)).not.to.contain(secret)
    }
  })

  it('is refused for the sake of the root of an account', async () => {
    await newRole(on.services, 'worker')
    const { message } = await refused(assume(callerOfAccount(accountId)), 'AccessDeniedException')
    expect(message).to.equal('Roles may not be assumed by root accounts.')
  })

  it('trusts no user of the same name who was made later', async () => {
    await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting({ AWS: anne.arn })) })
    await assume(anne)
    const { message } = await refused(assume({ ...anne, uniqueId: 'AIDAOTHER' }), 'AccessDeniedException')
    expect(message).to.equal(denied(anne))
  })

  it('knows a new trust policy from the next call on', async () => {
    await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting({ AWS: anne.arn })) })
    await assume(anne)
    await change(on.services, 'role', 'worker', { trustPolicy: trustPolicy(trusting({ AWS: bob.arn })) })
    await refused(assume(anne), 'AccessDeniedException')
    await assume(bob)
    await remove(on.services, 'role', 'worker')
    await refused(assume(bob), 'AccessDeniedException')
  })

  it('lets nobody in by a trust policy that cannot be read, and says so in the log', async () => {
    await newRole(on.services, 'worker')
    await change(on.services, 'role', 'worker', { trustPolicy: '{}' })
    await refused(assume(bob), 'AccessDeniedException')
    expect(on.log.entries.map(({ message }) => message)).to.include('the trust policy of a role cannot be read: nobody can assume it')
  })

  describe('bounds', () => {
    beforeEach(async () => {
      await newRole(on.services, 'worker', { trustPolicy: trustPolicy(trusting('*')), maxSessionSeconds: 7_200 })
    })

    const invalid = async (input: In) => (await refused(assume(anne, input), 'ValidationException')).message

    it('the session by what the role allows', async () => {
      expect(await assume(anne, { DurationSeconds: 7_200 })).to.have.property('Credentials')
      expect(await invalid({ DurationSeconds: 7_201 })).to.equal(
        'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.')
    })

    it('what can be asked for: MFA, contexts and ARNs that are no roles are told', async () => {
      const mfa = 'MultiFactorAuthentication is not supported: SerialNumber and TokenCode cannot be used.'
      expect(await invalid({ TokenCode: '123456' })).to.equal(mfa)
      expect(await invalid({ SerialNumber: 'GAHT12345678' })).to.equal(mfa)
      expect(await invalid({ ProvidedContexts: [{ ProviderArn: 'arn:aws:iam::aws:contextProvider/x' }] })).to.contain('not supported')
      for (const RoleArn of [anne.arn, `arn:aws:iam::${accountId}:root`, 'arn:aws:iam::1:role/worker', `${arnOf('worker')} `,
        `arn:aws:sts::${accountId}:assumed-role/worker/me`, `arn:aws:iam::${accountId}:role/*`, `arn:aws:iam::${accountId}:role//worker`]) {
        expect(await invalid({ RoleArn }), RoleArn).to.equal('Request ARN is invalid')
      }
    })

    it('tags: no key twice, whatever its case, none that begins with aws:, and none transitive that is not there', async () => {
      expect(await invalid({ Tags: [{ Key: 'a', Value: 'b' }, { Key: 'A', Value: 'c' }] })).to.contain('Duplicate tag keys found')
      expect(await invalid(tagged('AWS:team', 'x'))).to.contain('reserved')
      expect(await invalid({ ...tagged('team', 'x'), TransitiveTagKeys: ['site'] })).to.contain('transitive')
    })

    it('session policies to policies, of the account of the role or built in, that exist', async () => {
      await refused(assume(anne, { Policy: '{}' }), 'MalformedPolicyDocumentException')
      const withPrincipal = { Statement: { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' } }
      await refused(assume(anne, { Policy: JSON.stringify(withPrincipal) }), 'MalformedPolicyDocumentException')
      for (const arn of [`arn:aws:iam::${otherAccountId}:policy/x`, 'arn:aws:iam::aws:role/x', `arn:aws:iam::${accountId}:user/anne`]) {
        expect(await invalid({ PolicyArns: [{ arn }] })).to.contain('must be a managed policy of the account of the role')
      }
      expect(await invalid({ PolicyArns: [{}] })).to.contain('must be a managed policy')
      const missing = `arn:aws:iam::${accountId}:policy/missing`
      expect(await invalid({ PolicyArns: [{ arn: missing }] })).to.equal(`The policy ${missing} does not exist.`)
      const { PackedPolicySize: size } = await assume(anne, { PolicyArns: [{ arn: administratorAccess.arn }] })
      expect(size).to.be.within(1, 20)
    })

    it('are told to those only who may assume the role', async () => {
      await change(on.services, 'role', 'worker', { trustPolicy: trustPolicy(trusting({ AWS: bob.arn })) })
      const arn = `arn:aws:iam::${accountId}:policy/missing`
      for (const input of [{ DurationSeconds: 43_200 }, { Policy: '{}' }, { PolicyArns: [{ arn }] }]) {
        await refused(assume(anne, input), 'AccessDeniedException')
      }
    })

    it('all of it together, as packed', async () => {
      const Tags = Array.from({ length: 50 }, (_, at) => ({ Key: `key${at}`, Value: randomBytes(192).toString('base64') }))
      const { message } = await refused(assume(anne, { Tags }), 'PackedPolicyTooLargeException')
      expect(message).to.match(/consumes \d{3,}% of allotted space/)
    })
  })
})
