import { expect } from 'chai'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { allowing, otherAccountId, sampleUser } from '../support/callers.js'
import { MovedClock } from '../support/clock.js'
import { change, newRole, remove, trusting, trustPolicy } from '../support/roles.js'
import { newAccessKey } from '../../src/service/credentials.js'
import { firstRoots } from '../../src/service/roots.js'
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js'
import { elementIn, stsRequest, unsigned, type StsAnswer } from './raw-sts.js'
import { suite } from './suite.js'

const minuteMs = 60_000
const unknown = { __type: 'UnrecognizedClientException', message: 'The security token included in the request is invalid.' }
const ended = { __type: 'ExpiredTokenException', message: 'The security token included in the request is expired' }

/** How a request is signed by temporary credentials. */
interface By {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly headers: { readonly 'x-amz-security-token': string }
}

describe('an attack with session credentials', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const on = suite({ clock })
  let roleArn: string
  let keyId: string

  before(async () => {
    const { services, admin: { accountId } } = on.server
    keyId = (await on.newKey()).id
    roleArn = await newRole(services, 'worker', { accountId, attachedPolicies: [administratorAccess.arn] })
  })
  afterEach(() => clock.advance(minuteMs))

  const assume = (members: object = {}, request: RawRequest = {}): Promise<StsAnswer> =>
    stsRequest(on.server, { Action: 'AssumeRole', RoleArn: roleArn, RoleSessionName: 'me', ...members }, request)

  function credentialsIn({ raw: { body } }: StsAnswer): By {
    const by = {
      accessKeyId: elementIn(body, 'AccessKeyId'), secretAccessKey: elementIn(body, 'SecretAccessKey'),
      headers: { 'x-amz-security-token': elementIn(body, 'SessionToken') },
    }
    expect(by.accessKeyId, body).to.match(/^CVAS/)
    return by
  }

  /** What a call to KMS with them is answered. */
  const listKeys = (by: RawRequest): Promise<RawAnswer> => rawRequest(on.server, { operation: 'ListKeys', ...by })
  const refusedBy = async (by: RawRequest) => (await listKeys(by)).json

  it('is none: genuine ones are taken, by KMS and by STS', async () => {
    const by = credentialsIn(await assume())
    expect((await listKeys(by)).status).to.equal(200)
    expect((await stsRequest(on.server, { Action: 'GetCallerIdentity' }, by)).status).to.equal(200)
  })

  it('is refused when they have expired, on the very second', async () => {
    const by = credentialsIn(await assume({ DurationSeconds: '900' }))
    clock.advance(15 * minuteMs - 1)
    expect((await listKeys(by)).status).to.equal(200)
    clock.advance(1)
    expect(await refusedBy(by)).to.deep.equal(ended)
    const answer = await stsRequest(on.server, { Action: 'GetCallerIdentity' }, by)
    expect(answer).to.include({ status: 403, code: 'ExpiredToken', message: ended.message })
  })

  it('is refused when those of the role were revoked', async () => {
    const { services, admin: { accountId } } = on.server
    const by = credentialsIn(await assume())
    expect((await listKeys(by)).status).to.equal(200)
    await change(services, 'role', 'worker', { sessionsRevokedAt: clock.now() }, accountId)
    expect(await refusedBy(by)).to.deep.equal(ended)
    clock.advance(1)
    expect((await listKeys(credentialsIn(await assume()))).status).to.equal(200)
  })

  it('is refused when the role was deleted, and when one of the same name was made', async () => {
    const { services, admin: { accountId } } = on.server
    const RoleArn = await newRole(services, 'passing', { accountId, attachedPolicies: [administratorAccess.arn] })
    const by = credentialsIn(await assume({ RoleArn }))
    expect((await listKeys(by)).status).to.equal(200)
    await remove(services, 'role', 'passing', accountId)
    expect(await refusedBy(by)).to.deep.equal(unknown)
    await newRole(services, 'passing', { accountId, id: 'AROAPASSINGAGAIN', attachedPolicies: [administratorAccess.arn] })
    expect(await refusedBy(by)).to.deep.equal(unknown)
  })

  it('is refused without the token, with that of others, with a part of it, and with one bit of another', async () => {
    const [by, other] = [credentialsIn(await assume()), credentialsIn(await assume())]
    const { 'x-amz-security-token': token } = by.headers
    const flipped = Buffer.from(token, 'base64')
    flipped[40] = (flipped[40] ?? 0) ^ 1
    const tokens = [
      other.headers['x-amz-security-token'], token.slice(0, -4), `${token}AAAA`, flipped.toString('base64'), 'token', `${token},${token}`,
    ]
    const { accessKeyId, secretAccessKey } = by
    expect(await refusedBy({ accessKeyId, secretAccessKey })).to.deep.equal(unknown)
    for (const one of tokens) {
      expect(await refusedBy({ accessKeyId, secretAccessKey, headers: { 'x-amz-security-token': one } })).to.deep.equal(unknown)
    }
  })

  it('is refused with a genuine token and the signature of another key', async () => {
    const [by, other] = [credentialsIn(await assume()), credentialsIn(await assume())]
    for (const secretAccessKey of [other.secretAccessKey, on.server.admin.secretAccessKey]) {
      expect(await refusedBy({ ...by, secretAccessKey })).to.have.property('__type', 'InvalidSignatureException')
    }
    // A token with a long-term access key is nothing: its caller is whoever has signed.
    const { accessKeyId, secretAccessKey } = on.server.admin
    const answer = await stsRequest(on.server, { Action: 'GetCallerIdentity' }, { accessKeyId, secretAccessKey, headers: by.headers })
    expect(elementIn(answer.raw.body, 'Arn')).to.match(/:user\/administrator$/)
  })

  it('is refused with a token that was put in after signing', async () => {
    const by = credentialsIn(await assume())
    const { 'x-amz-security-token': token } = by.headers
    const { accessKeyId, secretAccessKey } = by
    const added = await refusedBy({ accessKeyId, secretAccessKey, tamper: sent => { sent.headers['x-amz-security-token'] = token } })
    expect(added).to.deep.equal({
      __type: 'InvalidSignatureException', message: "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization.",
    })
  })

  it('is refused for a wider policy than that of the role', async () => {
    const { services, admin: { accountId } } = on.server
    const RoleArn = await newRole(services, 'reader', { accountId, inlinePolicies: { read: JSON.stringify(allowing('kms:ListKeys')) } })
    const by = credentialsIn(await assume({ RoleArn, Policy: JSON.stringify(allowing('*')) }))
    expect((await listKeys(by)).status).to.equal(200)
    const answer = await rawRequest(on.server, { operation: 'Encrypt', input: { KeyId: keyId, Plaintext: 'eA==' }, ...by })
    expect(answer.json).to.have.property('__type', 'AccessDeniedException')
    expect(await refusedBy(credentialsIn(await assume({ RoleArn, Policy: JSON.stringify(allowing('kms:Encrypt')) }))))
      .to.have.property('Message').that.matches(/because no session policy allows the kms:ListKeys action$/)
  })

  it('is refused to be more by tags than the role lets it be', async () => {
    const { services, admin: { accountId } } = on.server
    const byTag = { Version: '2012-10-17', Statement: {
      Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*', Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue' } },
    } }
    const RoleArn = await newRole(services, 'tagged', {
      accountId, tags: [{ key: 'team', value: 'red' }], inlinePolicies: { byTag: JSON.stringify(byTag) },
      trustPolicy: trustPolicy(trusting({ AWS: accountId }, { Action: 'sts:AssumeRole' })),
    })
    expect(await refusedBy(credentialsIn(await assume({ RoleArn })))).to.have.property('__type', 'AccessDeniedException')
    const blue = { RoleArn, 'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': 'blue' }
    expect(await assume(blue)).to.include({ status: 403, code: 'AccessDenied' })
    // Where it is allowed, the tag of the session is the one that counts, in whatever letters.
    await change(services, 'role', 'tagged', { trustPolicy: trustPolicy(trusting({ AWS: accountId })) }, accountId)
    expect((await listKeys(credentialsIn(await assume(blue)))).status).to.equal(200)
  })

  it('is refused for a confused deputy: across accounts, without the external id', async () => {
    const { services, admin: { accountId } } = on.server
    await services.store.identities.insertAccount({ accountId: otherAccountId, name: 'other', createdAt: 0 })
    const deputy = sampleUser('deputy', { accountId: otherAccountId, attachedPolicies: [administratorAccess.arn] })
    await services.store.identities.insert(deputy)
    const { accessKey, secret } = await newAccessKey(services.hsm, clock, firstRoots.seal, deputy)
    await services.store.credentials.put(accessKey)
    services.identities.forget()
    const condition = { Condition: { StringEquals: { 'sts:ExternalId': 'contract-1' } } }
    const RoleArn = await newRole(services, 'for-deputy', {
      accountId, trustPolicy: trustPolicy(trusting({ AWS: otherAccountId }, condition)), attachedPolicies: [administratorAccess.arn],
    })
    const by = { accessKeyId: accessKey.accessKeyId, secretAccessKey: secret }
    for (const members of [{}, { ExternalId: 'contract-2' }, { ExternalId: 'contract-1 ' }]) {
      const { status } = await assume({ RoleArn, ...members }, by)
      expect(status).to.be.oneOf([400, 403])
    }
    const denied = `User: ${accessKey.principalArn} is not authorized to perform: sts:AssumeRole on resource: `
    expect(await assume({ RoleArn }, by)).to.include({ status: 403, code: 'AccessDenied', message: denied + RoleArn })
    const missing = `${RoleArn}-x`
    expect(await assume({ RoleArn: missing }, by)).to.include({ status: 403, code: 'AccessDenied', message: denied + missing })
    expect((await assume({ RoleArn, ExternalId: 'contract-1' }, by)).status).to.equal(200)
  })

  it('is refused to last: no session makes one of more than an hour, and none makes one for its user', async () => {
    const { services, admin: { accountId } } = on.server
    const RoleArn = await newRole(services, 'long', { accountId, maxSessionSeconds: 43_200 })
    const by = credentialsIn(await assume())
    expect(await assume({ RoleArn, DurationSeconds: '3601' }, by)).to.include({ status: 400, code: 'ValidationError' })
    expect((await assume({ RoleArn, DurationSeconds: '3600' }, by)).status).to.equal(200)
    const own = credentialsIn(await stsRequest(on.server, { Action: 'GetSessionToken' }))
    for (const one of [by, own]) {
      expect(await stsRequest(on.server, { Action: 'GetSessionToken' }, one)).to.include({
        status: 403, code: 'AccessDenied', message: 'Cannot call GetSessionToken with session credentials',
      })
    }
    expect((await assume({ RoleArn, DurationSeconds: '43200' }, own)).status).to.equal(200)
  })

  it('is refused without a signature, and with one for another service', async () => {
    expect(await assume({}, { tamper: unsigned })).to.include({ status: 403, code: 'MissingAuthenticationToken' })
    expect(await assume({}, { scope: { service: 'kms' } })).to.include({ status: 403, code: 'SignatureDoesNotMatch' })
    const by = credentialsIn(await assume())
    expect(await refusedBy({ ...by, scope: { service: 'sts' } })).to.have.property('__type', 'InvalidSignatureException')
  })

  it('ends with the access key that it came from, and with its user', async () => {
    const { services, admin: { accountId } } = on.server
    const user = sampleUser('leaver', { accountId, attachedPolicies: [administratorAccess.arn] })
    await services.store.identities.insert(user)
    const { accessKey, secret } = await newAccessKey(services.hsm, clock, firstRoots.seal, user)
    const put = async (active: boolean) => {
      await services.store.credentials.put({ ...accessKey, active })
      services.identities.forget()
    }
    await put(true)
    const long = { accessKeyId: accessKey.accessKeyId, secretAccessKey: secret }
    const by = credentialsIn(await stsRequest(on.server, { Action: 'GetSessionToken' }, long))
    expect((await listKeys(by)).status).to.equal(200)
    await put(false)
    expect(await refusedBy(by)).to.deep.equal(unknown)
    await put(true)
    expect((await listKeys(by)).status).to.equal(200)
    await remove(services, 'user', 'leaver', accountId)
    expect(await refusedBy(by)).to.deep.equal(unknown)
  })
})
