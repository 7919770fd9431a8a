import { expect } from 'chai'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { allowing } from '../support/callers.js'
import { MovedClock } from '../support/clock.js'
import { change, newRole, remove, trusting, trustPolicy } from '../support/roles.js'
import { newTenant, type Tenant } from '../support/tenants.js'
import { ask, attempted, codesOf, doors, refusedAt, type Answer, type Door } from './attacks-suite.js'
import type { RawRequest } from './raw-request.js'
import { elementIn, stsRequest } from './raw-sts.js'
import { suite } from './suite.js'

const minuteMs = 60_000
const unknown = 'UnrecognizedClientException'
const ended = 'ExpiredTokenException'
const denied = 'AccessDeniedException'
const admin = { attachedPolicies: [administratorAccess.arn] }

/** What session credentials sign with. */
interface By extends RawRequest {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly headers: { readonly 'x-amz-security-token': string }
}

function credentialsIn({ body }: Pick<Answer, 'body'>): By {
  const by = {
    accessKeyId: elementIn(body, 'AccessKeyId'), secretAccessKey: elementIn(body, 'SecretAccessKey'),
    headers: { 'x-amz-security-token': elementIn(body, 'SessionToken') },
  }
  expect(by.accessKeyId, body).to.match(/^CVAS/)
  return by
}

