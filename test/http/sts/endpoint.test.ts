import { expect } from 'chai'
import { KmsError, type ErrorCode } from '../../../src/domain/errors.js'
import type { HttpRequest } from '../../../src/http/message.js'
import { frontDoor } from '../../../src/http/front-door.js'
import { stsEndpoint } from '../../../src/http/sts/endpoint.js'
import type { Front, Performer } from '../../../src/service/perform.js'
import { stsOperations } from '../../../src/service/sts/operations.js'
import { FailingSources } from '../../../src/service/throttle/failing-sources.js'
import { authorizationFor, caller, credentials, recordingLog, refusalOf, timestampOf } from '../fixtures.js'
import { echo } from '../served.js'

const regions: ReadonlySet<string> = new Set(['eu-central-1', 'us-east-1'])

function request(body: string, of: Partial<HttpRequest> = {}): HttpRequest {
  return {
    requestId: 'r-1', sourceIp: '127.0.0.1', secure: false, method: 'POST', target: '/', body: Buffer.from(body),
    headers: new Map([['content-type', 'application/x-www-form-urlencoded']]), ...of,
  }
}

function endpoint(perform: Performer, served: ReadonlySet<string> = regions) {
  const log = recordingLog()
  return { log, ...stsEndpoint({ operations: stsOperations, perform, credentials, regions: served, clock: { now: () => 0 }, log }) }
}

/** What one of the questions of the service to the endpoint is answered. */
async function asked<T>(of: HttpRequest, question: (front: Front) => Promise<T> | T, served = regions): Promise<T> {
  const answers: Promise<T>[] = []
  await endpoint(async (_origin, front) => {
    // While the request is being answered: its body is overwritten after that.
    const answered = (async () => question(front))()
    answers.push(answered)
    await answered.catch(() => {})
    throw new KmsError('NotAuthorizedException')
  }, served).answer(of)
  const [answer] = answers
  if (!answer) throw new Error('the service was not asked')
  return answer
}

describe('the endpoint of STS', () => {
  it('takes no operation from the address, nor lets it add to one in the body', async () => {
    for (const target of ['/?Action=GetCallerIdentity&Version=2011-06-15', '/?Policy=x', '/?']) {
      const of = request('Action=GetCallerIdentity&Version=2011-06-15', { target })
      expect(await refusalOf(() => asked(of, front => front.operation()))).to.deep.equal(
        ['SerializationException', 'Parameters belong into the body of the request'])
    }
  })

  it('lets go without a signature only what something else vouches for', async () => {
    const authenticated = (body: string) => asked(request(body), front => front.authenticate())
    expect(await authenticated('Action=AssumeRoleWithWebIdentity&Version=2011-06-15'))
      .to.deep.equal({ caller: undefined, region: 'eu-central-1' })
    for (const body of ['Action=AssumeRole', 'Action=GetCallerIdentity', '', 'Action=AssumeRoleWithWebIdentity&Action=AssumeRole',
      'Action=AssumeRoleWithWebIdentity&x=%', 'Action=assumerolewithwebidentity', 'Action.member.1=AssumeRoleWithWebIdentity']) {
      expect((await refusalOf(() => authenticated(body)))[0], body).to.equal('MissingAuthenticationTokenException')
    }
  })

  it('takes what was signed for a region that it serves, or for the global endpoint, which is home then', async () => {
    const authenticated = (region: string, served: ReadonlySet<string>) => {
      const of = request('Action=GetCallerIdentity')
      const timestamp = timestampOf(0)
      const headers = { 'host': 'localhost', 'x-amz-date': timestamp }
      const authorization = authorizationFor({ headers, timestamp, body: of.body, region, service: 'sts' })
      return asked({ ...of, headers: new Map(Object.entries({ ...headers, authorization })) }, front => front.authenticate(), served)
    }
    const elsewhere = new Set(['eu-central-1', 'eu-west-1'])
    expect(await authenticated('eu-west-1', elsewhere)).to.deep.equal({ caller, region: 'eu-west-1' })
    expect(await authenticated('us-east-1', elsewhere)).to.deep.equal({ caller, region: 'eu-central-1' })
    expect(await authenticated('us-east-1', regions)).to.deep.equal({ caller, region: 'us-east-1' })
    expect(await refusalOf(() => authenticated('us-west-2', elsewhere)))
      .to.deep.equal(['InvalidSignatureException', 'Credential should be scoped to a valid region.'])
  })

  it('verifies no more tokens of a source whose tokens fail again and again, and asks nothing else of it', async () => {
    const sources = new FailingSources({ perSecond: 0.001, burst: 3 }, { now: () => 0 }, recordingLog())
    let [verified, code]: [number, ErrorCode] = [0, 'NotAuthorizedException']
    const perform: Performer = async (_origin, front) => {
      await front.authenticate()
      verified++
      if (code === 'NotAuthorizedException') front.vouched?.()
      throw new KmsError(code)
    }
    const of = { operations: stsOperations, perform, credentials, regions, clock: { now: () => 0 }, log: recordingLog(), sources }
    const ask = async (sourceIp: string) =>
      (await stsEndpoint(of).answer(request('Action=AssumeRoleWithWebIdentity&Version=2011-06-15', { sourceIp }))).body
    // Whom a role does not trust has a good token all the same.
    for (let calls = 0; calls < 10; calls++) await ask('192.0.2.1')
    expect(verified).to.equal(10)
    // What is ours is nobody's guess.
    for (code of ['KMSInternalException', 'IDPCommunicationErrorException'] as const) {
      for (let calls = 0; calls < 5; calls++) await ask('192.0.2.1')
    }
    expect(verified).to.equal(20)
    for (code of ['InvalidIdentityTokenException', 'ValidationException', 'AccessDeniedException'] as const) {
      expect(await ask('192.0.2.1')).not.to.contain('<Code>Throttling</Code>')
    }
    expect(await ask('192.0.2.1')).to.contain('<Code>Throttling</Code>')
    expect(verified).to.equal(23)
    expect(await ask('192.0.2.2')).not.to.contain('<Code>Throttling</Code>')
  })

  it('overwrites the body when it has answered', async () => {
    const of = request('Action=AssumeRoleWithWebIdentity&WebIdentityToken=secret')
    await endpoint(async () => { throw new Error('no') }).answer(of)
    expect(of.body.every(byte => byte === 0)).to.equal(true)
  })

  it('tells nothing of a fault of its own, and logs it', async () => {
    const faulty = endpoint(async () => { throw new Error('a secret thing') })
    const { status, body } = await faulty.answer(request('Action=GetCallerIdentity'))
    expect(status).to.equal(500)
    expect(body).to.contain('<Type>Receiver</Type><Code>InternalFailure</Code></Error><RequestId>r-1</RequestId>')
    expect(faulty.log.entries.map(({ level }) => level)).to.deep.equal(['error'])
  })

  it('hides the text of an error that STS does not have', async () => {
    const codes: readonly ErrorCode[] = ['NotFoundException', 'KeyUnavailableException']
    for (const code of codes) {
      const refusing = endpoint(async () => { throw new KmsError(code, 'of a key') })
      const { status, body } = await refusing.answer(request('Action=GetCallerIdentity'))
      expect(status).to.be.at.least(500)
      expect(body).not.to.contain('of a key')
    }
  })
})

