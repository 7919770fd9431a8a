import { appendFile, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { chunkBytes, linesBefore } from '../../../src/adapters/audit-files/backwards.js'
import { AuditFileEvents } from '../../../src/adapters/audit-files/events.js'
import { recordBytesMax, type AuditEvent } from '../../../src/domain/audit-chain.js'
import type { EventQuery } from '../../../src/ports/audit-events.js'
import { MovedClock } from '../../support/clock.js'
import { seeded } from '../../support/seeded.js'
import { appendMany, event, newSigner, openLog, segmentsOf, temporaryDirectories } from './support.js'

const minuteMs = 60_000
const all = { after: undefined, start: undefined, end: undefined, limit: 1_000_000, wanted: () => true }
const idsOf = (events: readonly AuditEvent[]) => events.map(({ eventID }) => eventID)

describe('the events of the audit log', () => {
  const signer = newSigner()
  const newDirectory = temporaryDirectories()

  /** Page after page, to the end; answers what each page had. */
  async function pages(events: AuditFileEvents, query: Partial<EventQuery> = {}): Promise<readonly (readonly string[])[]> {
    const seen: (readonly string[])[] = []
    for (let after: string | undefined; ;) {
      const { events: page, next } = await events.read({ ...all, ...query, after })
      seen.push(idsOf(page))
      if (next === undefined) return seen
      expect(next).not.to.equal(after)
      after = next
    }
  }

  const expected = (count: number, prefix = 'event') => Array.from({ length: count }, (_, at) => `${prefix}-${at}`).toReversed()

  it('come newest first, out of all segments of all chains, and without the records of the chains themselves', async () => {
    const directory = await newDirectory()
    for (const run of ['first', 'second']) {
      const log = await openLog(directory, signer, { limits: { segmentBytesMax: 20_000, checkpointRecords: 10 } })
      for (let at = 0; at < 10; at++) await appendMany(log, 30, `${run}-${at}`)
      await log.close()
    }
    expect((await segmentsOf(directory)).length).to.be.above(6)
    const [page = [], ...more] = await pages(new AuditFileEvents(directory))
    expect(more).to.deep.equal([])
    const runs = ['second', 'first'].flatMap(run => Array.from({ length: 10 }, (_, at) => expected(30, `${run}-${9 - at}`)).flat())
    expect(page).to.deep.equal(runs)
  })

  it('come by pages of so many, none twice and none left out, also while more are written', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { limits: { segmentBytesMax: 20_000 } })
    await appendMany(log, 200)
    const events = new AuditFileEvents(directory)
    const seen: string[] = []
    for (let after: string | undefined, at = 0; ; at++) {
      const { events: page, next } = await events.read({ ...all, limit: 7, after })
      seen.push(...idsOf(page))
      await appendMany(log, 5, `later-${at}`)
      if (next === undefined) break
      after = next
    }
    expect(seen).to.deep.equal(expected(200))
    await log.close()
  })

  it('are those that are wanted, and only these fill a page', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    await appendMany(log, 100)
    await log.close()
    const wanted = ({ eventID }: AuditEvent) => eventID.endsWith('0')
    const found = await pages(new AuditFileEvents(directory), { wanted, limit: 3 })
    expect(found.flat()).to.deep.equal([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map(ten => `event-${ten === 0 ? '' : ten}0`))
    expect(found.slice(0, 3).map(page => page.length)).to.deep.equal([3, 3, 3])
  })

  it('cost one page no more than its bytes: then a page is short, or empty, and the next goes on', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    const text = 'x'.repeat(1_000)
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => log.append(event(`event-${at}`, { userAgent: text }))))
    await log.close()
    const bytesMax = 2 * chunkBytes
    const found = await pages(new AuditFileEvents(directory, bytesMax), { wanted: ({ eventID }) => eventID === 'event-3' })
    expect(found.flat()).to.deep.equal(['event-3'])
    expect(found.length).to.be.within(4, 8)
    expect(found[0]).to.deep.equal([])
  })

  it('let others have their turn', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    for (let at = 0; at < 5; at++) await appendMany(log, 1_000, `event-${at}`)
    await log.close()
    let turns = 0
    let over = false
    const count = () => {
      turns++
      if (!over) setImmediate(count)
    }
    setImmediate(count)
    const { events } = await new AuditFileEvents(directory).read(all)
    over = true
    expect(events).to.have.length(5_000)
    const { size } = await (await open(join(directory, (await segmentsOf(directory))[0] ?? ''))).stat()
    expect(turns).to.be.at.least(Math.floor(size / chunkBytes))
  })

  it('end before a line that is not finished, and pass over what is no record or too long for one', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer)
    await appendMany(log, 3)
    await log.close()
    const [file = ''] = await segmentsOf(directory)
    const path = join(directory, file)
    const more = (id: string) => `${JSON.stringify(event(id))}\n`
    const tooLong = 'y'.repeat(recordBytesMax + chunkBytes)
    await appendFile(path, `not a record\n\n[]\n"text"\n{"eventName":1}\n${tooLong}\n${more('last')}{"eventN`)
    const [page] = await pages(new AuditFileEvents(directory))
    expect(page).to.deep.equal(['last', ...expected(3)])
    await appendFile(path, 'z'.repeat(2 * recordBytesMax))
    expect((await pages(new AuditFileEvents(directory))).flat()).to.deep.equal(['last', ...expected(3)])
  })

  it('are none where there is nothing', async () => {
    const directory = await newDirectory()
    expect(await pages(new AuditFileEvents(directory))).to.deep.equal([[]])
    await writeFile(join(directory, '20260131T120000000Z-0123456789abcdef-000001.jsonl'), '')
    await mkdir(join(directory, 'other'))
    await writeFile(join(directory, 'other.jsonl'), `${JSON.stringify(event('stranger'))}\n`)
    expect(await pages(new AuditFileEvents(directory))).to.deep.equal([[]])
  })

  it('go on behind a segment that was taken away meanwhile', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { limits: { segmentBytesMax: 1 } })
    for (const id of ['a', 'b', 'c', 'd']) await log.append(event(id))
    await log.close()
    const events = new AuditFileEvents(directory)
    const { events: page, next } = await events.read({ ...all, limit: 1 })
    expect(idsOf(page)).to.deep.equal(['d'])
    const holding = (await Promise.all((await segmentsOf(directory)).map(async file =>
      [file, await readFile(join(directory, file), 'utf8')] as const))).find(([, text]) => text.includes('"eventID":"d"'))
    await rm(join(directory, holding?.[0] ?? ''))
    expect(idsOf((await events.read({ ...all, after: next })).events)).to.deep.equal(['c', 'b', 'a'])
  })

  it('of a time are found without reading the rest, also those of calls that took long', async () => {
    const directory = await newDirectory()
    const clock = new MovedClock(Date.now() - 100 * minuteMs)
    const begun = clock.now()
    const log = await openLog(directory, signer, { clock, limits: { segmentBytesMax: 1 } })
    const at = (minutes: number) => new Date(begun + minutes * minuteMs).toISOString()
    for (let minutes = 0; minutes < 100; minutes++) {
      clock.set(begun + minutes * minuteMs)
      // Each has taken ten minutes: it tells when it came.
      await log.append(event(`at-${minutes - 10}`, { eventTime: at(minutes - 10) }))
    }
    await log.close()
    let looked = 0
    const [start, end] = [begun + 40 * minuteMs, begun + 45 * minuteMs]
    const wanted = ({ eventTime }: AuditEvent) => {
      looked++
      return Date.parse(eventTime) >= start && Date.parse(eventTime) <= end
    }
    const found = await pages(new AuditFileEvents(directory), { start, end, wanted })
    expect(found.flat()).to.deep.equal([45, 44, 43, 42, 41, 40].map(minutes => `at-${minutes}`))
    expect(looked).to.be.below(70)
  })
})

