import { KMSClient, ListKeysCommand } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import { KmsError } from '../../src/domain/errors.js'
import { authenticate as authenticateFor, clockSkewMaxMs, type AuthenticateDeps, type Credential } from '../../src/http/authenticate.js'
import type { HttpRequest } from '../../src/http/message.js'
import {
  accessKeyId, caller, credential, credentials, refusalOf, secret, signedRequest, timestampOf, withHeaders, type ToSign,
} from './fixtures.js'

const authenticate = (request: HttpRequest, of: AuthenticateDeps) => authenticateFor(request, 'kms', of)

const now = Date.UTC(2026, 0, 1, 0, 15)
const deps = { credentials, regions: new Set(['us-east-1', 'eu-central-1']), clock: { now: () => now } }
const signed = (changes: Partial<ToSign> = {}, at = now) => signedRequest(at, 'ListKeys', '{}', changes)
const refused = (request: HttpRequest, using = deps) => refusalOf(() => authenticate(request, using))

const mismatch = ['InvalidSignatureException', 'The request signature we calculated does not match the signature you provided. '
  + 'Check your AWS Secret Access Key and signing method. Consult the service documentation for details.']

function withAuthorization(request: HttpRequest, part: RegExp, other: string): HttpRequest {
  return withHeaders(request, { authorization: request.headers.get('authorization')?.replace(part, other) })
}

/** What the JavaScript SDK would put on the wire. */
async function sdkRequest(region: string, sessionToken?: string): Promise<HttpRequest> {
  let seen: HttpRequest | undefined
  const client = new KMSClient({
    region, endpoint: 'http://localhost:8080', maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey: secret, ...sessionToken !== undefined && { sessionToken } },
    requestHandler: {
      handle: async (request: { method: string, path: string, headers: Record<string, string>, body: Uint8Array }) => {
        const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]))
        const body = new Uint8Array(request.body)
        seen = { requestId: '', sourceIp: '', secure: false, method: request.method, target: request.path, headers, body }
        throw new Error('not sent')
      },
    },
  })
  await client.send(new ListKeysCommand({ Limit: 3 })).catch(() => {})
  if (!seen) throw new Error('the SDK sent nothing')
  return seen
}

describe('authentication', () => {
  it('names the caller and the region of a signed request', async () => {
    expect(await authenticate(signed(), deps)).to.deep.equal({ caller, region: 'us-east-1' })
    expect(await authenticate(signed({ region: 'eu-central-1' }), deps)).to.deep.equal({ caller, region: 'eu-central-1' })
  })

  it('takes what the JavaScript SDK signs', async () => {
    const real = { ...deps, clock: { now: () => Date.now() } }
    expect(await authenticate(await sdkRequest('eu-central-1'), real)).to.deep.equal({ caller, region: 'eu-central-1' })
  })

  it('ignores a session token, signed or not', async () => {
    const real = { ...deps, clock: { now: () => Date.now() } }
    expect(await authenticate(await sdkRequest('us-east-1', 'token'), real)).to.deep.equal({ caller, region: 'us-east-1' })
    expect(await authenticate(withHeaders(signed(), { 'x-amz-security-token': 'token' }), deps)).to.have.property('caller')
  })

  it('takes Date for X-Amz-Date, as HTTP writes it', async () => {
    const headers = { 'host': 'localhost', 'x-amz-target': 'TrentService.ListKeys', 'date': 'Thu, 01 Jan 2026 00:15:00 GMT' }
    expect(await authenticate(signed({ headers }), deps)).to.have.property('caller')
  })

  it('holds X-Amz-Date against the clock, not Date, when both are there', async () => {
    const stale = withHeaders(signed(), { date: 'Wed, 01 Jan 2020 00:00:00 GMT' })
    expect(await authenticate(stale, deps)).to.have.property('caller')
  })

  it('takes headers that proxies and clients leave unsigned', async () => {
    const request = withHeaders(signed(), {
      'user-agent': 'x', 'amz-sdk-request': 'attempt=1', 'x-amzn-trace-id': 'Root=1', 'x-amz-user-agent': 'y',
      'x-forwarded-for': '10.0.0.1',
    })
    expect(await authenticate(request, deps)).to.have.property('caller')
  })

  it('takes a request whose Content-Type is not signed, as the SDK for PHP sends it', async () => {
    expect(await authenticate(signed({ signed: ['host', 'x-amz-date', 'x-amz-target'] }), deps)).to.have.property('caller')
  })
})

