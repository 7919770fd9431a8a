import { expect } from 'chai'
import * as dataKeys from '../../src/api/data-keys.js'
import { decrypt, encrypt, reEncrypt } from '../../src/api/encryption.js'
import { keyLastUsageTrackingOperation } from '../../src/api/enums.js'
import { disableKey, describeKey, getKeyLastUsage } from '../../src/api/keys.js'
import { contracts } from '../../src/api/operations.js'
import type { UsableKey } from '../../src/domain/key-state.js'
import type { KeyUsageRecord, KeyUsages } from '../../src/ports/key-usages.js'
import { LastUsage, type Usage } from '../../src/service/last-usage.js'
import { RecordedLog } from '../support/recorded.js'
import { refused, rejected } from '../support/refusal.js'
import { serviceSuite } from '../support/service-suite.js'
import { call, newKey, region } from '../support/services.js'

const Plaintext = () => Buffer.from('secret')

describe('GetKeyLastUsage', () => {
  const on = serviceSuite()
  let key: UsableKey
  let KeyId: string

  beforeEach(async () => {
    key = await newKey(on.services)
    KeyId = key.key.keyId
  })

  const usage = async (of = KeyId, by = on.services) => (await call(by, getKeyLastUsage, { KeyId: of })).KeyLastUsage

  it('of a key that was never used says since when that is known', async () => {
    on.clock.advance(5_000)
    const created = new Date(key.key.createdAt)
    for (const ref of [KeyId, key.key.arn]) {
      expect(await call(on.services, getKeyLastUsage, { KeyId: ref })).to.deep.equal({
        KeyId, KeyLastUsage: {}, TrackingStartDate: created, KeyCreationDate: created,
      })
    }
  })

  it('begins when tracking did, for a key that is older', async () => {
    const since = key.key.createdAt + 1_000
    const later = { ...on.services, lastUsage: new LastUsage(on.store.keyUsages, since, new RecordedLog()) }
    expect((await call(later, getKeyLastUsage, { KeyId })).TrackingStartDate).to.deep.equal(new Date(since))
  })

  it('says what the last use was, in the words of its audit record', async () => {
    await call(on.services, encrypt, { KeyId, Plaintext: Plaintext() })
    on.clock.advance(5_000)
    await call(on.services, dataKeys.generateDataKey, { KeyId, KeySpec: 'AES_256' })
    const event = on.audit.events.at(-1)
    on.clock.advance(5_000)
    expect(await usage()).to.deep.equal({
      Operation: 'GenerateDataKey', Timestamp: new Date(event?.eventTime ?? 0),
      CloudTrailEventId: event?.eventID, KmsRequestId: event?.requestID,
    })
  })

  it('of ReEncrypt counts for both keys', async () => {
    const other = (await newKey(on.services)).key.keyId
    const { CiphertextBlob } = await call(on.services, encrypt, { KeyId, Plaintext: Plaintext() })
    await call(on.services, reEncrypt, { CiphertextBlob: CiphertextBlob ?? Buffer.alloc(0), DestinationKeyId: other })
    expect([(await usage())?.Operation, (await usage(other))?.Operation]).to.deep.equal(['ReEncrypt', 'ReEncrypt'])
  })

  it('counts neither what failed, nor a DryRun, nor what uses no key material', async () => {
    await refused(call(on.services, decrypt, { KeyId, CiphertextBlob: Buffer.from('x') }), 'InvalidCiphertextException')
    await refused(call(on.services, encrypt, { KeyId, Plaintext: Plaintext(), DryRun: true }), 'DryRunOperationException')
    await call(on.services, describeKey, { KeyId })
    await call(on.services, disableKey, { KeyId })
    await refused(call(on.services, encrypt, { KeyId, Plaintext: Plaintext() }), 'DisabledException')
    expect(await usage()).to.deep.equal({})
  })

  it('knows what was written, after a restart', async () => {
    await call(on.services, encrypt, { KeyId, Plaintext: Plaintext() })
    const before = await usage()
    await on.services.lastUsage.flush()
    const restarted = on.newServices({ store: await on.second() })
    expect(await usage(KeyId, restarted)).to.deep.equal(before)
  })

  it('prefers what came after the last write', async () => {
    await call(on.services, encrypt, { KeyId, Plaintext: Plaintext() })
    await on.services.lastUsage.flush()
    await call(on.services, dataKeys.generateDataKeyWithoutPlaintext, { KeyId, NumberOfBytes: 8 })
    expect((await usage())?.Operation).to.equal('GenerateDataKeyWithoutPlaintext')
    await on.services.lastUsage.flush()
    expect((await usage())?.Operation).to.equal('GenerateDataKeyWithoutPlaintext')
  })

  it('takes no alias and no key that does not exist', async () => {
    await refused(usage('alias/a'), 'NotFoundException')
    await refused(usage('1234abcd-12ab-44cd-96ef-1234567890ab'), 'NotFoundException')
  })

  it('tracks operations that the API has', () => {
    for (const name of keyLastUsageTrackingOperation) expect(contracts.has(name), name).to.equal(true)
  })
})