describe('lines from the back of a file', () => {
  const newDirectory = temporaryDirectories()
  const random = seeded('lines from the back')

  it('are all of them, whatever their lengths', async () => {
    const directory = await newDirectory()
    const lengths = [0, 1, 2, chunkBytes - 2, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, recordBytesMax]
    for (let round = 0; round < 60; round++) {
      const lines = Array.from({ length: 1 + random.below(12) }, () =>
        'abc'[random.below(3)]?.repeat(random.oneIn(2) ? random.pick(lengths) : random.below(chunkBytes)) ?? '')
      const unfinished = random.oneIn(2) ? '' : 'u'.repeat(random.below(2 * chunkBytes))
      const path = join(directory, String(round))
      await writeFile(path, lines.map(line => `${line}\n`).join('') + unfinished)
      const file = await open(path, 'r')
      const { size } = await file.stat()
      const seen: string[] = []
      for (let end = size; end > 0;) {
        const { lines: some, start, bytesRead } = await linesBefore(file, end)
        expect(start).to.be.below(end)
        expect(bytesRead).to.be.at.most(chunkBytes + recordBytesMax + 2)
        seen.push(...some.map(({ bytes }) => Buffer.from(bytes).toString()))
        end = start
      }
      await file.close()
      expect(seen.map(({ length }) => length)).to.deep.equal(lines.map(({ length }) => length).toReversed())
      expect(seen.join('')).to.equal(lines.toReversed().join(''))
    }
  })

  it('are the longest too where what is not finished is long', async () => {
    const path = join(await newDirectory(), 'long')
    await writeFile(path, `a\n${'b'.repeat(recordBytesMax)}\n${'u'.repeat(2 * chunkBytes)}`)
    const file = await open(path, 'r')
    const seen: number[] = []
    for (let { size: end } = await file.stat(); end > 0;) {
      const { lines, start } = await linesBefore(file, end)
      seen.push(...lines.map(({ bytes }) => bytes.length))
      end = start
    }
    await file.close()
    expect(seen).to.deep.equal([recordBytesMax, 1])
  })
})
