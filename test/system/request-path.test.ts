import { expect } from 'chai'
import { operations } from '../../src/service/operations.js'
import { newAccessKey } from '../../src/service/credentials.js'
import { firstRoots } from '../../src/service/roots.js'
import { kmsClient, refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { sampleUser } from '../support/callers.js'
import { selfSigned } from '../http/self-signed.js'
import { sampleInput } from '../support/samples.js'
import { basicFormat, rawRequest, type RawRequest } from './raw-request.js'
import { suite } from './suite.js'

const minuteMs = 60_000
const now = Date.UTC(2026, 4, 5, 12)
const mismatch = 'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and '
  + 'signing method. Consult the service documentation for details.'
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('the signature of a request', () => {
  const clock = new MovedClock(now)
  const on = suite({ clock })

  const refused: readonly (readonly [title: string, request: RawRequest, code: string, message: string])[] = [
    ['an unknown access key', { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA' }, 'UnrecognizedClientException',
      'The security token included in the request is invalid.'],
    ['another secret', { secretAccessKey: 'x'.repeat(40) }, 'InvalidSignatureException', mismatch],
    ['a body that was changed', { tamper: sent => { sent.body = Buffer.from('{"Limit":1}') } }, 'InvalidSignatureException', mismatch],
    ['an operation that was changed', { tamper: sent => { sent.headers['x-amz-target'] = 'TrentService.CreateKey' } },
      'InvalidSignatureException', mismatch],
    ['another Host', { tamper: sent => { sent.headers.host = 'kms.us-east-1.amazonaws.com' } }, 'InvalidSignatureException', mismatch],
    ['a path that was changed', { tamper: sent => { sent.path = '/?Action=x' } }, 'InvalidSignatureException', mismatch],
    ['a signed header that is not there', { headers: { 'x-extra': '1' }, tamper: sent => { delete sent.headers['x-extra'] } },
      'InvalidSignatureException', mismatch],
    ['a content hash of another body', { headers: { 'x-amz-content-sha256': '0'.repeat(64) } }, 'InvalidSignatureException', mismatch],
    ['an unsigned payload', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, 'InvalidSignatureException', mismatch],
    ['an unsigned Host', { unsigned: ['host'] }, 'InvalidSignatureException',
      "'host' must be a 'SignedHeader' in the AWS Authorization."],
    ['an unsigned date', { unsigned: ['x-amz-date'] }, 'InvalidSignatureException',
      "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization."],
    ['an unsigned target', { unsigned: ['x-amz-target'] }, 'InvalidSignatureException',
      "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."],
    ['another region', { scope: { region: 'eu-west-1' } }, 'InvalidSignatureException', 'Credential should be scoped to a valid region.'],
    ['another service', { scope: { service: 's3' } }, 'InvalidSignatureException',
      "Credential should be scoped to correct service: 'kms'."],
    ['another terminator', { scope: { terminator: 'aws5_request' } }, 'InvalidSignatureException',
      "Credential should be scoped with a valid terminator: 'aws4_request'."],
    ['a scope of another day', { scope: { date: '20260504' } }, 'InvalidSignatureException',
      'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '
      + "'20260504' != '20260505', from '20260505T120000Z'."],
    ['a time more than 5 minutes ago', { time: now - 5 * minuteMs - 1000 }, 'InvalidSignatureException',
      'Signature expired: 20260505T115459Z is now earlier than 20260505T115500Z (20260505T120000Z - 5 min.)'],
    ['a time more than 5 minutes ahead', { time: now + 5 * minuteMs + 1000 }, 'InvalidSignatureException',
      'Signature not yet current: 20260505T120501Z is still later than 20260505T120500Z (20260505T120000Z + 5 min.)'],
    ['no signature', { tamper: sent => { delete sent.headers.authorization } }, 'MissingAuthenticationTokenException',
      'Missing Authentication Token'],
    ['another scheme', { tamper: sent => { sent.headers.authorization = 'Basic eDp5' } }, 'IncompleteSignatureException',
      "Authorization header requires the algorithm 'AWS4-HMAC-SHA256'."],
    ['a header without Signature',
      { tamper: ({ headers }) => { headers.authorization = (headers.authorization ?? '').replace(/, Signature.*/, '') } },
      'IncompleteSignatureException', "Authorization header requires 'Signature' parameter."],
    ['no date', { headers: { 'x-amz-date': undefined } }, 'IncompleteSignatureException',
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."],
    ['a date in another form', { headers: { 'x-amz-date': new Date(now).toISOString() } }, 'IncompleteSignatureException',
      "Date must be in ISO-8601 'basic format'."],
  ]
  for (const [title, request, code, message] of refused) {
    it(`with ${title} is refused`, async () => {
      const { status, json } = await rawRequest(on.server, request)
      expect([status, json]).to.deep.equal([400, { __type: code, message }])
    })
  }

  it('is good up to 5 minutes either way', async () => {
    for (const time of [now - 5 * minuteMs, now, now + 5 * minuteMs]) {
      expect((await rawRequest(on.server, { time })).status, basicFormat(time)).to.equal(200)
    }
  })

  it('need not cover X-Amz-Security-Token, which a long-term access key does not use', async () => {
    const token = { headers: { 'x-amz-security-token': 'left over from elsewhere' } }
    expect((await rawRequest(on.server, { ...token, unsigned: ['x-amz-security-token'] })).status).to.equal(200)
    expect((await rawRequest(on.server, token)).status).to.equal(200)
    const { accessKeyId, secretAccessKey } = on.server.admin
    const client = kmsClient(on.server, { credentials: { accessKeyId, secretAccessKey, sessionToken: 'left over' } })
    expect((await client.listKeys({})).Keys).to.deep.equal([])
    client.destroy()
  })

  it('may cover the SHA-256 of the body', async () => {
    const empty = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    expect((await rawRequest(on.server, { headers: { 'x-amz-content-sha256': empty } })).status).to.equal(200)
  })
})

describe('the answer to a request', () => {
  const clock = new MovedClock(now)
  const on = suite({ clock })

  it('has Content-Length with capitals, the request id and the time of the server', async () => {
    clock.advance(1234)
    for (const operation of ['ListKeys', 'NoSuchOperation']) {
      const { headers, headerNames, body } = await rawRequest(on.server, { operation })
      expect(headerNames).to.include.members(['Content-Length', 'Content-Type', 'x-amzn-RequestId', 'Date'])
      expect(headers['content-length']).to.equal(String(Buffer.byteLength(body)))
      expect(headers['content-type']).to.equal('application/x-amz-json-1.1')
      expect(headers['x-amzn-requestid']).to.match(uuid)
      expect(headers.date).to.equal(new Date(clock.now()).toUTCString())
      expect(headers).not.to.have.any.keys('age', 'x-powered-by', 'etag', 'transfer-encoding')
    }
  })

  it('has the time of the server and no Age, whatever the answer is: SDKs set the clock that they sign by', async () => {
    clock.advance(3_600_000)
    const answers = await Promise.all([
      rawRequest(on.server, { input: ' '.repeat(600_000) }),
      rawRequest(on.server, { time: clock.now() - 600_000 }),
      rawRequest(on.server, { tamper: sent => { sent.path = '/elsewhere' } }),
      rawRequest(on.server, { tamper: sent => { sent.headers['content-type'] = 'text/plain' } }),
      rawRequest(on.server, { operation: 'DisableKey', input: { KeyId: (await on.newKey()).id } }),
    ])
    expect(answers.map(({ status }) => status)).to.deep.equal([413, 400, 404, 400, 200])
    for (const { headers } of answers) {
      expect(headers.date).to.equal(new Date(clock.now()).toUTCString())
      expect(headers).not.to.have.property('age')
    }
  })

  it('has another request id every time', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await rawRequest(on.server, {})).headers['x-amzn-requestid']))
    expect(new Set(ids)).to.have.property('size', 10)
  })

  it('to a body beyond the limit is 413', async () => {
    const { status, json } = await rawRequest(on.server, { input: ' '.repeat(600_000) })
    expect([status, json]).to.deep.equal([413, { __type: 'RequestEntityTooLargeException' }])
  })

  it('to another content type, path or method is that there is no such operation', async () => {
    for (const request of [
      { headers: { 'content-type': 'application/json' } },
      { headers: { 'content-type': 'application/x-amz-json-1.0' } },
      { headers: { 'content-type': undefined } },
    ]) {
      const { status, json } = await rawRequest(on.server, request)
      expect([status, json.__type]).to.deep.equal([400, 'UnknownOperationException'])
    }
    for (const tamper of [
      (sent: { path: string }) => { sent.path = '/elsewhere' },
      (sent: { method: string }) => { sent.method = 'PUT' },
    ]) {
      expect((await rawRequest(on.server, { tamper })).status).to.equal(404)
    }
  })
})