describe('last usages in memory', () => {
  const use = (at: number, operation = 'Encrypt'): Usage => ({ operation, usedAt: at, eventId: `event-${at}`, requestId: `request-${at}` })
  const keyNumber = (number: number) => ({ arn: `arn:${number}`, region, keyId: String(number), createdAt: 0 }) as UsableKey['key']

  /** What was written, in batches; may fail, or wait. */
  class Written implements KeyUsages {
    readonly batches: (readonly KeyUsageRecord[])[] = []
    before: () => Promise<void> = async () => {}

    async get(): Promise<undefined> {}

    async put(records: readonly KeyUsageRecord[]): Promise<void> {
      await this.before()
      this.batches.push(records)
    }
  }

  let written: Written
  let log: RecordedLog
  let lastUsage: LastUsage

  beforeEach(() => {
    written = new Written()
    log = new RecordedLog()
    lastUsage = new LastUsage(written, 0, log)
  })

  it('are written once, with the last use of each key', async () => {
    for (const at of [1, 2, 3]) lastUsage.note(use(at), [keyNumber(at % 2)])
    await lastUsage.flush()
    await lastUsage.flush()
    expect(written.batches.flat().map(({ keyId, usedAt }) => [keyId, usedAt])).to.deep.equal([['1', 3], ['0', 2]])
  })

  it('are kept when they cannot be written', async () => {
    lastUsage.note(use(1), [keyNumber(1)])
    written.before = () => Promise.reject(new RangeError('the store is away'))
    await rejected(lastUsage.flush(), RangeError)
    expect((await lastUsage.of(keyNumber(1)))?.usedAt).to.equal(1)
    written.before = async () => {}
    await lastUsage.flush()
    expect(written.batches.flat()).to.have.length(1)
  })

  it('that are noted while others are written are written next', async () => {
    lastUsage.note(use(1), [keyNumber(1)])
    written.before = async () => lastUsage.note(use(2), [keyNumber(1)])
    await lastUsage.flush()
    expect((await lastUsage.of(keyNumber(1)))?.usedAt).to.equal(2)
    written.before = async () => {}
    await lastUsage.flush()
    expect(written.batches.flat().map(({ usedAt }) => usedAt)).to.deep.equal([1, 2])
  })

  it('are bounded, and written in batches', async () => {
    for (let number = 0; number <= 50_000; number++) lastUsage.note(use(number), [keyNumber(number)])
    expect(await lastUsage.of(keyNumber(0))).to.equal(undefined)
    expect((await lastUsage.of(keyNumber(1)))?.usedAt).to.equal(1)
    expect(log.entries.map(({ level }) => level)).to.deep.equal(['warn'])
    await lastUsage.flush()
    expect(written.batches.flat()).to.have.length(50_000)
    expect(Math.max(...written.batches.map(batch => batch.length))).to.equal(500)
  })

  it('of a key that is used again take no more room', () => {
    for (let at = 0; at <= 50_000; at++) lastUsage.note(use(at), [keyNumber(at % 10)])
    expect(log.entries).to.deep.equal([])
  })

  it('are of the operations that the API tracks', async () => {
    lastUsage.note(use(1, 'DescribeKey'), [keyNumber(1)])
    await lastUsage.flush()
    expect(written.batches).to.deep.equal([])
  })
})
