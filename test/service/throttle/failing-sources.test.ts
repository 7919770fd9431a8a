import { expect } from 'chai'
import { KmsError } from '../../../src/domain/errors.js'
import { FailingSources, SourceRefusal, type Lookup } from '../../../src/service/throttle/failing-sources.js'
import { MovedClock } from '../../support/clock.js'
import { RecordedLog } from '../../support/recorded.js'
import { refused } from '../../support/refusal.js'

const unknownKey = () => new KmsError('UnrecognizedClientException')
const wrongSignature = () => new KmsError('InvalidSignatureException')

/** Credentials that exist, and who was asked for what. */
class Credentials implements Lookup<string> {
  readonly asked: string[] = []
  readonly cached = new Set<string>()
  readonly existing: ReadonlySet<string>

  constructor(...existing: readonly string[]) {
    this.existing = new Set(existing)
  }

  knows(accessKeyId: string): boolean {
    return this.cached.has(accessKeyId)
  }

  async lookup(accessKeyId: string, sessionToken?: string): Promise<string | undefined> {
    this.asked.push(accessKeyId)
    await new Promise(resolve => setImmediate(resolve))
    const name = sessionToken === undefined ? accessKeyId : `${accessKeyId} ${sessionToken}`
    if (!this.existing.has(name)) return undefined
    this.cached.add(name)
    return name
  }
}

