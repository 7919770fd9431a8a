import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KMS } from '@aws-sdk/client-kms'
import { expect } from 'chai'
import type { AuditEvent } from '../../src/domain/audit-chain.js'
import { kmsClient } from '../support/clients.js'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { administration } from './administration-client.js'
import { auditEvents } from './audit-records.js'
import { claviger, json } from './claviger.js'
import { rawRequest } from './raw-request.js'
import { missingKeyId, newKey, suite, type NewKey } from './suite.js'

const accountId = '111122223333'
const [first, second] = ['999988887777', '999988886666']
const region = 'us-east-1'

interface Seen extends AuditEvent { readonly eventID: string }

/** A time that nothing else has, to the millisecond. */
async function momentBetween(): Promise<number> {
  const next = async () => {
    for (const begun = Date.now(); Date.now() === begun;) await nextTurn()
    return Date.now()
  }
  const moment = await next()
  await next()
  return moment
}

describe('LookupEvents', function suiteOfLookups() {
  this.timeout(60_000)
  const on = suite({ settings: {
    accountId, audit: { segmentBytes: 65_536 }, throttle: { actions: { LookupEvents: { perSecond: 10_000 } } },
  } })
  let [anne, bob]: readonly Tenant[] = []
  let [annesKms, bobsKms]: readonly KMS[] = []
  let shared: NewKey
  const tenant = (of: Tenant | undefined): Tenant => {
    if (!of) throw new Error('there are users only while tests run')
    return of
  }
  const client = (of: KMS | undefined): KMS => {
    if (!of) throw new Error('there are clients only while tests run')
    return of
  }

  before(async () => {
    for (const account of [first, second]) await newAccount(on.server, account)
    anne = await newAdministrator(on.server, 'anne', first)
    bob = await newAdministrator(on.server, 'bob', second)
    annesKms = kmsClient(anne, { maxAttempts: 1 })
    bobsKms = kmsClient(bob, { maxAttempts: 1 })
    shared = await newKey(annesKms)
    await annesKms.putKeyPolicy({ KeyId: shared.id, Policy: JSON.stringify({ Statement: [
      { Sid: 'own', Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${first}:root` }, Action: 'kms:*', Resource: '*' },
      { Sid: 'others', Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${second}:root` }, Action: 'kms:Encrypt', Resource: '*' },
    ] }) })
  })
  after(() => { for (const kms of [annesKms, bobsKms]) kms?.destroy() })

  /** All pages. */
  async function lookup(by: Tenant, input: object = {}): Promise<readonly Seen[]> {
    const events: Seen[] = []
    for (let NextToken: string | undefined; ;) {
      const { status, json: page } = await administration(by, 'LookupEvents', { ...input, ...NextToken !== undefined && { NextToken } })
      expect(status, JSON.stringify(page)).to.equal(200)
      events.push(...(page.Events as readonly { CloudTrailEvent: string }[]).map(event => JSON.parse(event.CloudTrailEvent) as Seen))
      NextToken = page.NextToken as string | undefined
      if (NextToken === undefined) return events
    }
  }
  const of = (AttributeKey: string, AttributeValue: string) => ({ LookupAttributes: [{ AttributeKey, AttributeValue }] })
  const operator = (): Tenant => ({ ...on.server, arn: '' })

  it('shows everything to the account of the installation, the newest first, by pages and out of all segments', async () => {
    for (let at = 0; at < 150; at++) await on.call('ListKeys', {})
    await rawRequest(on.server, { secretAccessKey: 'wrong' })
    const written = auditEvents(on.server.dataDir).map(({ eventID }) => eventID)
    expect(readdirSync(join(on.server.dataDir, 'audit')).filter(file => file.endsWith('.jsonl')).length).to.be.above(1)
    const seen = await lookup(operator())
    expect(seen.map(({ eventID }) => eventID)).to.deep.equal(written.toReversed())
  })

  it('shows an account what the administrator of the installation has done to it', async () => {
    const named = { AccountId: second, UserName: 'visited' }
    const done = [
      ['CreateUser', named], ['TagPrincipal', { ...named, Tags: [{ Key: 'team', Value: 'red' }] }],
      ['AttachPolicy', { ...named, PolicyArn: 'arn:aws:iam::aws:policy/ClavigerAuditor' }], ['CreateAccessKey', named],
    ] as const
    for (const [operation, input] of done) {
      const { status, json: answer } = await administration(operator(), operation, input)
      expect(status, JSON.stringify(answer)).to.equal(200)
    }
    for (const [operation] of done) {
      const arn = `arn:aws:iam::${second}:user/visited`
      const [seen, ...more] = await lookup(tenant(bob), of('EventName', operation))
      expect(more, operation).to.deep.equal([])
      expect(seen?.resources).to.deep.equal([{ ARN: arn, type: 'AWS::IAM::User', accountId: second }])
      expect(await lookup(tenant(bob), of('ResourceName', arn))).to.deep.include(seen)
      expect(await lookup(tenant(anne), of('EventName', operation)), 'and to nobody else').to.deep.equal([])
    }
  })

  it('answers as CloudTrail does', async () => {
    const [made] = await lookup(tenant(anne), of('EventName', 'CreateKey'))
    const { json: page } = await administration(tenant(anne), 'LookupEvents', { ...of('EventId', made?.eventID ?? ''), MaxResults: 1 })
    const { CloudTrailEvent: text, ...event } = (page.Events as readonly Record<string, unknown>[])[0] ?? {}
    expect(JSON.parse(String(text))).to.deep.equal(made)
    expect(event).to.deep.equal({
      EventId: made?.eventID, EventName: 'CreateKey', ReadOnly: 'false', EventTime: Date.parse(made?.eventTime ?? '') / 1_000,
      EventSource: 'kms.amazonaws.com', AccessKeyId: tenant(anne).admin.accessKeyId, Username: 'anne', Resources: [],
    })
  })

  it('finds by name, key, user and time, and by several at once', async () => {
    await client(annesKms).encrypt({ KeyId: shared.id, Plaintext: Buffer.from('x') })
    const start = await momentBetween() / 1_000
    await client(annesKms).generateDataKey({ KeyId: shared.id, KeySpec: 'AES_256' })
    const names = (events: readonly Seen[]) => events.map(({ eventName }) => eventName)
    expect(names(await lookup(tenant(anne), of('EventName', 'GenerateDataKey')))).to.deep.equal(['GenerateDataKey'])
    const byKey = await lookup(tenant(anne), of('ResourceName', shared.arn))
    expect(names(byKey)).to.include.members(['GenerateDataKey', 'Encrypt', 'PutKeyPolicy'])
    expect(byKey.every(({ resources }) => resources?.[0]?.ARN === shared.arn)).to.equal(true)
    expect(await lookup(tenant(anne), of('ResourceName', shared.id))).to.deep.equal(byKey)
    expect(names(await lookup(tenant(anne), { StartTime: start }))).to.include('GenerateDataKey').and.not.to.include('Encrypt')
    expect(names(await lookup(tenant(anne), { EndTime: start }))).to.include('Encrypt').and.not.to.include('GenerateDataKey')
    expect(new Set((await lookup(operator(), of('Username', 'anne'))).map(({ userIdentity }) => userIdentity?.arn)))
      .to.deep.equal(new Set([tenant(anne).arn]))
    expect(await lookup(operator(), of('Username', tenant(anne).arn))).to.deep.equal(await lookup(operator(), of('Username', 'anne')))
    const both = [...of('EventName', 'Encrypt').LookupAttributes, ...of('Username', 'bob').LookupAttributes]
    expect(await lookup(tenant(anne), { LookupAttributes: both })).to.deep.equal([])
  })

  it('shows an account only what its own callers did and what was done with its own keys', async () => {
    const { id } = await newKey(client(bobsKms))
    await client(bobsKms).encrypt({ KeyId: id, Plaintext: Buffer.from('x') })
    const seen = await lookup(tenant(anne))
    expect(seen.length).to.be.above(3)
    for (const { userIdentity, resources = [] } of seen) {
      expect(userIdentity?.accountId === first || resources.some(resource => resource.accountId === first)).to.equal(true)
    }
    expect(JSON.stringify(seen)).to.not.include(id)
  })

  it('shows a call across accounts to both, and to each not the policies of the other', async () => {
    await client(bobsKms).encrypt({ KeyId: shared.arn, Plaintext: Buffer.from('x'), EncryptionContext: { tenant: 'b' } })
    const [asCaller] = await lookup(tenant(bob), of('EventName', 'Encrypt'))
    const [asOwner] = await lookup(tenant(anne), of('ResourceName', shared.arn))
    expect(asCaller?.eventID).to.equal(asOwner?.eventID)
    expect(asCaller).to.deep.include({ resources: [{ ARN: shared.arn, type: 'AWS::KMS::Key', accountId: first }] })
    expect(asCaller).to.not.have.property('additionalEventData')
    expect(asOwner?.userIdentity).to.have.all.keys('type', 'principalId', 'accountId')
    expect(asOwner?.userIdentity).to.include({ type: 'AWSAccount', accountId: second })
    expect(asOwner?.requestParameters).to.deep.include({ encryptionContext: { tenant: 'b' } })
    expect(asOwner?.additionalEventData?.authorization).to.deep.equal([{
      action: 'kms:Encrypt', resource: shared.arn, verdict: 'allow', by: 'resource policy', policy: 'key policy',
      statement: 'statement 2 (others)',
    }])
    expect(JSON.stringify(asOwner)).to.not.match(/user\/bob|CVAK|AdministratorAccess/)
    // What is not shown cannot be asked for, either.
    expect(await lookup(tenant(anne), of('Username', 'bob'))).to.deep.equal([])
    expect(await lookup(tenant(anne), of('AccessKeyId', tenant(bob).admin.accessKeyId))).to.deep.equal([])
  })

  it('does not tell whether a key of another account exists', async () => {
    const hidden = await newKey(client(annesKms))
    const about: Record<string, unknown>[] = []
    for (const id of [hidden.id, missingKeyId]) {
      const arn = `arn:aws:kms:${region}:${first}:key/${id}`
      await client(bobsKms).describeKey({ KeyId: arn }).catch(() => {})
      const [newest = {} as Seen] = await lookup(tenant(bob), of('EventName', 'DescribeKey'))
      const { eventID: _, requestID: __, eventTime: ___, ...event } = newest
      about.push(JSON.parse(JSON.stringify(event).replaceAll(id, 'ID')) as Record<string, unknown>)
    }
    expect(about[0]).to.deep.equal(about[1])
    expect(about[0]).to.include({ errorCode: 'AccessDeniedException' }).and.not.to.have.any.keys('resources', 'additionalEventData')
  })

  it('needs the permission of CloudTrail, which auditors have and users of keys have not', async () => {
    const policies = (name: string) => ({ attachedPolicies: [`arn:aws:iam::aws:policy/${name}`], accountId: first })
    const auditor = await newTenant(on.server, 'auditor', policies('ClavigerAuditor'))
    const user = await newTenant(on.server, 'user', policies('ClavigerKeyUser'))
    expect((await lookup(auditor)).length).to.be.above(0)
    const { json: refused } = await administration(user, 'LookupEvents', {})
    expect(refused.__type).to.equal('AccessDeniedException')
    expect(refused.Message).to.match(/not authorized to perform: cloudtrail:LookupEvents because no identity-based policy allows/)
  })

  for (const [what, input, code] of [
    ['an attribute that there is not', of('Color', 'blue'), 'ValidationException'],
    ['a time that ends before it begins', { StartTime: 2, EndTime: 1 }, 'ValidationException'],
    ['a page of more than fifty', { MaxResults: 51 }, 'ValidationException'],
    ['a token that nobody gave out', { NextToken: 'MCAx.AAAA' }, 'InvalidMarkerException'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      expect((await administration(tenant(anne), 'LookupEvents', input)).json.__type).to.equal(code)
    })
  }

  it('takes a token only from the account, and for the question, that it was given out for', async () => {
    const { json: page } = await administration(tenant(anne), 'LookupEvents', { MaxResults: 1 })
    const { NextToken } = page
    expect((await administration(tenant(anne), 'LookupEvents', { NextToken })).status).to.equal(200)
    for (const [by, input] of [[tenant(bob), { NextToken }], [tenant(anne), { NextToken, ...of('EventName', 'Encrypt') }]] as const) {
      expect((await administration(by, 'LookupEvents', input)).json.__type).to.equal('InvalidMarkerException')
    }
  })

  it('works while the server writes, and over what a crash has left unfinished', async () => {
    const directory = join(on.server.dataDir, 'audit')
    const tally = { written: 0, over: false }
    const writing = (async () => {
      for (; !tally.over; tally.written++) await on.call('ListKeys', {})
    })()
    for (let round = 0; round < 10; round++) {
      const seen = await lookup(tenant(anne), { MaxResults: 20 })
      expect(new Set(seen.map(({ eventID }) => eventID)).size).to.equal(seen.length)
    }
    tally.over = true
    await writing
    expect(tally.written).to.be.above(10)
    const files = readdirSync(directory).filter(file => file.endsWith('.jsonl')).sort()
    appendFileSync(join(directory, files[0] ?? ''), '{"eventVersion":"1.11","eventName":"Torn')
    const seen = await lookup(operator())
    expect(seen.map(({ eventName }) => eventName)).to.include('CreateKey').and.not.to.include('Torn')
  })

  it('is there as a command', async () => {
    const { url, admin } = tenant(anne)
    const environment = {
      AWS_ACCESS_KEY_ID: admin.accessKeyId, AWS_SECRET_ACCESS_KEY: admin.secretAccessKey, AWS_REGION: admin.region,
      AWS_ENDPOINT_URL_IAM: url,
    }
    const line = ['audit', 'list', '--since', '1h', '--event-name', 'Encrypt', '--key', shared.arn, '--user', 'anne']
    const events = await json(line, undefined, environment) as readonly Seen[]
    expect(events.map(({ eventName, userIdentity }) => [eventName, userIdentity?.arn])).to.deep.equal([['Encrypt', tenant(anne).arn]])
    const { code, stdout } = await claviger(line, undefined, environment)
    expect(code).to.equal(0)
    const row = `2[^ ]+Z +Encrypt +ok +${tenant(anne).arn} +127\\.0\\.0\\.1 +${shared.arn}`
    expect(stdout).to.match(new RegExp(`^TIME +EVENT +OUTCOME +CALLER +FROM +RESOURCE\n${row}\n$`))
    expect((await claviger(['audit', 'list', '--limit', '3'], undefined, environment)).stdout.split('\n')).to.have.length(5)
    const wrong = await Promise.all([['--since', 'yesterday'], ['--limit', '0'], ['--key', 'alias/x']].map(options =>
      claviger(['audit', 'list', ...options], undefined, environment)))
    expect(wrong.map(({ code: exit, stderr }) => [exit, stderr])).to.deep.equal([
      [2, 'claviger: --since takes a time (2026-01-31T12:00:00Z), or how long ago (90s, 15m, 2h, 7d)\n'],
      [2, 'claviger: --limit must be from 1 to 1000000\n'],
      [2, 'claviger: --key takes a key id or an ARN, so not "alias/x": events name keys by their ARN, not by an alias\n'],
    ])
  })
})