describe('a caller who is not the administrator', () => {
  const on = suite()

  async function credentialsOf(active: boolean) {
    const { services: { hsm, store, clock, accountId } } = on.server
    const user = sampleUser('intruder', { accountId, id: `AIDA${active}` })
    await store.identities.insert(user)
    const { accessKey, secret } = await newAccessKey(hsm, clock, firstRoots.seal, user)
    await store.credentials.put({ ...accessKey, active })
    return { accessKeyId: accessKey.accessKeyId, secretAccessKey: secret }
  }

  /** The least input with which an operation gets as far as asking for permission. */
  const needed = (KeyId: string, blob: string): Readonly<Record<string, unknown>> => ({
    KeyId, TargetKeyId: KeyId, SourceKeyId: KeyId, DestinationKeyId: KeyId, AliasName: 'alias/x', CiphertextBlob: blob, Plaintext: 'eA==',
    KeySpec: undefined,
    CloudHsmClusterId: 'cluster-abcdefghijk', TrustAnchorCertificate: selfSigned().certificate, KeyStorePassword: 'not-the-pin',
    Description: 'x', Tags: [], TagKeys: [], NumberOfBytes: 32, GranteePrincipal: '123456789012', RetiringPrincipal: '123456789012',
    Operations: ['Decrypt'], GrantId: 'f'.repeat(64), Policy: JSON.stringify({
      Statement: { Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' },
    }),
  })

  it('is denied every operation, and told which', async () => {
    const credentials = await credentialsOf(true)
    const key = await on.newKey()
    await on.kms.createAlias({ AliasName: 'alias/x', TargetKeyId: key.id })
    const blob = (await on.call('Encrypt', { KeyId: key.id, Plaintext: 'eA==' })).json.CiphertextBlob as string
    for (const [operation, { contract, needs }] of operations) {
      // Without a key of its own, ListAliases is about the account.
      const { KeyId, ...rest } = { ...sampleInput(operation, contract.input), ...needed(key.id, blob) }
      const input = operation === 'ListAliases' ? rest : { KeyId, ...rest }
      const { status, json } = await rawRequest(on.server, { operation, input, ...credentials })
      expect([status, json.__type], operation).to.deep.equal([400, 'AccessDeniedException'])
      const action = operation === 'ReEncrypt' ? 'ReEncryptFrom' : operation
      const onKey = needs(input).length === 0 ? '' : ` on resource: ${key.arn}`
      const arn = `arn:aws:iam::${on.server.admin.accountId}:user/intruder`
      expect(json.Message).to.equal(`User: ${arn} is not authorized to perform: kms:${action}${onKey} because no identity-based policy `
        + `allows the kms:${action} action`)
    }
  })

  it('is not told which keys and aliases exist, or in what state they are', async () => {
    const client = kmsClient(on.server, { credentials: await credentialsOf(true), maxAttempts: 1 })
    const disabled = await on.newKey()
    await on.kms.disableKey({ KeyId: disabled.id })
    for (const KeyId of [disabled.id, '1234abcd-12ab-44cd-96ef-1234567890ab', 'alias/nobody']) {
      expect((await refusal(client.encrypt({ KeyId, Plaintext: Buffer.from('x') }))).code).to.equal('AccessDeniedException')
    }
    client.destroy()
  })

  it('with an access key that was switched off is not known at all', async () => {
    const { status, json } = await rawRequest(on.server, await credentialsOf(false))
    expect([status, json.__type]).to.deep.equal([400, 'UnrecognizedClientException'])
  })
})