describe('sources whose signatures fail', () => {
  const burst = 3
  let clock: MovedClock
  let log: RecordedLog
  let sources: FailingSources
  let credentials: Credentials

  beforeEach(() => {
    clock = new MovedClock()
    log = new RecordedLog()
    sources = new FailingSources({ perSecond: 1, burst }, clock, log)
    credentials = new Credentials('GOOD', 'OTHER', 'TEMP token')
  })

  interface Tried { readonly accessKeyId?: string, readonly sessionToken?: string, readonly good?: boolean }

  /** As http/authenticate.ts does it. */
  async function tried(source: string, { accessKeyId = 'GUESS', sessionToken, good = true }: Tried = {}): Promise<string> {
    const attempt = sources.attempt(source)
    try {
      const found = await attempt.lookup({ accessKeyId, sessionToken }, credentials)
      if (found === undefined) throw unknownKey()
      if (!good) throw wrongSignature()
      attempt.succeeded()
      return 'good'
    } catch (error) {
      const failure = attempt.failed(error)
      return failure instanceof SourceRefusal ? 'refused' : (failure as KmsError).code
    }
  }

  async function exhausted(source: string): Promise<void> {
    for (let failure = 0; failure < burst; failure++) expect(await tried(source)).to.equal('UnrecognizedClientException')
  }

  it('are refused without a lookup once they have failed too often, in the words of a throttled call', async () => {
    await exhausted('192.0.2.1')
    const asked = credentials.asked.length
    expect(await tried('192.0.2.1')).to.equal('refused')
    expect(credentials.asked).to.have.length(asked)
    const { message } = await refused(
      async () => sources.attempt('192.0.2.1').lookup({ accessKeyId: 'GUESS' }, credentials), 'ThrottlingException')
    expect(message).to.equal('You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.')
  })

  it('may fail again with time, and each on its own account', async () => {
    await exhausted('192.0.2.1')
    expect(await tried('192.0.2.2')).to.equal('UnrecognizedClientException')
    clock.advance(1_000)
    expect([await tried('192.0.2.1'), await tried('192.0.2.1')]).to.deep.equal(['UnrecognizedClientException', 'refused'])
  })

  it('are counted also for what fails before a credential is looked for', async () => {
    const failed = () => sources.attempt('192.0.2.1').failed(new KmsError('MissingAuthenticationTokenException'))
    for (let failure = 0; failure < burst; failure++) expect(failed()).not.to.be.instanceOf(SourceRefusal)
    expect(failed()).to.be.instanceOf(SourceRefusal)
  })

  it('do not keep out good signatures with credentials that have signed before, from wherever', async () => {
    expect(await tried('198.51.100.1', { accessKeyId: 'GOOD' })).to.equal('good')
    await exhausted('192.0.2.1')
    for (let call = 0; call < 10; call++) expect(await tried('192.0.2.1', { accessKeyId: 'GOOD' })).to.equal('good')
    // Also when nothing of it is in memory any more, as after a change of identities.
    credentials.cached.clear()
    expect(await tried('192.0.2.1', { accessKeyId: 'GOOD' })).to.equal('good')
  })

  it('keep out credentials that have never signed, until there is room for a failure again', async () => {
    await exhausted('192.0.2.1')
    expect(await tried('192.0.2.1', { accessKeyId: 'OTHER' })).to.equal('refused')
    clock.advance(1_000)
    expect(await tried('192.0.2.1', { accessKeyId: 'OTHER' })).to.equal('good')
    // A good one has cost nothing.
    expect(await tried('192.0.2.1')).to.equal('UnrecognizedClientException')
  })

  it('get no answer of their own to a wrong signature for a known credential either', async () => {
    await tried('198.51.100.1', { accessKeyId: 'GOOD' })
    await exhausted('192.0.2.1')
    expect(await tried('192.0.2.1', { accessKeyId: 'GOOD', good: false })).to.equal('refused')
    expect(await tried('198.51.100.1', { accessKeyId: 'GOOD', good: false })).to.equal('InvalidSignatureException')
  })

  it('do not go on with a credential that is gone', async () => {
    await tried('198.51.100.1', { accessKeyId: 'GOOD' })
    await exhausted('192.0.2.1')
    const gone = new Credentials()
    credentials = gone
    expect([await tried('192.0.2.1', { accessKeyId: 'GOOD' }), await tried('192.0.2.1', { accessKeyId: 'GOOD' })])
      .to.deep.equal(['refused', 'refused'])
    expect(gone.asked).to.deep.equal(['GOOD'])
  })

  it('do not go on with a session whose token is another', async () => {
    expect(await tried('198.51.100.1', { accessKeyId: 'TEMP', sessionToken: 'token' })).to.equal('good')
    await exhausted('192.0.2.1')
    expect(await tried('192.0.2.1', { accessKeyId: 'TEMP', sessionToken: 'token' })).to.equal('good')
    const asked = credentials.asked.length
    expect(await tried('192.0.2.1', { accessKeyId: 'TEMP', sessionToken: 'another' })).to.equal('refused')
    expect(await tried('192.0.2.1', { accessKeyId: 'TEMP' })).to.equal('refused')
    expect(credentials.asked).to.have.length(asked)
  })

  it('cannot do more lookups at once than they may fail', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, at) => tried('192.0.2.1', { accessKeyId: `GUESS${at}` })))
    expect(outcomes.filter(outcome => outcome === 'UnrecognizedClientException')).to.have.length(burst)
    expect(credentials.asked).to.have.length(burst)
  })

  it('are not blamed for what is our own fault', async () => {
    for (let call = 0; call < 10; call++) {
      const attempt = sources.attempt('192.0.2.1')
      await attempt.lookup({ accessKeyId: 'GOOD' }, { lookup: () => Promise.reject(new Error('no HSM')) }).catch((error: unknown) => {
        expect(attempt.failed(error)).to.equal(error)
      })
    }
    expect(await tried('192.0.2.1')).to.equal('UnrecognizedClientException')
  })

  it('of IPv6 are networks, and IPv4 is one however it is written', async () => {
    await exhausted('2001:db8:0:1::1')
    expect(await tried('2001:db8:0:1:ffff::2')).to.equal('refused')
    expect(await tried('2001:db8:0:2::1')).to.equal('UnrecognizedClientException')
    await exhausted('192.0.2.9')
    expect(await tried('::ffff:192.0.2.9')).to.equal('refused')
  })

  it('are so many, and all others share what one may fail; who has failed lately is not forgotten for them', async () => {
    const address = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
    for (let number = 0; number < 10_000; number++) await tried(address(number))
    await exhausted('192.0.2.1')
    expect(await tried('192.0.2.2'), 'shares with the one before').to.equal('refused')
    expect(await tried(address(0)), 'has two left').to.equal('UnrecognizedClientException')
    // Those that have had the time to be as good as new make room, the oldest first.
    clock.advance(3_000)
    await exhausted('192.0.2.3')
    await exhausted('192.0.2.4')
  })

  it('that have none left do not hide those that could be forgotten, wherever they stand', async () => {
    const address = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
    for (let number = 0; number < 200; number++) await exhausted(address(number))
    for (let number = 200; number < 10_000; number++) await tried(address(number))
    // So that those with one failure are as good as new, and the 200 that stand before them are not.
    clock.advance(1_000)
    const outcomes: string[] = []
    for (let newcomer = 0; newcomer < 20; newcomer++) outcomes.push(await tried(`192.0.2.${newcomer}`))
    // At worst the first few find only those 200, and share what one may fail.
    expect(outcomes.slice(4)).to.deep.equal(outcomes.slice(4).map(() => 'UnrecognizedClientException'))
    expect(await tried(address(0)), 'and none of these was forgotten').to.equal('UnrecognizedClientException')
    expect(await tried(address(0))).to.equal('refused')
  })

  it('are summed up in one line, the worst by name, and only when there were any', async () => {
    sources.report()
    await exhausted('192.0.2.1')
    sources.report()
    expect(log.entries).to.deep.equal([])
    for (let call = 0; call < 5; call++) await tried('192.0.2.1')
    await exhausted('2001:db8::1')
    await tried('2001:db8::2')
    sources.report()
    const [entry, ...more] = log.entries
    expect(more).to.deep.equal([])
    expect(entry).to.deep.equal({
      level: 'warn', message: 'requests were refused without a record each, because their sources kept failing to authenticate',
      fields: {
        refused: 6, sources: 2, most: [{ source: '192.0.2.1', refused: 5 }, { source: '2001:0db8:0000:0000::/64', refused: 1 }],
      },
    })
    sources.report()
    expect(log.entries).to.have.length(1)
  })

  it('that ask for one credential at the same time share the lookup', async () => {
    const outcomes = await Promise.all(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(source => tried(source, { accessKeyId: 'GOOD' })))
    expect(outcomes).to.deep.equal(['good', 'good', 'good'])
    expect(credentials.asked).to.deep.equal(['GOOD'])
  })
})
