import { parseRecord, type ChainLink, type Checkpoint } from './audit-chain.js'
import { ChainVerifier, checkpointDefect, Findings } from './audit-verify-chain.js'

/** A line of a segment; `complete` if a line feed ended it. A line longer than a record may be comes shortened and not complete. */
export interface LogLine { readonly bytes: Uint8Array, readonly complete: boolean }

export interface LogSegment {
  readonly file: string
  readonly number: number
  /** From the first line on, each time it is called. */
  lines(): AsyncIterable<LogLine>
}

/** The files of one chain, by number. */
export interface LogChain { readonly chain: string, readonly segments: readonly LogSegment[] }

/** Whether `signature` is that key's over `message`; undefined if there is no key of that version. */
export type SignatureCheck = (rootVersion: number, message: Uint8Array, signature: Uint8Array) => boolean | undefined

export interface LogFiles {
  readonly chains: readonly LogChain[]
  readonly checkSignature: SignatureCheck
  /** Checkpoints kept elsewhere, read before the files were listed: what they have seen must be there. */
  readonly stored: readonly Checkpoint[]
}

/** Something that is not as it was written. Line 0 is the file as a whole. */
export interface Finding { readonly file: string, readonly line: number, readonly what: string }

export interface ChainSummary {
  readonly chain: string
  readonly instance: string | undefined
  readonly records: number
  readonly checkpoints: number
  /** Sequence number of the last record. */
  readonly sequence: number
  /**
   * The last record that a good checkpoint or the start of a later chain vouches for, before the first finding; the line that
   * showed it. Records behind it could have been cut off or rewritten without leaving a trace.
   */
  readonly verified: { readonly sequence: number, readonly file: string, readonly line: number }
  /** Records behind `verified`. */
  readonly uncovered: number
  /** Ended by the process itself. Otherwise it is still running, or it crashed. */
  readonly closed: boolean
  readonly tornBytes: number
}

export interface Verification {
  /** No findings. Says nothing of records that are `uncovered`. */
  readonly ok: boolean
  readonly findings: readonly Finding[]
  /** Findings beyond the number that is kept. */
  readonly findingsLeftOut: number
  readonly records: number
  readonly checkpoints: number
  readonly chains: readonly ChainSummary[]
}

/** Somebody who has seen a place of a chain: the start of another chain, or a checkpoint kept elsewhere. */
export interface Witness {
  readonly by: string
  readonly file: string
  readonly line: number
  readonly sequence: number
  readonly head: string
  /** Only of a link. */
  readonly tornBytes?: number
}

/**
 * Checks every line of every chain. Finds any change, removal, insertion or reordering in front of a checkpoint, broken links
 * between lines, segments and chains, and missing ends as far as a witness has seen them. Streams: holds no file in memory.
 */
export async function verify(log: LogFiles): Promise<Verification> {
  const findings = new Findings()
  if (log.chains.length === 0) findings.add('', 0, 'there is no audit log here')
  const witnesses = new Map<string, Witness[]>()
  for (const checkpoint of log.stored) addStored(witnesses, checkpoint, log.checkSignature, findings)
  for (const chain of log.chains) await addLinks(witnesses, chain)
  const chains: ChainSummary[] = []
  for (const chain of log.chains) {
    const verifier = new ChainVerifier(chain.chain, witnesses.get(chain.chain) ?? [], log.checkSignature, findings)
    chains.push(await verifyChain(chain, verifier))
    witnesses.delete(chain.chain)
  }
  for (const [chain, [witness]] of witnesses) reportMissing(chain, witness, findings)
  return {
    ok: findings.kept.length === 0,
    findings: findings.kept,
    findingsLeftOut: findings.leftOut,
    records: chains.reduce((sum, { records }) => sum + records, 0),
    checkpoints: chains.reduce((sum, { checkpoints }) => sum + checkpoints, 0),
    chains,
  }
}

async function verifyChain({ segments }: LogChain, verifier: ChainVerifier): Promise<ChainSummary> {
  for (const segment of segments) {
    verifier.segment(segment.file, segment.number)
    for await (const line of segment.lines()) verifier.line(line)
  }
  return verifier.end()
}

function addStored(witnesses: Map<string, Witness[]>, stored: Checkpoint, check: SignatureCheck, findings: Findings): void {
  const { chain, sequence, head } = stored
  const defect = checkpointDefect(stored, check)
  if (defect) findings.add('stored checkpoints', 0, `the checkpoint of chain ${chain} at ${sequence}: ${defect}`)
  else add(witnesses, chain, { by: 'a stored checkpoint', file: 'stored checkpoints', line: 0, sequence, head })
}

/** A first line that cannot be read is a finding of its own chain, not ours. */
async function addLinks(witnesses: Map<string, Witness[]>, { chain, segments: [first] }: LogChain): Promise<void> {
  if (!first) return
  for await (const { bytes } of first.lines()) {
    const record = parseRecord(bytes)
    for (const link of record?.kind === 'start' ? record.start.previous : []) {
      add(witnesses, link.chain, witnessOf(link, chain, first.file))
    }
    return
  }
}

function witnessOf({ sequence, head, tornBytes }: ChainLink, chain: string, file: string): Witness {
  return { by: `the start of chain ${chain}`, file, line: 1, sequence, head, tornBytes }
}

function add(witnesses: Map<string, Witness[]>, chain: string, witness: Witness): void {
  const all = witnesses.get(chain)
  if (all) all.push(witness)
  else witnesses.set(chain, [witness])
}

function reportMissing(chain: string, witness: Witness | undefined, findings: Findings): void {
  if (witness) findings.add(witness.file, witness.line, `chain ${chain} is missing: ${witness.by} names it at ${witness.sequence}`)
}