describe('the front door', () => {
  const [kms, sts, iam] = [echo(), echo(), echo()]
  const door = frontDoor({ kms, sts, iam })
  const of = (type: string | undefined) => request('', { headers: new Map(type === undefined ? [] : [['content-type', type]]) })

  it('leads to STS with a form, and to KMS with anything else', async () => {
    const form = 'application/x-www-form-urlencoded'
    for (const type of [form, `${form}; charset=utf-8`, form.toUpperCase()]) await door.answer(of(type))
    expect(sts.seen).to.have.length(3)
    for (const type of [undefined, '', 'application/x-amz-json-1.1', 'text/xml', 'x; application/x-www-form-urlencoded',
      'application/x-www-form-urlencodedx', 'multipart/form-data']) await door.answer(of(type))
    expect(sts.seen).to.have.length(3)
    expect(kms.seen).to.have.length(7)
  })

  it('leads to the administration API by the target', async () => {
    const [before, { length }] = [kms.seen.length, iam.seen]
    const aimedAt = (target: string) => request('', { headers: new Map([['x-amz-target', target]]) })
    for (const target of ['ClavigerAdministration.ListUsers', 'ClavigerAdministration.']) await door.answer(aimedAt(target))
    for (const target of ['TrentService.ListKeys', 'ClavigerAdministration', ' ClavigerAdministration.ListUsers']) {
      await door.answer(aimedAt(target))
    }
    expect([kms.seen.length - before, iam.seen.length - length]).to.deep.equal([3, 2])
  })

  it('refuses in the words of the same', () => {
    const inXml = frontDoor({ kms, iam, sts: endpoint(async () => { throw new Error('not asked') }) })
    for (const [reason, status] of [['too-large', 413], ['overloaded', 400], ['not-found', 404], ['fault', 500]] as const) {
      expect(inXml.refuse(reason, 'r', 'application/x-www-form-urlencoded').status).to.equal(status)
      expect(inXml.refuse(reason, 'r', 'application/x-www-form-urlencoded').body).to.match(/^<ErrorResponse/)
      expect(inXml.refuse(reason, 'r').body).to.equal(reason)
    }
  })
})
