import { expect } from 'chai'
import { kmsClient, refusal } from '../support/clients.js'
import { MovedClock } from '../support/clock.js'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { administration } from './administration-client.js'
import { auditEvents } from './audit-records.js'
import { rawRequest, type RawRequest } from './raw-request.js'
import { stsRequest, unsigned } from './raw-sts.js'
import { newKey, suite } from './suite.js'

const text = 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.'
const otherAccountId = '999988887777'
const throttling = { __type: 'ThrottlingException', message: text }

describe('an account that calls too often', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const on = suite({
    clock,
    settings: {
      accountId: '111122223333',
      throttle: { accountPerSecond: 1, accountBurst: 1_000, accounts: { [otherAccountId]: { perSecond: 2, burst: 4 } } },
    },
  })
  let other: Tenant

  before(async () => {
    await newAccount(on.server, otherAccountId)
    other = await newAdministrator(on.server, 'other', otherAccountId)
  })
  const codes = (tenant: Tenant, operations: readonly string[]) =>
    Promise.all(operations.map(async operation => (await rawRequest(tenant, { operation })).json.__type))

  it('is told so, in the words of AWS and with a record, whatever it asks for; others are not', async () => {
    const before = auditEvents(on.server.dataDir).length
    const operations = ['ListKeys', 'CreateKey', 'NoSuchOperation', 'DescribeKey', 'ListKeys', 'CreateKey', 'NoSuchOperation']
    const outcomes = await codes(other, operations)
    expect(outcomes.filter(code => code === 'ThrottlingException')).to.have.length(3)
    expect(await on.call('ListKeys', {})).to.have.property('status', 200)
    const records = auditEvents(on.server.dataDir).slice(before)
    expect(records).to.have.length(operations.length + 1)
    const throttled = records.filter(({ errorCode }) => errorCode === 'ThrottlingException')
    expect(throttled).to.have.length(3)
    for (const record of throttled) {
      expect(record).to.include({ errorMessage: text }).and.not.to.have.any.keys('resources')
      expect(record.userIdentity).to.include({ accountId: otherAccountId, userName: 'other' })
    }
  })

  it('may go on with time', async () => {
    clock.advance(1_000)
    expect((await codes(other, ['ListKeys', 'ListKeys', 'ListKeys'])).filter(code => code === undefined)).to.have.length(2)
  })

  it('is answered by the SDK\'s own error', async () => {
    const kms = kmsClient(other, { maxAttempts: 1 })
    expect(await refusal(kms.listKeys({}))).to.deep.equal({ code: 'ThrottlingException', message: text })
    kms.destroy()
  })
})

describe('a user that calls one operation too often', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const on = suite({ clock, settings: { throttle: { actions: { GenerateRandom: { perSecond: 1, burst: 2 } } } } })

  it('may still call others, and other users may call it', async () => {
    const other = await newAdministrator(on.server, 'other')
    const random = { operation: 'GenerateRandom', input: { NumberOfBytes: 8 } }
    const codes: unknown[] = []
    for (let call = 0; call < 3; call++) codes.push((await rawRequest(on.server, random)).json.__type)
    expect(codes).to.deep.equal([undefined, undefined, 'ThrottlingException'])
    expect((await on.call('ListKeys', {})).status).to.equal(200)
    expect((await rawRequest(other, random)).status).to.equal(200)
  })

  it('is told so before its keys are looked for or its members read', async () => {
    const refused = await on.call('GenerateRandom', '{')
    expect([refused.status, refused.json]).to.deep.equal([400, throttling])
  })
})

describe('a user that looks through the audit log again and again', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const on = suite({ clock })

  it('is told so soon, by default, and may still do everything else', async () => {
    const lookup = async () => (await administration(on.server, 'LookupEvents', { MaxResults: 1 })).json.__type
    for (let call = 0; call < 30; call++) expect(await lookup()).to.equal(undefined)
    expect(await lookup()).to.equal('ThrottlingException')
    expect(await on.call('ListKeys', {})).to.have.property('status', 200)
    clock.advance(1_000)
    expect([await lookup(), await lookup(), await lookup()]).to.deep.equal([undefined, undefined, 'ThrottlingException'])
  })
})

describe('accounts that share a server', () => {
  const on = suite({ settings: { accountId: '111122223333', limits: { inFlight: 16, inFlightPerAccount: 8 } } })

  it('can each call while another floods it', async function () {
    this.timeout(60_000)
    await newAccount(on.server, otherAccountId)
    const other = await newAdministrator(on.server, 'other', otherAccountId)
    const [loud, quiet] = [kmsClient(on.server, { maxAttempts: 1 }), kmsClient(other, { maxAttempts: 1 })]
    const [loudKey, quietKey] = [await newKey(loud), await newKey(quiet)]
    const tally = { done: 0, throttled: 0, over: false }
    const flood = Array.from({ length: 100 }, async (_, at) => {
      const operation = at % 4 === 0 ? 'GenerateDataKeyPairWithoutPlaintext' : 'Encrypt'
      const input = at % 4 === 0 ? { KeyId: loudKey.id, KeyPairSpec: 'RSA_2048' } : { KeyId: loudKey.id, Plaintext: 'eA==' }
      while (!tally.over) {
        const { json } = await rawRequest(on.server, { operation, input })
        if (json.__type === undefined) tally.done++
        else expect(json).to.deep.equal(throttling)
        if (json.__type !== undefined) tally.throttled++
      }
    })
    // No call of the quiet one is tried twice: each must be let in.
    for (let round = 0; round < 25; round++) {
      const { CiphertextBlob } = await quiet.encrypt({ KeyId: quietKey.id, Plaintext: Buffer.from(`${round}`) })
      const { Plaintext } = await quiet.decrypt({ CiphertextBlob })
      expect(Buffer.from(Plaintext ?? []).toString()).to.equal(String(round))
    }
    tally.over = true
    await Promise.all(flood)
    expect(tally.done).to.be.above(0)
    expect(tally.throttled, 'there were more than it may have at once').to.be.above(0)
    for (const client of [loud, quiet]) client.destroy()
  })
})