describe('an attack with a session, at the three APIs', function suiteOfSessions() {
  this.timeout(20_000)
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const on = suite({ clock })
  let accountId: string
  let roleArn: string
  /** The second session of the same role and the same name, and that of a user. */
  let [own, other, ofUser]: readonly By[] = []

  before(async () => {
    ({ accountId } = on.server.admin)
    roleArn = await newRole(on.server.services, 'worker', { accountId, ...admin })
  })
  beforeEach(async () => {
    clock.advance(minuteMs)
    own = credentialsIn(await assume())
    other = credentialsIn(await assume())
    ofUser = credentialsIn(await ask(on.server, 'sts', 'GetSessionToken', {}))
  })

  const assume = (members: object = {}, request: RawRequest = {}, by: Pick<Tenant, 'url' | 'clock' | 'admin'> = on.server) =>
    ask(by, 'sts', 'AssumeRole', { RoleArn: roleArn, RoleSessionName: 'me', ...members }, request)
  const there = (by: By | undefined): By => {
    if (!by) throw new Error('there are sessions only while tests run')
    return by
  }
  const token = (by: By | undefined) => there(by).headers['x-amz-security-token']
  const withToken = (text: string): RawRequest => ({ ...there(own), headers: { 'x-amz-security-token': text } })

  /** What everybody may ask for who is somebody. */
  const harmless: Readonly<Record<Door, string>> = { kms: 'ListKeys', iam: 'ListUsers', sts: 'GetCallerIdentity' }
  const asked = (door: Door, request: RawRequest) => ask(on.server, door, harmless[door], {}, request)

  async function isRefused(door: Door, request: RawRequest, code: string): Promise<void> {
    const { answer, records } = await attempted(on, () => asked(door, request))
    expect(answer).to.include(refusedAt(door, code))
    expect(codesOf(records)).to.deep.equal([code])
    expect(answer.body).to.not.contain(accountId)
  }

  interface Attack { readonly what: string, readonly request: () => RawRequest, readonly code: string }
  const attacks: readonly Attack[] = [
    { what: 'without its token', request: () => ({ ...there(own), headers: {} }), code: unknown },
    { what: 'with the token of another session', request: () => ({ ...there(own), headers: there(other).headers }), code: unknown },
    { what: 'with the token of a session of a user', request: () => ({ ...there(own), headers: there(ofUser).headers }), code: unknown },
    { what: 'with the access key of another', request: () => ({ ...there(own), accessKeyId: there(other).accessKeyId }), code: unknown },
    { what: 'with the secret of another session', request: () => ({ ...there(own), secretAccessKey: there(other).secretAccessKey }),
      code: 'InvalidSignatureException' },
    { what: 'with a token in other letters', request: () => withToken(token(own).toLowerCase()), code: unknown },
    { what: 'with a token without its end', request: () => withToken(token(own).slice(0, -4)), code: unknown },
    { what: 'with its token put in after signing', code: 'InvalidSignatureException', request: () => ({
      ...there(own), headers: {}, tamper: ({ headers }) => { headers['x-amz-security-token'] = token(own) },
    }) },
    { what: 'with its token exchanged after signing', code: 'InvalidSignatureException', request: () => ({
      ...there(other), headers: there(own).headers, accessKeyId: there(own).accessKeyId,
      tamper: ({ headers }) => { headers['x-amz-security-token'] = token(own) },
    }) },
    { what: 'by a long-term access key in the form of one of a session', code: unknown,
      request: () => ({ accessKeyId: on.server.admin.accessKeyId.replace('CVAK', 'CVAS'), headers: there(own).headers }) },
    { what: 'by a session in the form of a long-term access key', code: unknown,
      request: () => ({ ...there(own), accessKeyId: there(own).accessKeyId.replace('CVAS', 'CVAK') }) },
  ]
  for (const door of doors) {
    for (const { what, request, code } of attacks) {
      it(`${what}, is refused by ${door}`, () => isRefused(door, request(), code))
    }
  }

  it('that has run out is refused by all three, on the second', async () => {
    const by = credentialsIn(await assume({ DurationSeconds: '900' }))
    clock.advance(15 * minuteMs - 1)
    for (const door of doors) expect((await asked(door, by)).status).to.equal(200)
    clock.advance(1)
    for (const door of doors) await isRefused(door, by, ended)
  })

  it('whose role has revoked its sessions is refused by all three, from the answer on', async () => {
    for (const door of doors) expect((await asked(door, there(own))).status).to.equal(200)
    expect(await ask(on.server, 'iam', 'RevokeSessions', { RoleName: 'worker' })).to.include({ status: 200 })
    for (const door of doors) await isRefused(door, there(own), ended)
    // Nor does it become another role any more, or make itself longer.
    expect(await assume({}, there(own))).to.include(refusedAt('sts', ended))
    clock.advance(1)
    expect((await asked('kms', credentialsIn(await assume()))).status).to.equal(200)
  })

  it('of a user who is deleted is refused by all three, also when somebody of its name is made', async () => {
    const leaver = await newTenant(on.server, 'leaver', admin)
    const by = credentialsIn(await ask(leaver, 'sts', 'GetSessionToken'))
    expect((await asked('kms', by)).status).to.equal(200)
    await remove(on.server.services, 'user', 'leaver', accountId)
    for (const door of doors) await isRefused(door, by, unknown)
    await newTenant(on.server, 'leaver', { ...admin, id: 'AIDALEAVERAGAIN' })
    for (const door of doors) await isRefused(door, by, unknown)
  })

  it('of a user is refused by IAM: it would outlive itself by an access key', async () => {
    for (const [operation, input] of [['CreateAccessKey', {}], ['CreateUser', { UserName: 'mallory' }], ['ListUsers', {}]] as const) {
      const { answer, records } = await attempted(on, () => ask(on.server, 'iam', operation, input, there(ofUser)))
      expect(answer).to.include(refusedAt('iam', denied))
      expect(answer.message).to.match(/ with credentials of GetSessionToken$/)
      expect(codesOf(records)).to.deep.equal([denied])
      expect(answer.body).to.not.contain('SecretAccessKey')
    }
    expect((await ask(on.server, 'iam', 'GetUser', { UserName: 'mallory' })).code).to.equal('NoSuchEntityException')
    // The other way is open: a role that the account lets administer it.
    expect((await asked('iam', credentialsIn(await assume({}, there(ofUser))))).status).to.equal(200)
  })

  it('with a policy of its own is refused by IAM what that does not allow, whatever its role may', async () => {
    const Policy = JSON.stringify(allowing('kms:*', 'iam:ListUsers'))
    const by = credentialsIn(await assume({ Policy }))
    expect((await asked('iam', by)).status).to.equal(200)
    for (const [operation, input] of [
      ['CreateUser', { UserName: 'mallory' }], ['UpdateRole', { RoleName: 'worker', Description: 'mine' }],
      ['PutInlinePolicy', { RoleName: 'worker', PolicyName: 'p', PolicyDocument: Policy }], ['RevokeSessions', { RoleName: 'worker' }],
      ['ListApprovalRequests', {}], ['LookupEvents', {}],
    ] as const) {
      const { answer, records } = await attempted(on, () => ask(on.server, 'iam', operation, input, by))
      expect(answer, operation).to.include(refusedAt('iam', denied))
      expect(codesOf(records)).to.deep.equal([denied])
    }
    // A session that it makes in turn has the limits of its own call only: AssumeRole is not in the policy.
    expect(await assume({}, by)).to.include({ status: 403 })
  })

  it('that says it is somebody else along a chain of roles is refused', async () => {
    const by = credentialsIn(await assume({ SourceIdentity: 'anne' }))
    for (const members of [{ SourceIdentity: 'bob' }, { SourceIdentity: 'Anne' }]) {
      const { answer, records } = await attempted(on, () => assume(members, by))
      expect(answer).to.include(refusedAt('sts', denied))
      expect(codesOf(records)).to.deep.equal([denied])
    }
    const next = await assume({}, by)
    expect(elementIn(next.body, 'SourceIdentity')).to.equal('anne')
  })

  it('with a tag that looks like one of its role does not take that away', async () => {
    const locked = { Version: '2012-10-17', Statement: [
      { Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*' },
      { Effect: 'Deny', Action: 'kms:*', Resource: '*', Condition: { StringEquals: { 'aws:PrincipalTag/locked': 'yes' } } },
    ] }
    const noSuchTag = { Condition: { 'ForAllValues:StringNotEqualsIgnoreCase': { 'aws:TagKeys': 'locked' } } }
    const RoleArn = await newRole(on.server.services, 'locked', {
      accountId, tags: [{ key: 'locked', value: 'yes' }], inlinePolicies: { p: JSON.stringify(locked) },
      trustPolicy: trustPolicy(trusting({ AWS: accountId }, noSuchTag)),
    })
    for (const Key of ['locked', 'LOCKED']) {
      expect(await assume({ RoleArn, 'Tags.member.1.Key': Key, 'Tags.member.1.Value': 'no' })).to.include(refusedAt('sts', denied))
    }
    for (const Key of ['loc\u212aed', 'l\u043ecked', 'locked ', '__proto__', 'constructor']) {
      const by = credentialsIn(await assume({ RoleArn, 'Tags.member.1.Key': Key, 'Tags.member.1.Value': 'no' }))
      await isDenied(by)
    }
    await change(on.server.services, 'role', 'locked', { tags: [] }, accountId)
    expect((await asked('kms', credentialsIn(await assume({ RoleArn })))).status).to.equal(200)
  })

  async function isDenied(by: By): Promise<void> {
    const { answer, records } = await attempted(on, () => asked('kms', by))
    expect(answer).to.include(refusedAt('kms', denied))
    expect(answer.message).to.match(/ with an explicit deny in an identity-based policy$/)
    expect(codesOf(records)).to.deep.equal([denied])
  }

  it('for which a user behind a boundary becomes a role is refused, unless the boundary lets it', async () => {
    const boundary = 'arn:aws:iam::aws:policy/ClavigerApprover'
    const bounded = await newTenant(on.server, 'bounded', { ...admin, boundary })
    const { answer, records } = await attempted(on, () => assume({}, {}, bounded))
    expect(answer).to.include(refusedAt('sts', denied))
    expect(codesOf(records)).to.deep.equal([denied])
    await change(on.server.services, 'user', 'bounded', { boundary: administratorAccess.arn }, accountId)
    expect(await assume({}, {}, bounded)).to.include({ status: 200 })
  })

  it('with form fields that are there twice, or under another name, is refused: nobody picks one of them', async () => {
    const form = `Action=AssumeRole&Version=2011-06-15&RoleArn=${encodeURIComponent(roleArn)}&RoleSessionName=me`
    const policy = encodeURIComponent(JSON.stringify(allowing('kms:ListKeys')))
    for (const more of [
      `&Policy=${policy}&Policy=`, `&Policy=${policy}&Polic%79=${policy}`, `&policy=${policy}`, `&Policy.1=${policy}`,
      '&RoleSessionName=you',
      '&Action=GetCallerIdentity', '&__proto__=x', '&__proto__.RoleArn=x', '&constructor.prototype.RoleArn=x', `&Policy[]=${policy}`, '&&',
      '&Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.1.Key=c', '&Tags.member.__proto__.Key=a', '&Tags.member.1e0.Key=a',
      ';Policy=x', '\r\nPolicy=x',
    ]) {
      const { answer, records } = await attempted(on, () => stsRequest(on.server, form + more))
      expect(answer.status, more).to.equal(400)
      expect(answer.code, more).to.be.oneOf(['MalformedInput', 'ValidationError'])
      expect(codesOf(records)).to.have.length(1)
      expect(answer.raw.body).to.not.contain('SecretAccessKey')
    }
  })
})
