import { expect } from 'chai'
import { MovedClock } from '../support/clock.js'
import { newRole, trusting, trustPolicy } from '../support/roles.js'
import { auditEvents } from './audit-records.js'
import { rawRequest, type RawRequest } from './raw-request.js'
import { elementIn, formOf, stsRequest, unsigned, type StsAnswer } from './raw-sts.js'
import { suite } from './suite.js'

const now = Date.UTC(2026, 4, 5, 12)
const identity = { Action: 'GetCallerIdentity' }

describe('a request to STS', () => {
  const on = suite({ clock: new MovedClock(now), settings: { limits: { bodyBytes: 65_536 } } })
  const newest = () => auditEvents(on.server.dataDir).at(-1)

  it('is answered in XML, with its request id', async () => {
    const { raw, requestId, status } = await stsRequest(on.server, identity)
    expect(status).to.equal(200)
    expect(raw.headers['content-type']).to.equal('text/xml')
    expect(raw.headers['x-amzn-requestid']).to.equal(requestId)
    const { accountId } = on.server.admin
    const begin = '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    expect(raw.body.startsWith(begin)).to.equal(true)
    expect(elementIn(raw.body, 'Arn')).to.equal(`arn:aws:iam::${accountId}:user/administrator`)
    expect(elementIn(raw.body, 'Account')).to.equal(accountId)
  })

  it('may have any writing of its content type', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'Application/X-WWW-Form-Urlencoded ;charset=UTF-8']) {
      expect((await stsRequest(on.server, identity, { headers: { 'content-type': type } })).status).to.equal(200)
    }
  })

  type Members = string | Readonly<Record<string, string>>
  type Refusal = readonly [what: string, of: Members, request: RawRequest, status: number, code: string, message?: string]
  const refusals: readonly Refusal[] = [
    ['that is not signed', identity, { tamper: unsigned }, 403, 'MissingAuthenticationToken', 'Missing Authentication Token'],
    ['for AssumeRole that is not signed', { Action: 'AssumeRole' }, { tamper: unsigned }, 403, 'MissingAuthenticationToken'],
    ['for GetSessionToken that is not signed', { Action: 'GetSessionToken' }, { tamper: unsigned }, 403, 'MissingAuthenticationToken'],
    ['that cannot be read and is not signed', 'Action=AssumeRoleWithWebIdentity&Action=AssumeRole', { tamper: unsigned }, 403,
      'MissingAuthenticationToken'],
    ['by an unknown access key', identity, { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA' }, 403, 'InvalidClientTokenId',
      'The security token included in the request is invalid.'],
    ['by an unknown session', identity, { accessKeyId: 'CVASAAAAAAAAAAAAAAAA', headers: { 'x-amz-security-token': 'x' } }, 403,
      'InvalidClientTokenId'],
    ['with a wrong secret', identity, { secretAccessKey: 'x' }, 403, 'SignatureDoesNotMatch'],
    ['that is too old', identity, { time: now - 6 * 60_000 }, 403, 'SignatureDoesNotMatch',
      'Signature expired: 20260505T115400Z is now earlier than 20260505T115500Z (20260505T120000Z - 5 min.)'],
    ['with a header that is no signature', identity, { tamper: ({ headers }) => { headers.authorization = 'AWS4-HMAC-SHA256 x' } }, 400,
      'IncompleteSignature'],
    ['that was signed for KMS', identity, { scope: { service: 'kms' } }, 403, 'SignatureDoesNotMatch',
      "Credential should be scoped to correct service: 'sts'."],
    ['for AssumeRole that was signed for KMS', { Action: 'AssumeRole', RoleArn: 'x' }, { scope: { service: 'kms' } }, 403,
      'SignatureDoesNotMatch', "Credential should be scoped to correct service: 'sts'."],
    ['whose members were changed', { Action: 'GetSessionToken', DurationSeconds: '900' },
      { tamper: sent => { sent.body = Buffer.from(formOf({ Action: 'GetSessionToken', DurationSeconds: '9000' })) } }, 403,
      'SignatureDoesNotMatch'],
    ['for an operation that there is not', { Action: 'GetFederationToken' }, {}, 400, 'InvalidAction',
      'Could not find operation GetFederationToken for version 2011-06-15'],
    ['for no operation', {}, {}, 400, 'InvalidAction', 'Could not find operation  for version 2011-06-15'],
    ['for a property of every object', { Action: '__proto__' }, {}, 400, 'InvalidAction'],
    ['for another version', { Action: 'GetCallerIdentity', Version: '2010-05-08' }, {}, 400, 'InvalidAction',
      'Could not find operation GetCallerIdentity for version 2010-05-08'],
    ['for an operation with markup in its name', { Action: '<a>&"\'' }, {}, 400, 'InvalidAction',
      'Could not find operation <a>&"\' for version 2011-06-15'],
    ['that cannot be read', 'Action=GetCallerIdentity&Version=2011-06-15&Policy=%zz', {}, 400, 'MalformedInput',
      'A parameter is not encoded as it should be'],
    ['with a parameter that there is not', { ...identity, Policy: 'x' }, {}, 400, 'MalformedInput', 'There is no parameter Policy'],
    ['with parameters in the address', identity, { tamper: sent => { sent.path = '/?Policy=x' } }, 403, 'SignatureDoesNotMatch'],
    ['with members that are wrong', { Action: 'AssumeRole', RoleSessionName: 'a b', DurationSeconds: '1' }, {}, 400, 'ValidationError',
      '3 validation errors detected: Value null at \'roleArn\' failed to satisfy constraint: Member must not be null; '
      + 'Value \'a b\' at \'roleSessionName\' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*; '
      + 'Value \'1\' at \'durationSeconds\' failed to satisfy constraint: Member must have value greater than or equal to 900'],
    ['for a session that would last too long', { Action: 'GetSessionToken', DurationSeconds: '129601' }, {}, 400, 'ValidationError'],
    ['with MFA', { Action: 'GetSessionToken', SerialNumber: 'GAHT12345678', TokenCode: '123456' }, {}, 400, 'ValidationError',
      'MultiFactorAuthentication is not supported: SerialNumber and TokenCode cannot be used.'],
    ['that is no JWT', { Action: 'AssumeRoleWithWebIdentity', RoleArn: 'arn:aws:iam::111122223333:role/x', RoleSessionName: 'me',
      WebIdentityToken: 'secret-token' }, { tamper: unsigned }, 400, 'InvalidIdentityToken',
    'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)'],
  ]
  for (const [what, of, request, status, code, message] of refusals) {
    it(`${what} is refused with ${code}, and recorded`, async () => {
      const before = auditEvents(on.server.dataDir).length
      const answer = await stsRequest(on.server, of, request)
      expect(answer).to.include({ status, code, type: 'Sender' })
      if (message !== undefined) expect(answer.message).to.equal(message)
      expect(answer.raw.headers['x-amzn-requestid']).to.equal(answer.requestId)
      expect(auditEvents(on.server.dataDir)).to.have.length(before + 1)
      expect(newest()).to.include({ eventSource: 'sts.amazonaws.com', requestID: answer.requestId, errorMessage: answer.message })
      expect(JSON.stringify(newest())).not.to.contain('secret-token')
    })
  }

  it('that is too large is refused in XML', async () => {
    const answer = await stsRequest(on.server, `Action=${'x'.repeat(70_000)}`)
    expect(answer).to.include({ status: 413, code: 'RequestEntityTooLarge' })
  })

  it('to another address is refused in XML, and one by GET in the words of KMS', async () => {
    const missing = await stsRequest(on.server, identity, { tamper: sent => { sent.path = '/sts' } })
    expect(missing).to.include({ status: 404, code: 'InvalidAction' })
    const get = await rawRequest(on.server, {
      scope: { service: 'sts' }, input: '', headers: { 'content-type': undefined },
      tamper: sent => {
        sent.method = 'GET'
        sent.path = '/?Action=GetCallerIdentity&Version=2011-06-15'
      },
    })
    expect([get.status, get.json]).to.deep.equal([404, { __type: 'UnknownOperationException' }])
  })

  it('in the content type of KMS is none: the operations of one service are not those of the other', async () => {
    const json = await rawRequest(on.server, {
      scope: { service: 'sts' }, headers: { 'x-amz-target': 'AWSSecurityTokenServiceV20110615.GetCallerIdentity' },
    })
    expect(json.json).to.include({ __type: 'InvalidSignatureException' })
    const kms = await stsRequest(on.server, { Action: 'ListKeys' })
    expect(kms.code).to.equal('InvalidAction')
  })

  it('leaves KMS as it was: a call of it that was signed for STS is refused', async () => {
    const answer = await rawRequest(on.server, { operation: 'ListKeys', scope: { service: 'sts' } })
    expect(answer.json).to.deep.equal({
      __type: 'InvalidSignatureException', message: "Credential should be scoped to correct service: 'kms'.",
    })
  })

  it('for web identity needs no signature, and one that is no good does no harm', async () => {
    const of = {
      Action: 'AssumeRoleWithWebIdentity', RoleArn: 'arn:aws:iam::111122223333:role/x', RoleSessionName: 'me', WebIdentityToken: 'a.b.c',
    }
    const answers: StsAnswer[] = []
    for (const request of [{ tamper: unsigned }, {}, { secretAccessKey: 'wrong' }, { accessKeyId: 'unknown' }]) {
      answers.push(await stsRequest(on.server, of, request))
    }
    expect(answers.map(({ code }) => code)).to.deep.equal(Array(4).fill('InvalidIdentityToken'))
    expect(newest()).to.not.have.property('userIdentity')
  })

  it('has the errors of policies that are told where they are wrong', async () => {
    const { accountId } = on.server.admin
    const RoleArn = await newRole(on.server.services, 'worker', { accountId, trustPolicy: trustPolicy(trusting({ AWS: accountId })) })
    const of = { Action: 'AssumeRole', RoleArn, RoleSessionName: 'me' }
    const malformed = await stsRequest(on.server, { ...of, Policy: '{"Statement":{}}' })
    expect(malformed).to.include({ status: 400, code: 'MalformedPolicyDocument', message: 'In statement 1: Effect must be Allow or Deny' })
    const Policy = JSON.stringify({ Statement: { Effect: 'Allow', Action: '*', Resource: '*' } })
    const packed = await stsRequest(on.server, { ...of, Policy })
    expect(Number(elementIn(packed.raw.body, 'PackedPolicySize'))).to.be.within(1, 20)
  })
})

describe('a fault of the server behind STS', () => {
  const on = suite()

  it('is told without a word', async () => {
    await on.server.services.store.close()
    const answer = await stsRequest(on.server, {
      Action: 'AssumeRole', RoleArn: 'arn:aws:iam::111122223333:role/x', RoleSessionName: 'me',
    })
    expect(answer).to.include({ status: 500, code: 'InternalFailure', type: 'Receiver', message: '' })
  })
})