describe('a source whose signatures fail', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const burst = 5
  const on = suite({ clock, settings: { throttle: { failedSignaturesPerSecond: 1, failedSignaturesBurst: burst } } })
  const recorded = () => auditEvents(on.server.dataDir).length
  const failing: readonly RawRequest[] = [
    { secretAccessKey: 'x'.repeat(40) },
    { accessKeyId: 'CVAKAAAAAAAAAAAAAAAA' },
    { tamper: sent => { delete sent.headers.authorization } },
    { scope: { service: 's3' } },
  ]

  it('is answered and recorded like any other, and then neither', async () => {
    await on.call('ListKeys', {})
    const before = recorded()
    for (let failure = 0; failure < burst; failure++) {
      expect((await rawRequest(on.server, { secretAccessKey: 'wrong' })).json.__type).to.equal('InvalidSignatureException')
    }
    expect(recorded()).to.equal(before + burst)
    for (const request of failing) {
      const refused = await rawRequest(on.server, request)
      expect([refused.status, refused.json]).to.deep.equal([400, throttling])
    }
    expect(recorded()).to.equal(before + burst)
  })

  it('does not keep out who has signed from there before', async () => {
    expect((await on.call('ListKeys', {})).status).to.equal(200)
    // Also when a change of identities has emptied every cache.
    on.server.services.identities.forget()
    expect((await on.call('ListKeys', {})).status).to.equal(200)
  })

  it('keeps out who has not, with no look at the store, until it may fail again', async () => {
    const newcomer = await newTenant(on.server, 'newcomer')
    expect((await rawRequest(newcomer, {})).json).to.deep.equal(throttling)
    clock.advance(1_000)
    expect((await rawRequest(newcomer, {})).json.__type).to.equal('AccessDeniedException')
    expect((await rawRequest(on.server, { secretAccessKey: 'wrong' })).json.__type, 'a good signature has cost nothing')
      .to.equal('InvalidSignatureException')
    expect((await rawRequest(newcomer, {})).json.__type, 'and is known now').to.equal('AccessDeniedException')
  })

  it('is named in one line of the log, which says how many it were', async () => {
    await on.server.jobs.reportFailures.now()
    const lines = on.server.logged.filter(({ message }) => message.startsWith('requests were refused without a record each'))
    expect(lines.map(({ level, fields }) => [level, fields])).to.deep.equal([
      ['warn', { refused: failing.length + 1, sources: 1, most: [{ source: '127.0.0.1', refused: failing.length + 1 }] }],
    ])
  })
})

describe('a source of tokens that nobody vouches for', () => {
  const clock = new MovedClock(Date.UTC(2026, 4, 5, 12))
  const burst = 5
  const on = suite({ clock, settings: { throttle: { failedSignaturesPerSecond: 1, failedSignaturesBurst: burst } } })
  const Action = 'AssumeRoleWithWebIdentity'
  const good = {
    Action, RoleArn: 'arn:aws:iam::111122223333:role/none', RoleSessionName: 'me', WebIdentityToken: `e30.${'e'.repeat(40)}.e30`,
  }
  const malformed: readonly (string | Readonly<Record<string, string>>)[] = [
    { ...good, RoleArn: 'no' }, { ...good, RoleSessionName: '' }, { ...good, DurationSeconds: 'x' }, { Action },
    { ...good, Policy: '{' }, { ...good, Surprise: '1' }, good, 'Action=%', `Action=${Action}&Version=1`,
    `Action=${Action}&Action=${Action}`,
  ]

  it('leaves no more records than it may fail, whatever is wrong with the members', async () => {
    const before = auditEvents(on.server.dataDir).length
    const codes: string[] = []
    for (let round = 0; round < 4; round++) {
      for (const form of malformed) codes.push((await stsRequest(on.server, form, { tamper: unsigned })).code)
    }
    expect(codes.filter(code => code !== 'Throttling')).to.have.length(burst)
    expect(codes.slice(burst).every(code => code === 'Throttling')).to.equal(true)
    expect(auditEvents(on.server.dataDir).length - before).to.equal(burst)
    clock.advance(2_000)
    for (let call = 0; call < 10; call++) await stsRequest(on.server, { ...good, RoleSessionName: '' }, { tamper: unsigned })
    expect(auditEvents(on.server.dataDir).length - before).to.equal(burst + 2)
    // Whoever signs from the same address is let in as soon as the source may fail again.
    clock.advance(1_000)
    expect((await on.call('ListKeys', {})).status).to.equal(200)
  })

  for (const [at, form] of malformed.entries()) {
    it(`may not fail more often in one way than in others: ${at + 1}`, async () => {
      clock.advance(60_000)
      const before = auditEvents(on.server.dataDir).length
      await Promise.all(Array.from({ length: 4 * burst }, () => stsRequest(on.server, form, { tamper: unsigned })))
      expect(auditEvents(on.server.dataDir).length - before).to.equal(burst)
    })
  }
})
