import { expect } from 'chai'
import { newTenant, type Tenant } from '../support/tenants.js'
import { attempted, codesOf, exchange, onTheWire, statusesIn } from './attacks-suite.js'
import { signed, type RawRequest, type Sent } from './raw-request.js'
import { elementIn, formOf } from './raw-sts.js'
import { suite } from './suite.js'

interface Attack {
  readonly what: string
  /** Of a good request that would disable a key, what is sent in its place. */
  readonly bytes: (sent: Sent) => Buffer
  readonly statuses: readonly number[]
  /** As they are in the audit log; none for what is not HTTP. */
  readonly codes: readonly string[]
}

const mismatch = 'InvalidSignatureException'
const target = 'x-amz-target: TrentService'
const wire = (...lines: readonly string[]) => (sent: Sent) => onTheWire(sent, lines)
/** Both lines, in place of the one that was signed. */
const twice = (name: string, ...values: readonly string[]) => (sent: Sent) =>
  onTheWire(sent, values.map(value => `${name}: ${value === '' ? sent.headers[name.toLowerCase()] ?? '' : value}`))
const refused = (code: string) => ({ statuses: [400], codes: [code] })
const notHttp = { statuses: [400], codes: [] }
const chunked = (sent: Sent) => `${sent.body.length.toString(16)}\r\n${sent.body.toString()}\r\n0\r\n\r\n`
/** With a body of that framing, and no other. */
const framed = (sent: Sent, lines: readonly string[], body: string) => onTheWire({ ...sent, body: Buffer.from(body) }, lines)

