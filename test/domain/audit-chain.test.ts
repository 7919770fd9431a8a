import { expect } from 'chai'
import {
  checkpointDigest, checkpointMembers, checkpointMessage, closedMembers, eventMembers, lineHash, parseRecord, recordBytesMax, recordLine,
  startMembers, type AuditEvent,
} from '../../src/domain/audit-chain.js'

const chain = '0123456789abcdef'
const head = 'ab'.repeat(32)
const time = '2026-01-31T12:00:00.000Z'
const checkpoint = { chain, sequence: 7, head, time, rootVersion: 1, signature: `${'A'.repeat(86)}==` }
const link = { chain, sequence: 9, head, tornBytes: 3 }
const start = { format: 1 as const, time, instance: 'node-1', rootVersion: 1, previous: [link] }
const event: AuditEvent = {
  eventVersion: '1.11', eventTime: time, eventSource: 'kms.amazonaws.com', eventName: 'Decrypt', eventType: 'AwsApiCall', eventID: 'id',
}

describe('a record of the audit log', () => {
  it('is hashed with SHA-256 over the bytes of its line (FIPS 180-4, "abc")', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(lineHash('abc')).to.equal(abc)
    expect(lineHash(Buffer.from('abc'))).to.equal(abc)
    expect(lineHash('ü')).to.equal(lineHash(Buffer.from([0xc3, 0xbc])))
  })

  it('is the event and its place in the chain', () => {
    const line = recordLine(chain, 8, head, eventMembers(event))
    expect(JSON.parse(line)).to.deep.equal({ ...event, chain, seq: 8, prev: head })
    expect(parseRecord(Buffer.from(line))).to.deep.equal({ kind: 'event', chain, seq: 8, prev: head })
  })

  it('has the place that it was given, whatever members the event has', () => {
    const members = JSON.stringify({ ...event, chain: 'other', seq: 1, prev: 'other' })
    expect(parseRecord(Buffer.from(recordLine(chain, 8, head, members)))).to.include({ chain, seq: 8, prev: head })
  })

  it('is read back as what it is', () => {
    const read = (members: string) => parseRecord(Buffer.from(recordLine(chain, 8, head, members)))
    expect(read(startMembers(start))).to.deep.equal({ kind: 'start', chain, seq: 8, prev: head, start })
    expect(read(checkpointMembers(checkpoint))).to.deep.equal({ kind: 'checkpoint', chain, seq: 8, prev: head, checkpoint })
    expect(read(closedMembers(time))).to.deep.equal({ kind: 'closed', chain, seq: 8, prev: head })
  })

  it('is refused with any member out of its form', () => {
    const place = { chain, seq: 8, prev: head }
    const refused = [
      null, 1, 'text', [], {}, { ...place, chain: 'x' }, { ...place, seq: -1 }, { ...place, seq: 1.5 }, { ...place, seq: '8' },
      { ...place, prev: head.toUpperCase() }, { ...place, prev: head.slice(1) },
      { ...place, start: null }, { ...place, start: { ...start, format: 2 } }, { ...place, start: { ...start, previous: {} } },
      { ...place, start: { ...start, previous: [{ ...link, tornBytes: -1 }] } },
      { ...place, start: { ...start, previous: Array(65).fill(link) } },
      { ...place, checkpoint: { ...checkpoint, signature: '' } }, { ...place, checkpoint: { ...checkpoint, time: 'now\n7' } },
      { ...place, checkpoint: { ...checkpoint, signature: `${'A'.repeat(85)}B==` } },
      { ...place, checkpoint: { ...checkpoint, sequence: 2 ** 53 } },
    ]
    for (const value of refused) expect(parseRecord(Buffer.from(JSON.stringify(value))), JSON.stringify(value)).to.equal(undefined)
    const good = JSON.stringify({ ...event, ...place })
    expect(parseRecord(Buffer.from(good))).not.to.equal(undefined)
    for (const bytes of ['', '{', `${good}x`, `\ufeff${good}`]) expect(parseRecord(Buffer.from(bytes)), bytes).to.equal(undefined)
    const notUtf8 = Buffer.from(good)
    notUtf8[30] = 0xff
    expect(parseRecord(notUtf8)).to.equal(undefined)
  })

  it('is never longer than a line may be', () => {
    const long = 'ü€'.repeat(recordBytesMax / 4)
    const events: AuditEvent[] = [
      { ...event, requestParameters: { long } },
      { ...event, responseElements: { long } },
      { ...event, eventName: long, userIdentity: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}${long}`, long])) },
      { ...event, resources: Array.from({ length: 20_000 }, () => ({ ARN: 'x'.repeat(100), type: 't', accountId: '1' })) },
    ]
    for (const large of events) {
      const line = recordLine(chain, Number.MAX_SAFE_INTEGER, head, eventMembers(large))
      expect(Buffer.byteLength(line)).to.be.at.most(recordBytesMax)
      expect(JSON.parse(line)).to.include({ eventID: 'id', eventTime: time })
    }
  })
})

describe('a checkpoint', () => {
  it('signs six lines of text', () => {
    const text = `claviger audit checkpoint 1\n${chain}\n7\n${head}\n${time}\n1\n`
    expect(Buffer.from(checkpointMessage(checkpoint)).toString()).to.equal(text)
    expect(Buffer.from(checkpointDigest(checkpoint)).toString('hex')).to.equal(lineHash(text))
  })
})
