import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type DirectoryVerification, verifyDirectory, type VerifyOptions } from '../../../src/adapters/audit-files/read.js'
import type { Checkpoint } from '../../../src/domain/audit-chain.js'
import { editLines, nextLine, put, relink, resignLast, withCheckpoint } from './edit.js'
import { appendMany, MemoryCheckpoints, newSigner, openLog, segmentsOf, temporaryDirectories } from './support.js'

/**
 * A log of three chains: `closed` and `newest` were closed by their processes, `crashed` was not, and ends in part of a record.
 * Every test changes a copy of it.
 */
describe('verifying an audit log', () => {
  const signer = newSigner()
  const stored = new MemoryCheckpoints()
  const newDirectory = temporaryDirectories()
  let original = ''
  let chains: Record<'closed' | 'crashed' | 'newest', readonly string[]>

  before(async () => {
    const running = await newDirectory()
    original = await newDirectory()
    const options = { checkpoints: stored, limits: { segmentBytesMax: 12_000, checkpointRecords: 30 } }
    const write = async (directory: string, count: number) => {
      const log = await openLog(directory, signer, options)
      for (let at = 0; at < count; at += 5) await appendMany(log, 5, String(at))
      return log
    }
    await (await write(running, 120)).close()
    const crashing = await write(running, 100)
    await cp(running, original, { recursive: true })
    const storedOfCrashed = [...stored.all.values()].at(-1)
    await crashing.close()
    if (storedOfCrashed) stored.all.set(storedOfCrashed.chain, storedOfCrashed)
    const torn = (await segmentsOf(original)).at(-1) ?? ''
    await put(join(original, torn), Buffer.concat([await readFile(join(original, torn)), Buffer.from('{"eventVersion":"1.1')]))
    await (await write(original, 80)).close()
    const files = await segmentsOf(original)
    const of = (chain: string | undefined) => files.filter(file => chain !== undefined && file.includes(chain))
    const [closed, crashed, newest] = [...new Set(files.map(file => file.split('-')[1]))]
    chains = { closed: of(closed), crashed: of(crashed), newest: of(newest) }
  })

  async function changed(change: (directory: string) => Promise<unknown>): Promise<string> {
    const directory = await newDirectory()
    await cp(original, directory, { recursive: true, preserveTimestamps: true })
    await change(directory)
    return directory
  }

  async function verifyChanged(change: (directory: string) => Promise<unknown>, options?: VerifyOptions): Promise<DirectoryVerification> {
    return verifyDirectory(await changed(change), options)
  }

  const withStored = async (): Promise<VerifyOptions> => ({ checkpoints: await stored.newest() })

  it('finds nothing in an untouched one, and says what it holds and that all of it is covered', async () => {
    const result = await verifyDirectory(original, await withStored())
    expect(result).to.deep.include({ ok: true, findings: [], findingsLeftOut: 0 })
    expect(result.chains.map(({ closed, uncovered, tornBytes, instance }) => ({ closed, uncovered, tornBytes, instance }))).to.deep.equal([
      { closed: true, uncovered: 0, tornBytes: 0, instance: 'test' },
      { closed: false, uncovered: 0, tornBytes: 20, instance: 'test' },
      { closed: true, uncovered: 0, tornBytes: 0, instance: 'test' },
    ])
    expect(result.records).to.be.greaterThan(300).and.equal(result.chains.reduce((sum, { sequence }) => sum + sequence, 0))
    expect(result.checkpoints).to.be.greaterThan(6)
    expect(result.keys).to.have.length(1)
    expect([chains.closed.length, chains.crashed.length, chains.newest.length].every(count => count >= 3)).to.equal(true)
  })

  it('finds any flipped bit', async function () {
    this.timeout(60_000)
    const unfound: string[] = []
    for (const file of await segmentsOf(original)) {
      const content = await readFile(join(original, file))
      // The bytes of a record that was never finished say nothing.
      const size = content.lastIndexOf('\n') + 1
      const directory = await changed(async () => {})
      for (let step = 0; step < 12; step++) {
        const at = step < 11 ? Math.floor(size * step / 11) : size - 1
        const flipped = Buffer.from(content)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << step % 8)
        await put(join(directory, file), flipped)
        if ((await verifyDirectory(directory)).ok) unfound.push(`bit ${step % 8} of byte ${at} of ${file}`)
      }
      await rm(directory, { recursive: true })
    }
    expect(unfound).to.deep.equal([])
  })

  it('finds any flipped bit of the last line of a closed chain', async function () {
    this.timeout(60_000)
    const file = chains.newest.at(-1) ?? ''
    const directory = await changed(async () => {})
    const content = await readFile(join(original, file))
    const unfound: number[] = []
    for (let at = content.lastIndexOf('\n', -2) + 1; at < content.length; at += 3) {
      const flipped = Buffer.from(content)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      await put(join(directory, file), flipped)
      if ((await verifyDirectory(directory)).ok) unfound.push(at)
    }
    expect(unfound).to.deep.equal([])
  })

  const lineChanges: Record<string, (lines: string[], at: number) => void> = {
    'a deleted line': (lines, at) => void lines.splice(at, 1),
    'two swapped lines': (lines, at) => void lines.splice(at, 2, lines[at + 1] ?? '', lines[at] ?? ''),
    'a line written twice': (lines, at) => void lines.splice(at, 0, lines[at] ?? ''),
    'an empty line': (lines, at) => void lines.splice(at, 0, ''),
    'a line without its end': (lines, at) => void lines.splice(at, 2, `${lines[at]}${lines[at + 1]}`),
    'a carriage return': (lines, at) => void lines.splice(at, 1, `${lines[at]}\r`),
  }
  for (const [what, change] of Object.entries(lineChanges)) {
    it(`finds ${what}, and names file and line`, async () => {
      for (const file of Object.values(chains).flat()) {
        const count = (await readFile(join(original, file), 'utf8')).split('\n').length - 1
        for (const at of [0, Math.floor(count / 2) - 1]) {
          const { findings } = await verifyChanged(directory => editLines(directory, file, lines => change(lines, at)))
          const places = findings.filter(({ file: of, line }) => of === file && line >= at && line <= at + 2)
          expect(places, `${file} ${at}`).not.to.deep.equal([])
        }
      }
    })
  }

  it('finds a removed segment', async () => {
    for (const file of Object.values(chains).flat()) {
      const { findings } = await verifyChanged(directory => rm(join(directory, file)), await withStored())
      expect(findings, file).not.to.deep.equal([])
    }
  })

  it('finds a removed segment without stored checkpoints, unless it is the end of the newest chain', async () => {
    for (const file of Object.values(chains).flat().slice(0, -1)) {
      expect((await verifyChanged(directory => rm(join(directory, file)))).ok, file).to.equal(false)
    }
    const cut = await verifyChanged(directory => rm(join(directory, chains.newest.at(-1) ?? '')))
    expect(cut.chains.at(-1)).to.include({ closed: false })
  })

  it('finds a removed chain: by the next one, the newest by a stored checkpoint', async () => {
    const remove = (files: readonly string[]) => (directory: string) => Promise.all(files.map(file => rm(join(directory, file))))
    const first = await verifyChanged(remove(chains.closed))
    expect(first.findings.map(({ file, line }) => ({ file, line }))).to.deep.equal([{ file: chains.crashed[0], line: 1 }])
    expect((await verifyChanged(remove(chains.crashed))).findings[0]?.what).to.match(/^chain [0-9a-f]{16} is missing: the start of chain/)
    const newest = await verifyChanged(remove(chains.newest), await withStored())
    expect(newest.findings.map(({ what }) => what).join()).to.match(/chain [0-9a-f]{16} is missing: a stored checkpoint names it/)
    expect((await verifyChanged(remove(Object.values(chains).flat()))).findings[0]?.what).to.equal('there is no audit log here')
  })

  it('finds a segment under the number or the chain of another', async () => {
    const [first = '', second = ''] = chains.closed
    const swapped = await verifyChanged(async (directory) => {
      await rename(join(directory, first), join(directory, 'first'))
      await rename(join(directory, second), join(directory, first))
      await rename(join(directory, 'first'), join(directory, second))
    })
    expect(swapped.ok).to.equal(false)
    const other = first.replace(/-[0-9a-f]{16}-/, '-0123456789abcdef-')
    const copied = await verifyChanged(directory => cp(join(directory, first), join(directory, other)))
    expect(copied.findings[0]?.what).to.match(/^this record is of chain/)
  })

  it('finds a cut end of every chain, wherever it is cut', async () => {
    for (const files of Object.values(chains)) {
      for (const [nth, file] of files.entries()) {
        const content = await readFile(join(original, file))
        const lineEnd = content.indexOf('\n', content.length / 2) + 1
        for (const size of [0, 1, Math.floor(content.length / 3), lineEnd - 1, lineEnd, content.lastIndexOf('\n')]) {
          const { findings } = await verifyChanged(async (directory) => {
            await put(join(directory, file), content.subarray(0, size))
            for (const later of files.slice(nth + 1)) await rm(join(directory, later))
          }, await withStored())
          expect(findings, `${file} cut at ${size}`).not.to.deep.equal([])
        }
      }
    }
  })

  it('says what no checkpoint covers, when only that was cut', async () => {
    const [running, directory] = [await newDirectory(), await newDirectory()]
    const checkpoints = new MemoryCheckpoints()
    // Long enough that the first checkpoint covers all ten records on a busy machine too.
    const log = await openLog(running, signer, { checkpoints, limits: { checkpointMs: 200 } })
    await appendMany(log, 9)
    while ([...checkpoints.all.values()][0]?.sequence !== 10) await new Promise(resolve => setTimeout(resolve, 2))
    const options = { checkpoints: await checkpoints.newest() }
    await cp(running, directory, { recursive: true })
    await log.close()

    const [file = ''] = await segmentsOf(directory)
    const cut = (count: number) => editLines(directory, file, lines => void lines.splice(-count))
    const summary = async () => {
      const { ok, findings, chains: [chain] } = await verifyDirectory(directory, options)
      return { ok, what: findings[0]?.what, sequence: chain?.sequence, uncovered: chain?.uncovered }
    }
    const whole = await summary()
    const end = whole.sequence ?? 0
    expect(whole).to.deep.equal({ ok: true, what: undefined, sequence: end, uncovered: 0 })
    for (let at = 0; at < 3; at++) await editLines(directory, file, lines => void lines.push(nextLine(lines.at(-1))))
    expect(await summary()).to.deep.equal({ ok: true, what: undefined, sequence: end + 3, uncovered: 3 })
    await cut(1)
    expect(await summary()).to.deep.equal({ ok: true, what: undefined, sequence: end + 2, uncovered: 2 })
    await cut(end + 2 - 9)
    expect((await summary()).what).to.match(/ends at record 9, but a stored checkpoint has seen record 10/)
  })

  it('finds an edited checkpoint', async () => {
    const file = chains.closed.at(-1) ?? ''
    const edits: ((checkpoint: Checkpoint) => Checkpoint)[] = [
      of => ({ ...of, sequence: of.sequence - 1 }), of => ({ ...of, time: '2026-01-01T00:00:00.000Z' }), of => ({ ...of, rootVersion: 2 }),
      of => ({ ...of, chain: '0123456789abcdef' }), of => ({ ...of, head: '0'.repeat(64) }),
    ]
    for (const edit of edits) {
      const { findings } = await verifyChanged(directory =>
        editLines(directory, file, lines => lines.splice(-1, 1, withCheckpoint(lines.at(-1), edit))))
      expect(findings.map(({ what }) => what).join('\n')).to.match(/^a bad checkpoint: /m)
    }
  })

  it('finds a checkpoint that another key has signed', async () => {
    const file = chains.closed.at(-1) ?? ''
    const resigned = await changed(directory => resignLast(directory, file, newSigner()))
    const { findings } = await verifyDirectory(resigned)
    expect(findings.filter(finding => finding.file === file).map(({ what }) => what)).to.include('a bad checkpoint: its signature is wrong')
  })

  it('finds a history that was rewritten with another key, when it is told the right one', async () => {
    const forger = newSigner()
    const directory = await newDirectory()
    const log = await openLog(directory, forger)
    await appendMany(log, 5)
    await log.close()
    expect((await verifyDirectory(directory)).ok).to.equal(true)
    const first = async (...keys: [number, Uint8Array][]) =>
      (await verifyDirectory(directory, { publicKeys: new Map(keys) })).findings[0]?.what
    expect(await first([1, forger.publicKey])).to.equal(undefined)
    expect(await first([1, signer.publicKey])).to.match(/signature is wrong/)
    expect(await first()).to.match(/no public key of version 1/)
  })

  it('finds an event that was changed and everything behind it linked anew', async () => {
    const { findings } = await verifyChanged(async (directory) => {
      await relink(directory, chains.closed, (line, seq) => seq === 3 ? line.replace('GenerateDataKey', 'DescribeKey') : line)
    })
    expect(findings[0]?.what).to.match(/^a bad checkpoint: record \d+ is not the one that was signed/)
  })

  it('finds a forged record behind the end of a chain, well linked or not', async () => {
    for (const files of [chains.closed, chains.crashed, chains.newest]) {
      const file = files.at(-1) ?? ''
      const forged = await verifyChanged(directory => editLines(directory, file, lines => void lines.push(nextLine(lines.at(-1)))))
      expect(forged.findings.map(({ file: of }) => of), file).to.include(file)
      const unlinked = await verifyChanged(directory => editLines(directory, file, lines => void lines.push(lines[3] ?? '')))
      expect(unlinked.findings[0], file).to.include({ file })
    }
  })

  it('finds a stored checkpoint that was changed', async () => {
    const checkpoints = (await stored.newest()).map((checkpoint, at) => at === 0 ? { ...checkpoint, sequence: 1 } : checkpoint)
    const { findings } = await verifyDirectory(original, { checkpoints })
    expect(findings.map(({ file, what }) => `${file}: ${what}`)).to.have.length(1)
    expect(findings[0]?.what).to.match(/its signature is wrong/)
  })

  it('reads nothing but the log and its keys', async () => {
    const directory = await changed(of => writeFile(join(of, 'notes.jsonl'), 'hello'))
    expect((await verifyDirectory(directory)).ok).to.equal(true)
    expect(await readdir(directory)).to.include('notes.jsonl')
  })
})
