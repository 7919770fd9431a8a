import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { headersOf } from '../../src/http/message.js'
import { canonicalRequest, isSigned, parseAuthorization, signedHeadersMax, signingKey, stringToSign } from '../../src/http/sigv4.js'
import { accessKeyId, randomFrom, secret } from './fixtures.js'

const scope = 'AKIDEXAMPLE/20150830/us-east-1/service/aws4_request'
const signature = '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'
const header = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`

interface Vector {
  readonly name: string, readonly method?: string, readonly target?: string, readonly headers?: readonly string[], readonly body?: string
  readonly signature: string
}

const unreserved = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** The AWS Signature Version 4 test suite: one user, one time, one region; the target and headers as they are on the wire. */
const suite: readonly Vector[] = [
  { name: 'get-vanilla', signature },
  { name: 'get-relative', target: '/example/..', signature },
  { name: 'get-slash', target: '//', signature },
  { name: 'get-slash-dot-slash', target: '/./', signature },
  { name: 'get-slashes', target: '//example//', signature: '9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84' },
  { name: 'get-slash-pointless-dot', target: '/./example', signature: 'ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5' },
  { name: 'get-space', target: '/example space/', signature: '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741' },
  {
    name: 'get-utf8', target: `/${Buffer.from('\u1234').toString('latin1')}`,
    signature: '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
  },
  {
    name: 'get-vanilla-empty-query-key', target: '/?Param1=value1',
    signature: 'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
  },
  {
    name: 'get-vanilla-query-order-key-case', target: '/?Param2=value2&Param1=value1',
    signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  },
  {
    name: 'get-vanilla-query-unreserved', target: `/?${unreserved}=${unreserved}`,
    signature: '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
  },
  {
    name: 'get-vanilla-utf8-query', target: `/?${Buffer.from('\u1234').toString('latin1')}=bar`,
    signature: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
  },
  {
    name: 'get-header-key-duplicate', headers: ['My-Header1', 'value2', 'My-Header1', 'value2', 'My-Header1', 'value1'],
    signature: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
  },
  {
    name: 'get-header-value-trim', headers: ['My-Header1', ' value1', 'My-Header2', ' "a   b   c"'],
    signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  },
  { name: 'post-vanilla', method: 'POST', signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b' },
  {
    name: 'post-header-key-sort', method: 'POST', headers: ['My-Header1', 'value1'],
    signature: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
  },
  {
    name: 'post-x-www-form-urlencoded', method: 'POST', headers: ['Content-Type', 'application/x-www-form-urlencoded'],
    body: 'Param1=value1',
    signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  },
]

describe('SigV4', () => {
  const timestamp = '20150830T123600Z'
  const key = signingKey(Buffer.from(secret), '20150830', 'us-east-1', 'service')

  for (const { name, method = 'GET', target = '/', headers = [], body = '', signature: expected } of suite) {
    it(`agrees with the AWS test suite: ${name}`, () => {
      const all = headersOf(['Host', 'example.amazonaws.com', ...headers, 'X-Amz-Date', timestamp])
      const signedHeaders = [...all.keys()].sort()
      const request = { method, target, headers: all, body: Buffer.from(body) }
      const scopeParts = { date: '20150830', region: 'us-east-1', service: 'service', terminator: 'aws4_request' }
      const authorization = { accessKeyId, ...scopeParts, signedHeaders, signature: expected }
      expect(isSigned(request, authorization, timestamp, key)).to.equal(true)
      const other = expected.startsWith('0') ? `1${expected.slice(1)}` : `0${expected.slice(1)}`
      expect(isSigned(request, { ...authorization, signature: other }, timestamp, key)).to.equal(false)
    })
  }

  it('derives the signing key of the IAM User Guide', () => {
    const derived = signingKey(Buffer.from(secret), '20150830', 'us-east-1', 'iam')
    expect(Buffer.from(derived).toString('hex')).to.equal('c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9')
  })

  it('builds the string to sign of get-vanilla', () => {
    const authorization = parseAuthorization(header)
    if (!('signature' in authorization)) throw new Error('the header was not parsed')
    const canonical = 'GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n'
      + 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    const text = stringToSign(authorization, timestamp, canonical)
    expect(text).to.equal('AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n'
      + 'bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63')
    expect(createHmac('sha256', key).update(text).digest('hex')).to.equal(signature)
  })

  it('hashes the bytes of a header as they were received, not as UTF-8', () => {
    const headers = new Map([['x', '\u00e9']])
    const authorization = { ...parseAuthorization(header) as object, signedHeaders: ['x'] } as unknown as Parameters<typeof stringToSign>[0]
    const canonical = canonicalRequest({ method: 'GET', target: '/', headers, body: Buffer.alloc(0) }, ['x']) ?? ''
    const asUtf8 = stringToSign(authorization, timestamp, Buffer.from(canonical).toString('latin1'))
    expect(stringToSign(authorization, timestamp, canonical)).not.to.equal(asUtf8)
  })

  const request = { method: 'POST', target: '/', headers: new Map([['host', 'a'], ['b', 'x\t y  z']]), body: Buffer.from('{}') }

  it('folds spaces and tabs in header values', () => {
    expect(canonicalRequest(request, ['b'])).to.contain('\nb:x y z\n')
  })

  it('sorts a query by name, then by value', () => {
    const canonical = canonicalRequest({ ...request, target: '/?b=2&a=2&a-=0&a=1&c&=d' }, ['host'])
    expect(canonical?.split('\n')[2]).to.equal('=d&a=1&a=2&a-=0&b=2&c=')
  })

  it('has no canonical form for a signed header that is not there', () => {
    expect(canonicalRequest(request, ['host', 'x-missing'])).to.equal(undefined)
  })

  it('holds x-amz-content-sha256 against the body', () => {
    const declaring = (hash: string) => canonicalRequest({ ...request, headers: new Map([['x-amz-content-sha256', hash]]) }, [])
    expect(declaring('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')).to.be.a('string')
    expect(declaring('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8b')).to.equal(undefined)
    expect(declaring('UNSIGNED-PAYLOAD')).to.equal(undefined)
    expect(declaring('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).to.equal(undefined)
  })
})

describe('Authorization header', () => {
  it('is taken apart', () => {
    expect(parseAuthorization(header)).to.deep.equal({
      accessKeyId: 'AKIDEXAMPLE', date: '20150830', region: 'us-east-1', service: 'service', terminator: 'aws4_request',
      signedHeaders: ['host', 'x-amz-date'], signature,
    })
  })

  it('takes its parameters in any order and with or without spaces', () => {
    const reordered = `AWS4-HMAC-SHA256 Signature=${signature},SignedHeaders=host;x-amz-date,Credential=${scope}`
    expect(parseAuthorization(reordered)).to.deep.equal(parseAuthorization(header))
  })

  const faults: readonly [string, string, readonly string[]][] = [
    ['another scheme', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', ['Algorithm']],
    ['SigV4a', header.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'), ['Algorithm']],
    ['a scheme in lower case', header.replace('AWS4', 'aws4'), ['Algorithm']],
    ['no parameters', 'AWS4-HMAC-SHA256 ', ['Credential', 'SignedHeaders', 'Signature']],
    ['no credential', header.replace(/Credential=\S+ /, ''), ['Credential']],
    ['no signed headers', header.replace(/SignedHeaders=\S+ /, ''), ['SignedHeaders']],
    ['no signature', header.replace(/, Signature=.*/, ''), ['Signature']],
    ['a scope of four parts', header.replace('/service', ''), ['Credential']],
    ['a scope of six parts', header.replace('/service', '/service/more'), ['Credential']],
    ['a date of seven digits', header.replace('20150830', '2015083'), ['Credential']],
    ['a signature in upper case', header.replace(signature, signature.toUpperCase()), ['Signature']],
    ['a short signature', header.slice(0, -1), ['Signature']],
    ['signed headers out of order', header.replace('host;x-amz-date', 'x-amz-date;host'), ['SignedHeaders']],
    ['a signed header twice', header.replace('host;', 'host;host;'), ['SignedHeaders']],
    ['a signed header in upper case', header.replace('host', 'Host'), ['SignedHeaders']],
    ['an empty signed header', header.replace('host;', 'host;;'), ['SignedHeaders']],
    ['a parameter twice', `${header}, Signature=${signature}`, ['Credential', 'SignedHeaders', 'Signature']],
    ['an unknown parameter', `${header}, Extra=1`, ['Credential', 'SignedHeaders', 'Signature']],
    ['a trailing comma', `${header},`, ['Credential', 'SignedHeaders', 'Signature']],
    ['two headers joined into one', `${header},${header}`, ['Credential', 'SignedHeaders', 'Signature']],
  ]
  for (const [what, text, parts] of faults) {
    it(`is refused with ${what}`, () => expect(parseAuthorization(text)).to.deep.equal(parts))
  }

  it(`is refused with more than ${signedHeadersMax} signed headers`, () => {
    const names = (count: number) => Array.from({ length: count }, (_, at) => `h${String(at).padStart(3, '0')}`).join(';')
    expect(parseAuthorization(header.replace('host;x-amz-date', names(signedHeadersMax)))).to.have.property('signature')
    expect(parseAuthorization(header.replace('host;x-amz-date', names(signedHeadersMax + 1)))).to.deep.equal(['SignedHeaders'])
  })

  it('is either parsed or refused, whatever it holds', () => {
    const random = randomFrom(1)
    for (let round = 0; round < 5000; round++) {
      const at = Math.floor(random() * header.length)
      const cut = Math.floor(random() * 8)
      const put = Array.from({ length: Math.floor(random() * 8) }, () => String.fromCharCode(random() * 256)).join('')
      const mutated = header.slice(0, at) + put + header.slice(at + cut)
      const parsed = parseAuthorization(mutated)
      if (!('signature' in parsed)) expect(parsed).not.to.be.empty
      // What parses says the same again when written down: nothing was guessed.
      else expect(mutated).to.contain(parsed.accessKeyId).and.contain(parsed.signature).and.contain(parsed.signedHeaders.join(';'))
    }
  })

  it('is refused quickly when it is long', () => {
    const started = performance.now()
    for (const filler of [',', '=', ';', 'a;', 'a=b,', '/', ' ']) parseAuthorization(`AWS4-HMAC-SHA256 ${filler.repeat(16_000)}`)
    expect(performance.now() - started).to.be.lessThan(1000)
  })
})
