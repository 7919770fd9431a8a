import { expect } from 'chai'
import {
  checkpointLagMax, checkpointMembers, type Checkpoint, emptyChain, eventMembers, lineHash, recordLine, startMembers,
  type ChainLink,
} from '../../src/domain/audit-chain.js'
import { findingsMax } from '../../src/domain/audit-verify-chain.js'
import { type LogChain, type LogLine, type Verification, verify } from '../../src/domain/audit-verify.js'

/** Signatures here are a constant: what the verifier makes of a good or a bad one. Real ones: test/adapters/audit-files. */
const goodSignature = `${'A'.repeat(86)}==`
const time = '2026-01-31T12:00:00.000Z'
const [a, b] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'] as const
const event = eventMembers({
  eventVersion: '1.11', eventTime: time, eventSource: 'kms.amazonaws.com', eventName: 'Decrypt', eventType: 'AwsApiCall', eventID: 'id',
})

/** Lines of one chain, well linked. */
class Lines {
  readonly all: string[] = []
  readonly chain: string
  head = emptyChain.head

  constructor(chain: string, previous: readonly ChainLink[] = []) {
    this.chain = chain
    this.add(startMembers({ format: 1, time, instance: 'test', rootVersion: 1, previous }))
  }

  add(members = event): this {
    const line = recordLine(this.chain, this.all.length + 1, this.head, members)
    this.all.push(line)
    this.head = lineHash(line)
    return this
  }

  checkpoint(sequence = this.all.length): Checkpoint {
    return { chain: this.chain, sequence, head: lineHash(this.all[sequence - 1] ?? ''), time, rootVersion: 1, signature: goodSignature }
  }

  covered(sequence?: number): this {
    return this.add(checkpointMembers(this.checkpoint(sequence)))
  }

  get end(): ChainLink {
    return { chain: this.chain, sequence: this.all.length, head: this.head, tornBytes: 0 }
  }
}

function chainOf({ chain, all }: Lines, ...more: readonly LogLine[]): LogChain {
  const lines = [...all.map(line => ({ bytes: Buffer.from(line), complete: true })), ...more]
  return {
    chain,
    segments: [{
      file: chain,
      number: 1,
      async *lines() {
        yield* lines
      },
    }],
  }
}

async function check(chains: readonly LogChain[], stored: readonly Checkpoint[] = []): Promise<Verification> {
  const checkSignature = (rootVersion: number, _: Uint8Array, signature: Uint8Array) => rootVersion === 1 ? signature[0] === 0 : undefined
  return verify({ chains, stored, checkSignature })
}

const whats = ({ findings }: Verification) => findings.map(({ what }) => what)

