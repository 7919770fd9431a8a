import { expect } from 'chai'
import { contracts } from '../../../src/api/operations.js'
import { KmsError } from '../../../src/domain/errors.js'
import { jsonEndpoint } from '../../../src/http/json/endpoint.js'
import type { HttpAnswer, HttpRequest } from '../../../src/http/message.js'
import type { Operation } from '../../../src/service/operation.js'
import type { Performer } from '../../../src/service/perform.js'
import { caller, credentials, kmsApi, randomFrom, recordingLog, signedRequest, withHeaders } from '../fixtures.js'

const now = Date.UTC(2026, 0, 1)
const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab'

function operation(name: string, output: unknown): Operation {
  const contract = contracts.get(name)
  if (!contract) throw new Error(`no operation ${name}`)
  return {
    service: 'kms', name, contract, readOnly: true, crossAccount: false, check: () => {}, needs: () => [], permissions: () => [],
    run: async () => output, vouched: undefined, rehearse: undefined, retry: undefined,
  }
}

/** Asks the front as `perform` does, and runs the operation without keys or an audit log. */
const perform: Performer = async (_origin, front) => {
  const { region } = await front.authenticate()
  const of = front.operation()
  const input = front.input(of)
  const call = {
    caller, scope: { region, accountId: caller.accountId }, input, keys: [], outcomes: [], permitted: [], recipient: undefined,
    requestId: '', access: undefined as never, used: () => {}, detail: () => {},
  }
  return { operation: of, output: await of.run(call, undefined as never) }
}

const operations = new Map([
  operation('DescribeKey', { KeyMetadata: { KeyId: keyId, CreationDate: new Date(now + 5) } }),
  operation('EnableKey', undefined),
].map(of => [of.name, of]))

function endpointWith(performer: Performer = perform) {
  const log = recordingLog()
  const deps = { credentials, regions: new Set(['us-east-1']), clock: { now: () => now }, log }
  return { log, endpoint: jsonEndpoint(kmsApi(operations), { ...deps, perform: performer }) }
}

const signed = (name = 'DescribeKey', body: string | Uint8Array = `{"KeyId":"${keyId}"}`) => signedRequest(now, name, body)
const answer = (request: HttpRequest) => endpointWith().endpoint.answer(request)
const errorOf = ({ status, body }: HttpAnswer) => [status, JSON.parse(body)] as const

describe('the KMS endpoint', () => {
  it('answers with the output, in JSON 1.1 and with the request id', async () => {
    expect(await answer(signed())).to.deep.equal({
      status: 200,
      headers: ['Content-Type', 'application/x-amz-json-1.1', 'x-amzn-RequestId', '00000000-0000-4000-8000-000000000000'],
      body: `{"KeyMetadata":{"KeyId":"${keyId}","CreationDate":1767225600.005}}`,
    })
  })

  it('answers an operation without output with nothing', async () => {
    expect(await answer(signed('EnableKey'))).to.include({ status: 200, body: '' })
  })

  it('takes parameters behind the content type', async () => {
    for (const type of ['application/x-amz-json-1.1; charset=utf-8', 'Application/X-Amz-JSON-1.1', 'application/x-amz-json-1.1 ;a=b']) {
      const headers = { 'host': 'h', 'content-type': type, 'x-amz-date': '20260101T000000Z', 'x-amz-target': 'TrentService.EnableKey' }
      expect(await answer(signedRequest(now, 'EnableKey', `{"KeyId":"${keyId}"}`, { headers }))).to.have.property('status', 200)
    }
  })

  for (const type of [undefined, 'application/json', 'application/x-amz-json-1.0', 'text/plain', 'application/x-amz-json-1.1,text/plain']) {
    it(`does not know operations in ${type ?? 'no content type'}`, async () => {
      const refused = await answer(withHeaders(signed(), { 'content-type': type }))
      expect(errorOf(refused)).to.deep.equal([400, { __type: 'UnknownOperationException' }])
    })
  }

  const targets = [
    'DescribeKey', 'TrentService.', 'TrentService.describeKey', 'trentservice.DescribeKey', 'TrentService.__proto__',
    'TrentService.constructor', 'TrentService.toString', 'AmazonDynamoDB_20120810.ListTables',
    'TrentService.DescribeKey,TrentService.EnableKey',
  ]
  for (const target of targets) {
    it(`does not know the target ${target}`, async () => {
      const headers = { 'host': 'h', 'content-type': 'application/x-amz-json-1.1', 'x-amz-date': '20260101T000000Z' }
      const refused = await answer(signedRequest(now, '', '{}', { headers: { ...headers, 'x-amz-target': target } }))
      expect(errorOf(refused)).to.deep.equal([400, { __type: 'UnknownOperationException' }])
    })
  }

  it('does not know what is asked without a target', async () => {
    const headers = { 'host': 'h', 'content-type': 'application/x-amz-json-1.1', 'x-amz-date': '20260101T000000Z' }
    expect(errorOf(await answer(signedRequest(now, '', '{}', { headers })))).to.deep.equal([400, { __type: 'UnknownOperationException' }])
  })

  it('says that an operation of the API is not supported when it is not', async () => {
    expect(errorOf(await answer(signed('Sign'))))
      .to.deep.equal([400, { __type: 'UnsupportedOperationException', message: 'Sign is not supported by this service.' }])
  })

  it('looks at the signature first, then the target, then the body', async () => {
    const unsigned = withHeaders(signed('Nothing', 'not JSON'), { authorization: undefined })
    expect(errorOf(await answer(unsigned))[1]).to.have.property('__type', 'MissingAuthenticationTokenException')
    expect(errorOf(await answer(signed('Nothing', 'not JSON')))[1]).to.have.property('__type', 'UnknownOperationException')
    expect(errorOf(await answer(signed('DescribeKey', 'not JSON')))).to.deep.equal([400, { __type: 'SerializationException' }])
    expect(errorOf(await answer(signed('DescribeKey', '{}')))[1]).to.have.property('__type', 'ValidationException')
  })

  it('leaves nothing of the body behind, which may hold plaintext, once it has answered', async () => {
    const requests = [
      signed(), signed('Sign'), signed('DescribeKey', 'not JSON'), signed('DescribeKey', '{}'),
      withHeaders(signed(), { authorization: undefined }), withHeaders(signed(), { 'content-type': undefined }),
    ]
    for (const request of requests) {
      await answer(request)
      expect([...new Set(request.body)]).to.deep.equal([0])
    }
  })

  it('tells the performer where a call comes from', async () => {
    let seen: unknown
    const { endpoint } = endpointWith(async origin => { seen = origin; throw new KmsError('DisabledException') })
    await endpoint.answer(withHeaders(signed(), { 'user-agent': 'agent' }))
    expect(seen).to.deep.equal({
      requestId: '00000000-0000-4000-8000-000000000000', sourceIp: '127.0.0.1', userAgent: 'agent', secureTransport: false,
    })
  })

  it('tells the performer of which call this is a try', async () => {
    let seen: unknown
    const { endpoint } = endpointWith(async origin => { seen = origin; throw new KmsError('DisabledException') })
    await endpoint.answer(withHeaders(signed(), { 'amz-sdk-invocation-id': 'try-1' }))
    expect(seen).to.have.property('invocationId', 'try-1')
  })
})

