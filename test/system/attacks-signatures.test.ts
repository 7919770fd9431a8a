import { expect } from 'chai'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { MovedClock } from '../support/clock.js'
import { newRole } from '../support/roles.js'
import { newAccount, newAdministrator, type Tenant } from '../support/tenants.js'
import { ask, attempted, codesOf, doors, refusedAt, type Door } from './attacks-suite.js'
import { auditEvents } from './audit-records.js'
import type { RawRequest, Sent } from './raw-request.js'
import { suite } from './suite.js'

const now = Date.UTC(2026, 4, 5, 12)
const minuteMs = 60_000
const otherAccountId = '444455556666'

interface Attack {
  readonly what: string
  readonly request: RawRequest
  /** In the words of the JSON protocol. */
  readonly code: string
  /** Where it can be tried; everywhere, if not said. */
  readonly at?: readonly Door[]
}

const mismatch = 'InvalidSignatureException'
const incomplete = 'IncompleteSignatureException'
const unknown = 'UnrecognizedClientException'
const json: readonly Door[] = ['kms', 'iam']

const tamper = (change: (sent: Sent) => void): RawRequest => ({ tamper: change })
const authorization = (from: string | RegExp, to: string): RawRequest =>
  tamper(({ headers }) => { headers.authorization = (headers.authorization ?? '').replace(from, to) })
/** Changes what is asked for, wherever it stands. */
const asking = (from: string, to: string): RawRequest => tamper(sent => {
  const target = sent.headers['x-amz-target']
  if (target !== undefined) sent.headers['x-amz-target'] = target.replace(from, to)
  sent.body = Buffer.from(sent.body.toString().replace(from, to))
})