const attacks: readonly Attack[] = [
  {
    what: 'a second target before the one that was signed', ...refused(mismatch),
    bytes: twice('X-Amz-Target', 'TrentService.DisableKey', ''),
  },
  { what: 'a second target after it', bytes: twice('X-Amz-Target', '', 'TrentService.DisableKey'), ...refused(mismatch) },
  { what: 'the same target twice', bytes: twice('X-Amz-Target', '', ''), ...refused(mismatch) },
  {
    what: 'a second target in other letters', ...refused(mismatch),
    bytes: wire(`${target}.DescribeKey`, 'X-AMZ-TARGET: TrentService.DisableKey'),
  },
  { what: 'a target of another API before it', bytes: twice('X-Amz-Target', 'ClavigerAdministration.ListUsers', ''), ...refused(mismatch) },
  { what: 'a target with a comma', bytes: wire(`${target}.DescribeKey,TrentService.DisableKey`), ...refused(mismatch) },
  { what: 'a second Authorization', bytes: twice('Authorization', '', 'AWS4-HMAC-SHA256 x'), ...refused('IncompleteSignatureException') },
  { what: 'the same Authorization twice', bytes: twice('Authorization', '', ''), ...refused('IncompleteSignatureException') },
  { what: 'a second date', bytes: twice('X-Amz-Date', '', '20260101T000000Z'), ...refused('IncompleteSignatureException') },
  { what: 'a second host', bytes: twice('Host', '', 'evil.example'), ...refused(mismatch) },
  { what: 'a second host before it', bytes: twice('Host', 'evil.example', ''), ...refused(mismatch) },
  { what: 'an empty host', bytes: wire('Host:'), ...refused(mismatch) },
  {
    what: 'the type of a form after that of JSON', statuses: [400], codes: [],
    bytes: twice('Content-Type', '', 'application/x-www-form-urlencoded'),
  },
  {
    what: 'the type of a form before that of JSON', statuses: [400], codes: [],
    bytes: twice('Content-Type', 'application/x-www-form-urlencoded', ''),
  },
  { what: 'the type of a form', bytes: wire('Content-Type: application/x-www-form-urlencoded'), statuses: [403], codes: [mismatch] },
  {
    what: 'the type of a form with that of JSON for a parameter', statuses: [403], codes: [mismatch],
    bytes: wire('Content-Type: application/x-www-form-urlencoded; a=application/x-amz-json-1.1'),
  },
  { what: 'no type', bytes: wire('Content-Type:'), statuses: [400], codes: [] },
  { what: 'a type that browsers send without asking', bytes: wire('Content-Type: text/plain'), statuses: [400], codes: [] },

  { what: 'a folded target', bytes: wire(`${target}.\r\n DisableKey`), ...notHttp },
  {
    what: 'a folded Authorization', ...notHttp,
    bytes: sent => onTheWire(sent, [`Authorization: ${(sent.headers.authorization ?? '').replace(' ', '\r\n ')}`]),
  },
  { what: 'a blank before the colon', bytes: wire(`${target.replace(':', ' :')}.DisableKey`), ...notHttp },
  { what: 'a line that is no header', bytes: wire('x-amz-target TrentService.DisableKey', ''), ...notHttp },
  { what: 'a header without a name', bytes: wire(': x'), ...notHttp },
  { what: 'a carriage return in a value', bytes: wire(`${target}.DisableKey\rX-Other: 1`), ...notHttp },
  { what: 'a line feed for the end of a line', bytes: wire(`${target}.DisableKey\nX-Other: 1`), ...notHttp },
  { what: 'a zero byte in a value', bytes: wire(`${target}.DisableKey\0`), ...notHttp },
  { what: 'a zero byte in a name', bytes: wire('x-amz-\0target: TrentService.DisableKey'), ...notHttp },
  { what: 'a byte beyond ASCII in a name', bytes: wire('x-amz-t\u00e4rget: TrentService.DisableKey'), ...notHttp },

  {
    what: 'two lengths', ...notHttp,
    bytes: sent => framed(sent, [`Content-Length: ${sent.body.length}`, 'Content-Length: 2'], sent.body.toString()),
  },
  { what: 'a list of lengths', bytes: sent => framed(sent, [`Content-Length: ${sent.body.length}, 2`], sent.body.toString()), ...notHttp },
  { what: 'a length with a sign', bytes: sent => framed(sent, [`Content-Length: +${sent.body.length}`], sent.body.toString()), ...notHttp },
  {
    what: 'a length in hex', ...notHttp,
    bytes: sent => framed(sent, [`Content-Length: 0x${sent.body.length.toString(16)}`], sent.body.toString()),
  },
  {
    what: 'a length and chunks', ...notHttp,
    bytes: sent => framed(sent, ['Content-Length: 4', 'Transfer-Encoding: chunked'], chunked(sent)),
  },
  {
    what: 'chunks within an unknown encoding', ...notHttp,
    bytes: sent => framed(sent, ['Transfer-Encoding: chunked, identity'], chunked(sent)),
  },
  { what: 'chunks by another name', bytes: sent => framed(sent, ['Transfer-Encoding: xchunked'], chunked(sent)), ...notHttp },
  {
    what: 'a chunk of a length that is none', ...notHttp,
    bytes: sent => framed(sent, ['Transfer-Encoding: chunked'], `-1\r\n${chunked(sent)}`),
  },
  { what: 'a target among the trailers', bytes: sent => framed(sent, ['Transfer-Encoding: chunked', `${target}.ListKeys`],
    chunked(sent).replace(/\r\n$/, `${target}.DisableKey\r\n\r\n`)), ...refused(mismatch) },

  {
    what: 'a whole address that is another one', ...refused(mismatch),
    bytes: sent => onTheWire(sent, [], 'POST http://evil.example/ HTTP/1.1'),
  },
  {
    what: 'a whole address that is the right one', ...refused(mismatch),
    bytes: sent => onTheWire(sent, [], `POST http://${sent.headers.host ?? ''}/ HTTP/1.1`),
  },
  { what: 'a path that ends where it began', bytes: sent => onTheWire(sent, [], 'POST /x/.. HTTP/1.1'), statuses: [404], codes: [] },
  { what: 'two slashes', bytes: sent => onTheWire(sent, [], 'POST // HTTP/1.1'), statuses: [404], codes: [] },
  { what: 'an encoded slash', bytes: sent => onTheWire(sent, [], 'POST /%2f HTTP/1.1'), statuses: [404], codes: [] },
  { what: 'another method, and POST in a header', bytes: sent => onTheWire(sent, ['X-HTTP-Method-Override: POST'], 'GET / HTTP/1.1'),
    statuses: [404], codes: [] },
  { what: 'a method in small letters', bytes: sent => onTheWire(sent, [], 'post / HTTP/1.1'), ...notHttp },
  { what: 'a tunnel to be opened', bytes: sent => onTheWire(sent, [], 'CONNECT evil.example:443 HTTP/1.1'), statuses: [], codes: [] },
]

