import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { appendFile, cp, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { AuditLogError } from '../../../src/adapters/audit-files/chain-writer.js'
import { verifyDirectory } from '../../../src/adapters/audit-files/read.js'
import {
  appendMany, event, type Line, MemoryLog, newSigner, openLog, records, segmentsOf, type Signer, temporaryDirectories,
} from './support.js'

describe('an audit chain that was not closed', () => {
  const signer = newSigner()
  const newDirectory = temporaryDirectories()

  /** A directory as a process leaves it that is killed after `count` records. */
  async function crashed(count: number): Promise<string> {
    const [running, left] = [await newDirectory(), await newDirectory()]
    const log = await openLog(running, signer, { limits: { checkpointRecords: 10 } })
    await appendMany(log, count)
    await cp(running, left, { recursive: true })
    await log.close()
    return left
  }

  it('is linked by the next one: its id, last sequence number and head as found', async () => {
    const directory = await crashed(5)
    const [before] = await segmentsOf(directory)
    await (await openLog(directory, signer)).close()
    const lines = await records(directory)
    const next = lines.findIndex(({ seq }, at) => seq === 1 && at > 0)
    const first = lines[0]
    expect(lines[next]?.start?.previous).to.have.length(1)
    expect(lines[next]?.start?.previous[0]).to.include({ chain: first?.chain, sequence: next, tornBytes: 0 })
    expect(before).to.contain(first?.chain)
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])
  })

  it('is linked once; the third chain links to the second', async () => {
    const directory = await crashed(5)
    for (let at = 0; at < 3; at++) await (await openLog(directory, signer)).close()
    const starts = (await records(directory)).filter(({ start }) => start)
    const linked = starts.slice(1).map(({ start }) => start?.previous.map(({ chain }) => chain))
    expect(linked).to.deep.equal(starts.slice(0, -1).map(({ chain }) => [chain]))
  })

  it('may end in part of a record: the next one notes how many bytes, and leaves the file alone', async () => {
    const directory = await crashed(5)
    const [file = ''] = await segmentsOf(directory)
    const path = join(directory, file)
    const torn = '{"eventVersion":"1.11","eventTi'
    await appendFile(path, torn)
    const before = await readFile(path)
    const { findings: [finding], chains: [chain] } = await verifyDirectory(directory)
    expect(finding?.what).to.match(/31 bytes of an unfinished line/)
    expect(chain?.tornBytes).to.equal(31)

    const applicationLog = new MemoryLog()
    await (await openLog(directory, signer, { log: applicationLog })).close()
    expect(applicationLog.entries[0]?.fields).to.include({ tornBytes: 31 })
    expect(await readFile(path)).to.deep.equal(before)
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])

    for (const other of [before.subarray(0, -1), Buffer.concat([before, Buffer.from('x')]), before.subarray(0, -torn.length)]) {
      await writeFile(path, other)
      expect((await verifyDirectory(directory)).findings).to.have.length(1)
    }
  })

  it('may have begun a segment without finishing a record in it', async () => {
    for (const torn of ['', '{"eventVersion"']) {
      const directory = await crashed(5)
      const [file = ''] = await segmentsOf(directory)
      await writeFile(join(directory, file.replace('000001', '000002')), torn)
      await (await openLog(directory, signer)).close()
      expect((await verifyDirectory(directory)).findings).to.deep.equal([])
    }
  })

  it('may have no record at all', async () => {
    for (const torn of ['', '{"start"']) {
      const directory = await newDirectory()
      await writeFile(join(directory, '20260131T120000000Z-0123456789abcdef-000001.jsonl'), torn)
      await (await openLog(directory, signer)).close()
      expect((await verifyDirectory(directory)).findings).to.deep.equal([])
    }
  })

  it('is linked even if its last line cannot be read, and found', async () => {
    const directory = await crashed(5)
    const [file = ''] = await segmentsOf(directory)
    await appendFile(join(directory, file), 'not a record\n')
    await (await openLog(directory, signer)).close()
    expect((await verifyDirectory(directory)).findings[0]).to.include({ file, line: 7, what: 'this is not a record' })
  })

  it('is found by its end alone: a large file costs no more than a small one', async () => {
    const directory = await crashed(5)
    const [file = ''] = await segmentsOf(directory)
    const path = join(directory, file)
    const text = await readFile(path, 'utf8')
    await writeFile(path, `${text}${`${'x'.repeat(999)}\n`.repeat(20_000)}`)
    const before = bytesRead()
    const log = await openLog(directory, signer)
    expect(bytesRead() - before).to.be.lessThan(1_000_000)
    expect((await stat(path)).size).to.be.greaterThan(20_000_000)
    await log.close()
  })

  it('confirms every chain of several that ended at once', async () => {
    const [running, directory] = [await newDirectory(), await newDirectory()]
    const logs = await Promise.all([1, 2, 3].map(() => openLog(running, signer)))
    for (const log of logs) await appendMany(log, 5)
    await cp(running, directory, { recursive: true })
    for (const log of logs) await log.close()
    for (const file of await segmentsOf(directory)) await appendFile(join(directory, file), '{"torn"')
    await (await openLog(directory, signer)).close()
    const lines = await records(directory)
    const links = lines.flatMap(({ start }) => start?.previous.length === 3 ? start.previous : [])
    expect(links.map(({ tornBytes }) => tornBytes)).to.deep.equal([7, 7, 7])
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])
  })

  it('of a process killed with SIGKILL holds every acknowledged record and verifies after the next start', async () => {
    const directory = await newDirectory()
    for (let round = 0; round < 3; round++) {
      const acknowledged = await killAfter(startAppender(directory, signer), 300)
      await (await openLog(directory, signer)).close()
      const result = await verifyDirectory(directory)
      expect(result.findings).to.deep.equal([])
      expect(result.chains.length).to.equal(2 * (round + 1))
      const written = new Set((await records(directory)).map(({ eventID }) => eventID))
      expect(acknowledged.filter(id => !written.has(id))).to.deep.equal([])
    }
  })

  it('after a failed write refuses every later record, is unhealthy, and holds what was acknowledged', async () => {
    const directory = await newDirectory()
    // A file may not grow beyond 16 blocks of 512 bytes (setrlimit(2), RLIMIT_FSIZE): a write is cut short, the next one fails.
    const child = startAppender(directory, signer, ['sh', '-c', 'ulimit -f 16; exec "$@"', 'sh'])
    const lines = await linesOf(child)
    expect(JSON.parse(lines.at(-1) ?? '')).to.deep.equal({ healthy: false, again: 'refused' })
    const [file = ''] = await segmentsOf(directory)
    expect((await stat(join(directory, file))).size).to.equal(16 * 512)
    await (await openLog(directory, signer)).close()
    expect((await verifyDirectory(directory)).findings).to.deep.equal([])
    const written = new Set((await records(directory)).map(({ eventID }: Line) => eventID))
    expect(lines.length).to.be.greaterThan(2)
    expect(lines.slice(0, -1).filter(id => !written.has(id))).to.deep.equal([])
  })

  it('after a failed write is followed by a new chain in the same process, linked to what the failure left', async () => {
    const directory = await newDirectory()
    const lines = await linesOf(startAppender(directory, signer, ['sh', '-c', 'ulimit -f 16; exec "$@" recover', 'sh']))
    expect(lines.at(-1)).to.equal('recovered')
    const { ok, findings, chains } = await verifyDirectory(directory)
    expect({ ok, findings }).to.deep.equal({ ok: true, findings: [] })
    expect(chains.length).to.equal(2)
    expect(chains[0]?.tornBytes).to.be.greaterThan(0)
    const written = (await records(directory)).map(({ eventID }) => eventID)
    expect(written.at(-3)).to.equal('recovered')
    expect(written).not.to.include('after the failure')
    expect(lines.slice(0, -2).filter(id => !written.includes(id))).to.deep.equal([])
  })

  it('stays refusing while its cause lasts, leaves nothing behind for each attempt, and goes on once it is gone', async () => {
    const directory = await newDirectory()
    const away = `${directory}-away`
    const applicationLog = new MemoryLog()
    const log = await openLog(directory, signer, { log: applicationLog, limits: { checkpointMs: 10, segmentBytesMax: 500 } })
    await log.append(event('before'))
    await rename(directory, away)
    const failed = () => applicationLog.messages('error').filter(message => message === 'the audit log still cannot be written').length
    expect(await log.append(event('refused')).catch((error: unknown) => error)).to.be.instanceOf(AuditLogError)
    while (failed() < 3) await new Promise(resolve => setTimeout(resolve, 5))
    expect(log.healthy()).to.equal(false)
    expect(await log.append(event('refused as well')).catch((error: unknown) => error)).to.be.instanceOf(AuditLogError)
    await rename(away, directory)
    while (!log.healthy()) await new Promise(resolve => setTimeout(resolve, 5))
    await log.append(event('after'))
    await log.close()
    const { ok, findings, chains } = await verifyDirectory(directory)
    expect({ ok, findings, chains: chains.length }).to.deep.equal({ ok: true, findings: [], chains: 2 })
    const written = (await records(directory)).map(({ eventID }) => eventID).filter(id => id !== undefined)
    expect(written).to.deep.equal(['before', 'after'])
    expect((await readdir(directory)).filter(name => !name.endsWith('.jsonl'))).to.deep.equal(['audit-key-1.pem'])
  })

  it('is not disturbed by somebody who verifies while it is written', async () => {
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { limits: { segmentBytesMax: 20_000, checkpointRecords: 20 } })
    const stop = new AbortController()
    const writer = (async () => {
      for (let at = 0; !stop.signal.aborted; at++) await log.append(event(`event-${at}`))
    })()
    for (let at = 0; at < 5; at++) expect((await verifyDirectory(directory)).findings).to.deep.equal([])
    stop.abort()
    await writer
    await log.close()
  })
})

const appender = fileURLToPath(new URL('./appender.js', import.meta.url))

function startAppender(directory: string, { privateKey }: Signer, wrapper: readonly string[] = []): ChildProcess {
  const [command = '', ...parameters] = [...wrapper, process.execPath, appender, directory]
  const child = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin?.end(privateKey.export({ format: 'pem', type: 'pkcs8' }))
  return child
}

/** Every whole line, once the child has ended and its output has been read to the end. */
async function linesOf(child: ChildProcess, onLine: (count: number) => void = () => {}): Promise<readonly string[]> {
  const lines: string[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) onLine(lines.push(line))
  })
  await once(child, 'close')
  return lines
}

/** What it had acknowledged. */
async function killAfter(child: ChildProcess, count: number): Promise<readonly string[]> {
  const lines = await linesOf(child, (seen) => {
    if (seen === count) child.kill('SIGKILL')
  })
  expect(child.signalCode).to.equal('SIGKILL')
  expect(lines.length).to.be.at.least(count)
  return lines.slice(0, -1)
}

/** What this process has read so far, as the kernel counts it (proc(5)). */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}
