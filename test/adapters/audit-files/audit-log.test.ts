import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { AuditLogError } from '../../../src/adapters/audit-files/chain-writer.js'
import { verifyDirectory } from '../../../src/adapters/audit-files/read.js'
import { recordBytesMax } from '../../../src/domain/audit-chain.js'
import { appendMany, event, newSigner, openLog, records, segmentsOf, temporaryDirectories, textLines } from './support.js'

describe('the audit log on disk', () => {
  const signer = newSigner()
  const newDirectory = temporaryDirectories()

  it('has each record on disk when its append resolves', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    for (const id of ['first', 'second', 'third']) {
      await log.append(event(id))
      expect((await records(directory)).at(-1)).to.include({ eventID: id, eventName: 'GenerateDataKey' })
    }
    await log.close()
  })

  it('opens its files so that a write returns when the bytes are on the disk (open(2), O_DSYNC)', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    const [file = ''] = await segmentsOf(directory)
    const fd = readdirSync('/proc/self/fd').find(name => linkOf(`/proc/self/fd/${name}`) === join(directory, file))
    const flags = parseInt(/flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8)
    expect(flags & constants.O_DSYNC).to.equal(constants.O_DSYNC)
    await log.close()
  })

  it('links each line to the one before it by SHA-256, and counts from 1', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    await appendMany(log, 20)
    await log.close()
    const lines = await textLines(directory)
    const hashes = lines.map(line => createHash('sha256').update(line).digest('hex'))
    expect(lines.length).to.equal(1 + 20 + 2)
    expect((await records(directory)).map(({ seq }) => seq)).to.deep.equal(lines.map((_, at) => at + 1))
    expect((await records(directory)).map(({ prev }) => prev)).to.deep.equal(['0'.repeat(64), ...hashes.slice(0, -1)])
  })

  it('keeps the order of the calls', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    await appendMany(log, 500)
    await log.close()
    const ids = (await records(directory)).map(({ eventID }) => eventID).filter(id => id !== undefined)
    expect(ids).to.deep.equal(Array.from({ length: 500 }, (_, at) => `event-${at}`))
  })

  it('writes what came together with one write', async () => {
    const log = await openLog(await newDirectory(), signer, { limits: { checkpointRecords: 10_000 } })
    const before = bytesAndWrites()
    await appendMany(log, 1000)
    const after = bytesAndWrites()
    await log.close()
    expect(after.bytes - before.bytes).to.be.greaterThan(1000 * 400)
    expect(after.writes - before.writes).to.be.lessThan(20)
  })

  it('gives the directory to its owner alone', async () => {
    const directory = join(await newDirectory(), 'audit')
    await mkdir(directory)
    await chmod(directory, 0o755)
    const log = await openLog(directory, signer)
    await log.close()
    expect((await stat(directory)).mode & 0o777).to.equal(0o700)
    for (const file of [...await segmentsOf(directory), 'audit-key-1.pem']) {
      expect((await stat(join(directory, file))).mode & 0o777, file).to.equal(0o600)
    }
  })

  it('begins a new segment when one is full; names sort by time and carry the chain', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { limits: { segmentBytesMax: 2000 } })
    for (let at = 0; at < 20; at++) await log.append(event(`event-${at}`))
    await log.close()
    const files = await segmentsOf(directory)
    const chain = (await records(directory))[0]?.chain
    expect(files.length).to.be.greaterThan(4)
    files.forEach((file, at) => expect(file).to.match(new RegExp(`^\\d{8}T\\d{9}Z-${chain}-${String(at + 1).padStart(6, '0')}\\.jsonl$`)))
    for (const file of files) expect((await stat(join(directory, file))).size).to.be.within(1, 3500)
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])
  })

  it('refuses an append when too many records wait, and goes on when they do not', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { limits: { queueRecordsMax: 10 } })
    const outcomes = await Promise.allSettled(Array.from({ length: 15 }, (_, at) => log.append(event(`event-${at}`))))
    const expected = Array.from(outcomes, (_, at) => at < 10 ? 'fulfilled' : 'rejected')
    expect(outcomes.map(({ status }) => status)).to.deep.equal(expected)
    expect(outcomes.at(-1)).to.have.property('reason').that.is.instanceOf(AuditLogError)
    await log.append(event('later'))
    expect(log.healthy()).to.equal(true)
    await log.close()
    const { ok, records: count } = await verifyDirectory(directory)
    expect({ ok, count }).to.deep.equal({ ok: true, count: 1 + 10 + 1 + 2 })
  })

  it('refuses an append when too many bytes wait', async () => {
    const log = await openLog(await newDirectory(), signer, { limits: { queueBytesMax: 800 } })
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, (_, at) => log.append(event(`event-${at}`))))
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected'])
    await log.close()
  })

  it('refuses an event that JSON cannot hold, and no other', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    const refused = await log.append(event('bad', { requestParameters: { n: 1n } })).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(AuditLogError)
    await log.append(event('good'))
    await log.close()
    expect((await verifyDirectory(directory)).ok).to.equal(true)
  })

  it('replaces request parameters that are too long by a note of their length', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    await log.append(event('large', { requestParameters: { encryptionContext: { key: 'ü'.repeat(recordBytesMax) } } }))
    await log.append(event('larger', { errorMessage: 'x'.repeat(recordBytesMax), additionalEventData: { a: 'y'.repeat(recordBytesMax) } }))
    await log.append(event('fits', { requestParameters: { encryptionContext: { key: 'x'.repeat(recordBytesMax - 2000) } } }))
    await log.close()
    const [, large, larger, fits] = await records(directory)
    expect(large).to.deep.include({ eventID: 'large', requestParameters: { omitted: `${2 * recordBytesMax + 32} bytes` } })
    expect(larger).to.deep.include({ eventID: 'larger', errorMessage: 'x'.repeat(1024), userIdentity: event('').userIdentity })
    expect(larger?.additionalEventData).to.deep.equal({ omitted: `${recordBytesMax + 8} bytes` })
    expect(JSON.stringify(fits?.requestParameters).length).to.be.greaterThan(recordBytesMax - 2000)
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])
  })

  it('ends a closed chain with a closed record and its checkpoint, and takes nothing more', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    const last = log.append(event('last'))
    await log.close()
    await last
    await log.close()
    const refused = await log.append(event('late')).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(AuditLogError)
    expect(log.healthy()).to.equal(false)
    const [, , closed, checkpoint, ...more] = await records(directory)
    expect(closed).to.have.property('closed')
    expect(checkpoint?.checkpoint).to.include({ sequence: 3, head: checkpoint?.prev })
    expect(more).to.deep.equal([])
  })

  it('puts its public key beside the log, and refuses a directory that has another', async () => {
    const directory = await newDirectory()
    await (await openLog(directory, signer)).close()
    expect(await readFile(join(directory, 'audit-key-1.pem'), 'utf8')).to.match(/^-----BEGIN PUBLIC KEY-----\n/)
    const refused = await openLog(directory, newSigner()).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(Error).with.property('message').that.matches(/log of another installation/)
    await (await openLog(directory, newSigner(), { rootVersion: 2 })).close()
    expect((await verifyDirectory(directory)).ok).to.equal(true)
  })
})

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    // Closed since it was listed.
    return undefined
  }
}

/** What this process has written so far, as the kernel counts it (proc(5)). */
function bytesAndWrites(): { bytes: number, writes: number } {
  const io = readFileSync('/proc/self/io', 'utf8')
  return { bytes: Number(/wchar: (\d+)/.exec(io)?.[1]), writes: Number(/syscw: (\d+)/.exec(io)?.[1]) }
}