describe('a request without a usable signature', () => {
  it('lacks a token', async () => {
    expect(await refused(withHeaders(signed(), { authorization: undefined })))
      .to.deep.equal(['MissingAuthenticationTokenException', 'Missing Authentication Token'])
  })

  it('is told that a signature in the query is not taken', async () => {
    const target = '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00'
    const request = { ...withHeaders(signed(), { authorization: undefined }), target }
    const [code, message] = await refused(request)
    expect(code).to.equal('IncompleteSignatureException')
    expect(message).to.contain('query string')
  })

  it('is told which parts of the header are missing, without an echo', async () => {
    const [code, message] = await refused(withHeaders(signed(), { authorization: 'AWS4-HMAC-SHA256 SignedHeaders=host, secret-thing=1' }))
    expect(code).to.equal('IncompleteSignatureException')
    expect(message).to.equal("Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter.")
  })

  it('is told that the date is missing', async () => {
    expect(await refused(withHeaders(signed(), { 'x-amz-date': undefined }))).to.deep.equal(['IncompleteSignatureException',
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."])
  })

  const dates = [
    '2026-01-01T00:15:00Z', '20260101', '20260230T001500Z', '20260101T240000Z', '20260101T001500z', 'today',
    'Thu, 99 Jan 2026 00:15:00 GMT',
  ]
  for (const date of dates) {
    it(`is told that ${date} is no date`, async () => {
      expect(await refused(withHeaders(signed(), { 'x-amz-date': date })))
        .to.deep.equal(['IncompleteSignatureException', "Date must be in ISO-8601 'basic format'."])
    })
  }
})

describe('the time of a signature', () => {
  it(`may be off by ${clockSkewMaxMs / 60_000} minutes`, async () => {
    for (const skew of [-clockSkewMaxMs, clockSkewMaxMs]) {
      expect(await authenticate(signed({}, now + skew), deps)).to.have.property('caller')
    }
  })

  it('may not be earlier', async () => {
    expect(await refused(signed({}, now - clockSkewMaxMs - 1000))).to.deep.equal(['InvalidSignatureException',
      'Signature expired: 20260101T000959Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)'])
  })

  it('may not be later', async () => {
    expect(await refused(signed({}, now + clockSkewMaxMs + 1000))).to.deep.equal(['InvalidSignatureException',
      'Signature not yet current: 20260101T002001Z is still later than 20260101T002000Z (20260101T001500Z + 5 min.)'])
  })
})

describe('the scope of a signature', () => {
  const scopes: readonly [string, Partial<ToSign>, string][] = [
    ['a region that is not served', { region: 'us-west-2' }, 'Credential should be scoped to a valid region.'],
    ['another service', { service: 's3' }, "Credential should be scoped to correct service: 'kms'."],
    ['another terminator', { terminator: 'aws5_request' }, "Credential should be scoped with a valid terminator: 'aws4_request'."],
    ['another day', { date: '20251231' }, 'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '
      + "'20251231' != '20260101', from '20260101T001500Z'."],
  ]
  for (const [what, changes, message] of scopes) {
    it(`cannot be ${what}`, async () => expect(await refused(signed(changes))).to.deep.equal(['InvalidSignatureException', message]))
  }
})

describe('what must be signed', () => {
  for (const name of ['host', 'x-amz-date', 'x-amz-target']) {
    it(`includes ${name}`, async () => {
      const others = ['content-type', 'host', 'x-amz-date', 'x-amz-target'].filter(other => other !== name)
      expect(await refused(signed({ signed: others })))
        .to.deep.equal(['InvalidSignatureException', `'${name}' must be a 'SignedHeader' in the AWS Authorization.`])
    })
  }

  it('includes every other X-Amz-* header', async () => {
    expect(await refused(withHeaders(signed(), { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })))
      .to.deep.equal(['InvalidSignatureException', "'x-amz-content-sha256' must be a 'SignedHeader' in the AWS Authorization."])
  })
})

describe('a signature that does not match', () => {
  it('is of another access key', async () => {
    expect(await refused(signed({ accessKeyId: 'AKIDUNKNOWN' })))
      .to.deep.equal(['UnrecognizedClientException', 'The security token included in the request is invalid.'])
  })

  it('is of another secret', async () => {
    expect(await refused(signed({ secret: 'other' }))).to.deep.equal(mismatch)
  })

  const changes: readonly [string, (request: HttpRequest) => HttpRequest][] = [
    ['body', request => ({ ...request, body: Buffer.from('{ }') })],
    ['method', request => ({ ...request, method: 'PUT' })],
    ['path', request => ({ ...request, target: '/other' })],
    ['query', request => ({ ...request, target: '/?a=b' })],
    ['target header', request => withHeaders(request, { 'x-amz-target': 'TrentService.ScheduleKeyDeletion' })],
    ['host', request => withHeaders(request, { host: 'localhost' })],
    ['date within the window', request => withHeaders(request, { 'x-amz-date': timestampOf(now + 1000) })],
    ['signature', request => withAuthorization(request, /.{8}$/, '00000000')],
    ['list of signed headers', request => withAuthorization(request, /host;/, 'host;x-a;')],
  ]
  for (const [what, change] of changes) {
    it(`comes with another ${what}`, async () => expect(await refused(change(signed()))).to.deep.equal(mismatch))
  }

  it('is of an unknown access key even if made with the stand-in that such keys are compared with', async () => {
    const [code] = await refused(signed({ accessKeyId: 'AKIDUNKNOWN', secret: '\0'.repeat(40) }))
    expect(code).to.equal('UnrecognizedClientException')
  })
})

describe('a credential that changes', () => {
  it('takes its derived signing keys with it', async () => {
    let current: Credential | undefined = credential
    const changing = { ...deps, credentials: { lookup: async () => current } }
    expect(await authenticate(signed(), changing)).to.have.property('caller')
    current = { caller, secret: Buffer.from('a new secret') }
    expect(await refused(signed(), changing)).to.deep.equal(mismatch)
    expect(await authenticate(signed({ secret: 'a new secret' }), changing)).to.have.property('caller')
    current = undefined
    expect((await refused(signed({ secret: 'a new secret' }), changing))[0]).to.equal('UnrecognizedClientException')
  })

  it('works in more regions and on more days than are remembered', async () => {
    const regions = new Set(Array.from({ length: 40 }, (_, at) => `region-${at}`))
    for (const region of [...regions, ...regions]) {
      expect(await authenticate(signed({ region }), { ...deps, regions })).to.deep.equal({ caller, region })
    }
  })

  it('of a session is looked up with its token, which must be signed', async () => {
    const sessionKeyId = 'CVASABCDEFGHIJKLMNOP'
    const asked: (readonly [string, string | undefined])[] = []
    const sessions = { ...deps, credentials: { lookup: async (id: string, token?: string) => {
      asked.push([id, token])
      return token === 'token' ? credential : undefined
    } } }
    const headers = { 'host': 'localhost', 'x-amz-date': timestampOf(now), 'x-amz-security-token': 'token' }
    expect(await authenticate(signed({ accessKeyId: sessionKeyId, headers }), sessions)).to.have.property('caller')
    const unsigned = signed({ accessKeyId: sessionKeyId, headers, signed: ['host', 'x-amz-date'] })
    expect(await refused(unsigned, sessions)).to.deep.equal(
      ['InvalidSignatureException', "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."])
    expect((await refused(signed({ accessKeyId: sessionKeyId }), sessions))[0]).to.equal('UnrecognizedClientException')
    expect(asked).to.deep.equal([[sessionKeyId, 'token'], [sessionKeyId, undefined]])
  })

  it('that has ended is told as such', async () => {
    const ended = { ...deps, credentials: { lookup: async () => { throw new KmsError('ExpiredTokenException', 'over') } } }
    expect(await refused(signed(), ended)).to.deep.equal(['ExpiredTokenException', 'over'])
  })

  it('is asked for only when everything else about the request is in order', async () => {
    let asked = 0
    const counting = { ...deps, credentials: { lookup: async () => { asked++; return credential } } }
    await refused(signed({}, now - 3600_000), counting)
    await refused(signed({ region: 'nowhere' }), counting)
    expect(asked).to.equal(0)
    await authenticate(signed(), counting)
    expect(asked).to.equal(1)
  })
})