describe('the audit verifier', () => {
  it('counts what no checkpoint covers; a checkpoint right behind what it covers needs no other', async () => {
    const summaryOf = async (lines: Lines) => {
      const { ok, chains: [chain] } = await check([chainOf(lines)])
      return { ok, verified: chain?.verified.sequence, uncovered: chain?.uncovered }
    }
    expect(await summaryOf(new Lines(a).add())).to.deep.equal({ ok: true, verified: 0, uncovered: 2 })
    expect(await summaryOf(new Lines(a).add().covered())).to.deep.equal({ ok: true, verified: 3, uncovered: 0 })
    expect(await summaryOf(new Lines(a).add().add().covered(2).add())).to.deep.equal({ ok: true, verified: 2, uncovered: 3 })
  })

  it('takes a stored checkpoint for a witness', async () => {
    const lines = new Lines(a).add().add()
    const { chains: [chain] } = await check([chainOf(lines)], [lines.checkpoint(2)])
    expect(chain).to.include({ uncovered: 1 }).and.deep.include({ verified: { sequence: 2, file: a, line: 2 } })
    const other = { ...lines.checkpoint(2), head: '0'.repeat(64) }
    expect(whats(await check([chainOf(lines)], [other]))).to.deep.equal(['record 2 is not the one that a stored checkpoint has seen'])
    expect(whats(await check([chainOf(lines)], [{ ...lines.checkpoint(2), sequence: 4 }])))
      .to.deep.equal([`chain ${a} ends at record 3, but a stored checkpoint has seen record 4`])
  })

  it('does not believe a stored checkpoint whose signature is wrong or cannot be checked', async () => {
    const lines = new Lines(a).add()
    const wrong = { ...lines.checkpoint(2), signature: `${'/'.repeat(85)}w==` }
    expect(whats(await check([chainOf(lines)], [wrong]))).to.deep.equal([`the checkpoint of chain ${a} at 2: its signature is wrong`])
    const unknown = { ...lines.checkpoint(2), rootVersion: 3 }
    expect(whats(await check([chainOf(lines)], [unknown]))[0]).to.match(/there is no public key of version 3/)
  })

  it('lets a chain go on behind a link only under a checkpoint', async () => {
    const first = new Lines(a).add()
    const second = new Lines(b, [first.end]).covered()
    expect(whats(await check([chainOf(first), chainOf(second)]))).to.deep.equal([])
    first.add()
    expect(whats(await check([chainOf(first), chainOf(second)]))[0]).to.match(/^records behind 2 are vouched for by no checkpoint/)
    first.covered()
    expect(whats(await check([chainOf(first), chainOf(second)]))).to.deep.equal([])
  })

  it('lets a chain end in part of a record only if a later chain noted as many bytes', async () => {
    const torn = { bytes: Buffer.from('{"eve'), complete: false }
    const first = new Lines(a).add()
    const after = (tornBytes: number) => chainOf(new Lines(b, [{ ...first.end, tornBytes }]).covered())
    expect(whats(await check([chainOf(first, torn), after(5)]))).to.deep.equal([])
    expect(whats(await check([chainOf(first, torn), after(4)]))).to.have.length(1)
    expect(whats(await check([chainOf(first), after(5)]))).to.have.length(1)
    expect(whats(await check([chainOf(first, torn)]))).to.have.length(1)
    const [twice] = whats(await check([chainOf(first, torn, torn), after(5)]))
    expect(twice).to.equal('this line has no end, or is longer than a record may be')
  })

  it('wants the start record first, and only there', async () => {
    const late = new Lines(a).add(startMembers({ format: 1, time, instance: 'test', rootVersion: 1, previous: [] }))
    expect(whats(await check([chainOf(late)]))).to.deep.equal(['a chain has one start record, its first'])
    late.all.splice(0, late.all.length, recordLine(a, 1, emptyChain.head, event))
    expect(whats(await check([chainOf(late)]))).to.deep.equal(['a chain has one start record, its first'])
  })

  it('wants checkpoints in their one form', async () => {
    const lines = new Lines(a)
    lines.add(checkpointMembers(lines.checkpoint()).replace('{"checkpoint":', '{"note":1,"checkpoint":'))
    expect(whats(await check([chainOf(lines)]))).to.deep.equal(['this checkpoint is not written as checkpoints are'])
  })

  it('remembers as many hashes as a checkpoint may lag behind', async function () {
    this.timeout(60_000)
    const lines = new Lines(a)
    while (lines.all.length < checkpointLagMax + 1) lines.add('{"x":1}')
    const { head } = lines
    expect(whats(await check([chainOf(lines.covered(2))]))).to.deep.equal([])
    lines.all.pop()
    lines.head = head
    const [what] = whats(await check([chainOf(lines.covered(1))]))
    expect(what).to.equal('a bad checkpoint: it covers record 1, which is not among those before it')
  })

  it('keeps a bounded number of findings and counts the rest', async () => {
    const junk = Array.from({ length: findingsMax + 5 }, () => ({ bytes: Buffer.from('junk'), complete: true }))
    const result = await check([chainOf(new Lines(a), ...junk)])
    expect(result.findings).to.have.length(findingsMax)
    expect(result.findingsLeftOut).to.equal(5)
    expect(result.chains[0]?.verified.sequence).to.equal(0)
  })

  it('finds nothing in no log but its absence', async () => {
    const findings = [{ file: '', line: 0, what: 'there is no audit log here' }]
    expect(await check([])).to.deep.include({ ok: false, records: 0, findings })
  })
})