describe('what a performer throws', () => {
  const thrown = async (error: unknown) => {
    const { endpoint, log } = endpointWith(async () => { throw error })
    return { answer: errorOf(await endpoint.answer(signed())), entries: log.entries }
  }

  it('is answered by its code when it is a refusal, and is no error in the log', async () => {
    const { answer: answered, entries } = await thrown(new KmsError('NotFoundException', 'no such key'))
    expect(answered).to.deep.equal([400, { __type: 'NotFoundException', message: 'no such key' }])
    expect(entries.map(({ level }) => level)).to.deep.equal(['debug'])
  })

  it('is answered without text when it is unexpected, and logged with its cause', async () => {
    const cause = new Error('something private')
    const { answer: answered, entries } = await thrown(cause)
    expect(answered).to.deep.equal([500, { __type: 'KMSInternalException' }])
    expect(entries).to.have.length(1)
    expect(entries[0]).to.include({ level: 'error', message: 'request failed' })
    expect(entries[0]?.fields?.error).to.have.property('cause', cause)
    expect(entries[0]?.fields?.requestId).to.equal('00000000-0000-4000-8000-000000000000')
  })

  it('may be anything', async () => {
    for (const odd of [undefined, null, 'text', 1, {}]) expect((await thrown(odd)).answer[0]).to.equal(500)
  })
})

describe('a request that is refused before it is read', () => {
  const refuse = (reason: 'not-found' | 'too-large' | 'overloaded' | 'fault') => errorOf(endpointWith().endpoint.refuse(reason, 'id'))

  it('gets the error of the protocol', () => {
    expect(refuse('not-found')).to.deep.equal([404, { __type: 'UnknownOperationException' }])
    expect(refuse('too-large')).to.deep.equal([413, { __type: 'RequestEntityTooLargeException' }])
    expect(refuse('overloaded')).to.deep.equal([400, {
      __type: 'ThrottlingException', message: 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
    }])
    expect(refuse('fault')).to.deep.equal([500, { __type: 'KMSInternalException' }])
  })
})

describe('random requests', () => {
  it('never make the endpoint fail', async () => {
    const random = randomFrom(3)
    const noise = (length: number) => Buffer.from(Array.from({ length }, () => random() * 256))
    const { endpoint, log } = endpointWith()
    for (let round = 0; round < 3000; round++) {
      // Some with a good signature, so that the noise in the body is looked at.
      const body = random() < 0.5 ? noise(random() * 64) : Buffer.from(`{"KeyId":${noise(random() * 12).toString('latin1')}}`)
      let request = signed(random() < 0.9 ? 'DescribeKey' : noise(6).toString('latin1'), body)
      if (random() < 0.5) {
        const names = ['authorization', 'x-amz-date', 'x-amz-target', 'content-type', 'host', 'x-amz-content-sha256', 'date']
        request = withHeaders(request, { [names[Math.floor(random() * names.length)] ?? '']: noise(random() * 80).toString('latin1') })
      }
      const { status } = await endpoint.answer(request)
      expect(status).to.be.oneOf([200, 400])
    }
    expect(log.entries.filter(({ level }) => level === 'error')).to.deep.equal([])
  })
})