const attacks: readonly Attack[] = [
  {
    what: 'another body', code: mismatch,
    request: tamper(sent => { sent.body = Buffer.from(sent.body.toString().replace('mallory', 'mallorx')) }),
  },
  {
    what: 'a body with a blank more', code: mismatch,
    request: tamper(sent => { sent.body = Buffer.concat([sent.body, Buffer.from(' ')]) }),
  },
  { what: 'no body', request: tamper(sent => { sent.body = Buffer.alloc(0) }), code: mismatch },
  { what: 'another operation', request: asking('Create', 'Delete'), code: mismatch, at: json },
  { what: 'the operation in other letters', request: asking('Create', 'create'), code: mismatch, at: json },
  { what: 'another host', request: tamper(({ headers }) => { headers.host = 'kms.us-east-1.amazonaws.com' }), code: mismatch },
  { what: 'its host without the port', request: tamper(({ headers }) => { headers.host = '127.0.0.1' }), code: mismatch },
  { what: 'its host with a dot after it', request: tamper(({ headers }) => { headers.host = `${headers.host ?? ''}.` }), code: mismatch },
  { what: 'a host that is forwarded', request: tamper(({ headers }) => {
    headers['x-forwarded-host'] = headers.host ?? ''
    headers.host = 'evil.example'
  }), code: mismatch },
  { what: 'another second', request: tamper(({ headers }) => { headers['x-amz-date'] = '20260505T120001Z' }), code: mismatch },
  { what: 'Date in place of X-Amz-Date', request: tamper(({ headers }) => {
    delete headers['x-amz-date']
    headers.date = 'Tue, 05 May 2026 12:00:00 GMT'
  }), code: mismatch },
  { what: 'another time zone', request: tamper(({ headers }) => { headers['x-amz-date'] = '20260505T140000+02:00' }), code: incomplete },
  { what: 'a time more than five minutes ago', request: { time: now - 5 * minuteMs - 1_000 }, code: mismatch },
  { what: 'a time more than five minutes ahead', request: { time: now + 5 * minuteMs + 1_000 }, code: mismatch },
  { what: 'parameters in the address', request: tamper(sent => { sent.path = '/?DryRun=false' }), code: mismatch },
  { what: 'a fragment in the address', request: tamper(sent => { sent.path = '/#' }), code: mismatch },

  { what: 'a host that is not signed', request: { unsigned: ['host'] }, code: mismatch },
  { what: 'a date that is not signed', request: { unsigned: ['x-amz-date'] }, code: mismatch },
  { what: 'a target that is not signed', request: { unsigned: ['x-amz-target'] }, code: mismatch, at: json },
  {
    what: 'a target that was put in', code: mismatch, at: ['sts'],
    request: tamper(({ headers }) => { headers['x-amz-target'] = 'TrentService.CreateKey' }),
  },
  {
    what: 'a header of AWS that was put in', code: mismatch,
    request: tamper(({ headers }) => { headers['x-amz-source-arn'] = 'arn:aws:s3:::b' }),
  },
  {
    what: 'a hash of the body that was put in', code: mismatch,
    request: tamper(({ headers }) => { headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD' }),
  },
  { what: 'a payload that is said not to be signed', request: {
    headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    ...tamper(sent => { sent.body = Buffer.from(sent.body.toString().replace('mallory', 'x')) }),
  }, code: mismatch },
  {
    what: 'a payload that is said to come in signed pieces', code: mismatch,
    request: { headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' } },
  },
  { what: 'a signed header that is not there', request: authorization('SignedHeaders=', 'SignedHeaders=a;'), code: mismatch },
  { what: 'no signed header', request: authorization(/SignedHeaders=[^,]*/, 'SignedHeaders='), code: incomplete },
  { what: 'signed headers in other letters', request: authorization('host;', 'Host;'), code: incomplete },

  { what: 'another region', request: { scope: { region: 'eu-west-9' } }, code: mismatch },
  { what: 'another day in its scope', request: { scope: { date: '20260504' } }, code: mismatch },
  { what: 'another end of its scope', request: { scope: { terminator: 'aws5_request' } }, code: mismatch },
  { what: 'the scope of S3', request: { scope: { service: 's3' } }, code: mismatch },
  { what: 'its service in capitals', request: { scope: { service: 'KMS' } }, code: mismatch },
  { what: 'no service', request: authorization(/\/(kms|iam|sts)\//, '//'), code: incomplete },
  { what: 'a scope of two services', request: authorization(/\/(kms|iam|sts)\//, '/$1/kms/'), code: incomplete },
  {
    what: 'a scope within its access key', code: incomplete,
    request: { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA/20260505/us-east-1/kms/aws4_request' },
  },

  { what: 'another algorithm', request: authorization('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1'), code: incomplete },
  { what: 'the algorithm of several regions', request: authorization('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'), code: incomplete },
  { what: 'no algorithm', request: authorization('AWS4-HMAC-SHA256 ', ''), code: incomplete },
  { what: 'a password', request: authorization(/.*/, 'Basic YWRtaW46YWRtaW4='), code: incomplete },
  { what: 'a bearer token', request: authorization(/.*/, 'Bearer eyJhbGciOiJub25lIn0.e30.'), code: incomplete },
  { what: 'an empty header', request: authorization(/.*/, ''), code: incomplete },
  { what: 'no signature', request: authorization(/Signature=[0-9a-f]+$/, 'Signature='), code: incomplete },
  {
    what: 'a signature of nothing but zeros', code: mismatch,
    request: authorization(/Signature=[0-9a-f]+$/, `Signature=${'0'.repeat(64)}`),
  },
  { what: 'two signatures', request: authorization(/$/, `, Signature=${'0'.repeat(64)}`), code: incomplete },
  { what: 'a signature in the address', request: tamper(sent => {
    delete sent.headers.authorization
    sent.path = `/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=${'0'.repeat(64)}`
  }), code: incomplete },
  { what: 'nothing', request: tamper(({ headers }) => { delete headers.authorization }), code: 'MissingAuthenticationTokenException' },

  { what: 'an unknown access key', request: { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA' }, code: unknown },
  {
    what: 'the secret that stands in for unknown ones', code: unknown,
    request: { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA', secretAccessKey: '\0'.repeat(40) },
  },
  { what: 'a property of every object for an access key', request: { accessKeyId: '__proto__' }, code: unknown },
  { what: 'an empty secret', request: { secretAccessKey: '' }, code: mismatch },
]

/** What has an effect at each of the three. */
const operations: Readonly<Record<Door, readonly [operation: string, input: object]>> = {
  kms: ['CreateKey', { Description: 'mallory' }],
  iam: ['CreateUser', { UserName: 'mallory' }],
  sts: ['AssumeRole', { RoleSessionName: 'mallory' }],
}

describe('an attack on the signature of a call', function suiteOfSignatures() {
  this.timeout(20_000)
  const clock = new MovedClock(now)
  const on = suite({ clock })
  let roleArn: string
  let other: Tenant

  before(async () => {
    const { services, admin: { accountId } } = on.server
    roleArn = await newRole(services, 'worker', { accountId, attachedPolicies: [administratorAccess.arn] })
    await newAccount(on.server, otherAccountId)
    other = await newAdministrator(on.server, 'administrator', otherAccountId)
  })

  async function effects(): Promise<readonly number[]> {
    const [keys, users] = [await ask(on.server, 'kms', 'ListKeys'), await ask(on.server, 'iam', 'ListUsers')]
    const given = auditEvents(on.server.dataDir).filter(({ eventName, errorCode }) => eventName === 'AssumeRole' && errorCode === undefined)
    const count = (body: string, list: string) => (JSON.parse(body) as Record<string, readonly unknown[]>)[list]?.length ?? -1
    return [count(keys.body, 'Keys'), count(users.body, 'Users'), given.length]
  }
  const asked = (door: Door, request: RawRequest = {}, by: Pick<Tenant, 'url' | 'clock' | 'admin'> = on.server) => {
    const [operation, input] = operations[door]
    return ask(by, door, operation, door === 'sts' ? { RoleArn: roleArn, ...input } : input, request)
  }

  async function isRefused(door: Door, code: string, request: RawRequest): Promise<void> {
    const before = await effects()
    const { answer, records } = await attempted(on, () => asked(door, request))
    expect(answer).to.include(refusedAt(door, code))
    expect(codesOf(records)).to.deep.equal([code])
    expect(records[0]).to.not.have.property('userIdentity')
    expect(answer.body).to.not.contain('SecretAccessKey').and.not.contain(on.server.admin.accountId)
    expect(await effects()).to.deep.equal(before)
  }

  for (const door of doors) {
    describe(`to ${door}`, () => {
      for (const { what, request, code } of attacks.filter(({ at = doors }) => at.includes(door))) {
        it(`with ${what} is refused`, () => isRefused(door, code, request))
      }
      for (const service of doors.filter(one => one !== door)) {
        it(`that was made for ${service} is refused`, () => isRefused(door, mismatch, { scope: { service } }))

        it(`that was made for ${service}, with the scope rewritten, is refused`, () => isRefused(door, mismatch, {
          scope: { service }, ...authorization(`/${service}/`, `/${door}/`),
        }))
      }

      it('with the access key of another account and one\'s own secret is refused', () =>
        isRefused(door, mismatch, { accessKeyId: other.admin.accessKeyId }))

      it('that was good is refused five minutes later, to the second', async () => {
        const time = clock.now()
        clock.advance(5 * minuteMs + 1_000)
        try {
          await isRefused(door, mismatch, { time })
        } finally {
          clock.advance(-5 * minuteMs - 1_000)
        }
      })
    })
  }

  it('is none: as they are meant, the three are done', async () => {
    const before = await effects()
    for (const door of doors) expect(await asked(door)).to.include({ status: 200 })
    expect(await effects()).to.deep.equal(before.map(count => count + 1))
  })
})