describe('an attack by how a call is written', function suiteOfSmuggling() {
  this.timeout(20_000)
  const on = suite()
  let keyId: string
  let session: RawRequest
  let other: Tenant

  before(async () => {
    keyId = (await on.newKey()).id
    other = await newTenant(on.server, 'other')
    const by = (await sentToSts('GetSessionToken')).received
    session = {
      accessKeyId: elementIn(by, 'AccessKeyId'), secretAccessKey: elementIn(by, 'SecretAccessKey'),
      headers: { 'x-amz-security-token': elementIn(by, 'SessionToken') },
    }
  })

  /** Signed for a call that does no harm: what is smuggled would. */
  const sample = (request: RawRequest = {}) => signed(on.server, { operation: 'DescribeKey', input: { KeyId: keyId }, ...request })
  async function sentToSts(action: string) {
    const request = {
      input: formOf({ Action: action }), scope: { service: 'sts' },
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': undefined },
    }
    return { received: await exchange(on.server, onTheWire(signed(on.server, request))) }
  }
  const stateOf = async () => (await on.kms.describeKey({ KeyId: keyId })).KeyMetadata?.KeyState

  async function isRefused(bytes: Buffer, { statuses, codes }: Pick<Attack, 'statuses' | 'codes'>): Promise<void> {
    const { answer, records } = await attempted(on, () => exchange(on.server, bytes))
    expect(statusesIn(answer), answer).to.deep.equal(statuses)
    expect(codesOf(records)).to.deep.equal(codes)
    expect(answer).to.not.contain('KeyMetadata').and.not.contain(on.server.admin.accountId)
    expect(await stateOf()).to.equal('Enabled')
  }

  for (const { what, bytes, ...expected } of attacks) {
    it(`with ${what} is refused`, () => isRefused(bytes(sample()), expected))
  }

  it('with two session tokens is refused, in whatever order', async () => {
    const own = session.headers?.['x-amz-security-token'] ?? ''
    for (const tokens of [[own, own], [own, 'x'], ['x', own]]) {
      const lines = tokens.map(token => `X-Amz-Security-Token: ${token}`)
      await isRefused(onTheWire(sample(session), lines), refused('UnrecognizedClientException'))
    }
  })

  it('with a second call in the bytes behind the first is done by nobody but who has signed it', async () => {
    const theirs = signed(other, { operation: 'DisableKey', input: { KeyId: keyId } })
    const unsigned = { ...theirs, headers: { ...theirs.headers } }
    delete unsigned.headers.authorization
    const list = signed(on.server, { operation: 'ListKeys' })
    for (const [second, code] of [[theirs, 'AccessDeniedException'], [unsigned, 'MissingAuthenticationTokenException']] as const) {
      const { answer, records } = await attempted(on, () => exchange(on.server, Buffer.concat([onTheWire(list), onTheWire(second)])))
      expect(statusesIn(answer)).to.deep.equal([200, 400])
      expect(codesOf(records)).to.deep.equal([undefined, code])
    }
    expect(await stateOf()).to.equal('Enabled')
  })

  it('with a call in the body of another is done by nobody', async () => {
    const inner = onTheWire(signed(other, { operation: 'DisableKey', input: { KeyId: keyId } }))
    await isRefused(onTheWire(sample({ tamper: sent => { sent.body = inner } })), refused(mismatch))
    // What a length leaves over is a request of its own, and is no better than it.
    const list = signed(on.server, { operation: 'ListKeys', input: '' })
    const { records } = await attempted(on, () => exchange(on.server, onTheWire({ ...list, body: inner }, ['Content-Length: 0'])))
    expect(codesOf(records)).to.deep.equal(['SerializationException', 'AccessDeniedException'])
    expect(await stateOf()).to.equal('Enabled')
  })

  it('with headers that only look like the target is the call that was signed', async () => {
    for (const line of ['x_amz_target', 'amz-target', 'x-amzn-target', 'target', '__proto__']) {
      const received = await exchange(on.server, onTheWire(sample(), [`${line}: TrentService.DisableKey`]))
      expect(statusesIn(received)).to.deep.equal([200])
      expect(await stateOf()).to.equal('Enabled')
    }
  })

  it('is none: header names in any letters, blanks around values and chunks are all the same call', async () => {
    const sent = sample()
    const odd = Object.entries(sent.headers).map(([name, value]) => `${name.toUpperCase()}: \t ${value} \t`)
    const received = await exchange(on.server, framed(sent, [...odd, 'transfer-encoding: chunked'], chunked(sent)))
    expect(statusesIn(received), received).to.deep.equal([200])
    expect(received).to.contain('"KeyMetadata"')
  })
})
