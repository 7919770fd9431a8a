import {
  type AuditRecord, type Checkpoint, checkpointLagMax, checkpointMembers, checkpointMessage, emptyChain, isCheckpoint, lineHash,
  parseRecord, type Position, recordLine,
} from './audit-chain.js'
import type { ChainSummary, Finding, LogLine, SignatureCheck, Witness } from './audit-verify.js'

/** Findings that are kept; the rest are only counted. */
export const findingsMax = 1000

export class Findings {
  readonly kept: Finding[] = []
  leftOut = 0

  add(file: string, line: number, what: string): void {
    if (this.kept.length < findingsMax) this.kept.push({ file, line, what })
    else this.leftOut++
  }
}

/** What is wrong with a checkpoint's own bytes; undefined if its signature is good. */
export function checkpointDefect(checkpoint: unknown, check: SignatureCheck): string | undefined {
  if (!isCheckpoint(checkpoint)) return 'it is not a checkpoint'
  const good = check(checkpoint.rootVersion, checkpointMessage(checkpoint), Buffer.from(checkpoint.signature, 'base64'))
  if (good === undefined) return `there is no public key of version ${checkpoint.rootVersion} to check it with`
  return good ? undefined : 'its signature is wrong'
}

/** Takes the lines of one chain, in order. After a finding it goes on from what it sees, so that one change is not reported for ever. */
export class ChainVerifier {
  readonly #chain: string
  readonly #witnesses = new Map<number, Witness[]>()
  readonly #seen = new Set<Witness>()
  readonly #check: SignatureCheck
  readonly #findings: Findings
  /** Hashes by sequence number, as far back as a checkpoint may reach. */
  readonly #hashes = new Map<number, string>()
  #at: Position = emptyChain
  #file = ''
  #line = 0
  #segment = 0
  #unfinished: { readonly line: number, readonly bytes: number } | undefined
  #records = 0
  #checkpoints = 0
  #instance: string | undefined
  #sound = true
  #verified = { sequence: 0, file: '', line: 0 }
  /** Last record that a checkpoint or a witness vouches for, whether or not something before it is unsound. */
  #covered = 0
  #closing: number | undefined
  #closed = false

  constructor(chain: string, witnesses: readonly Witness[], check: SignatureCheck, findings: Findings) {
    this.#chain = chain
    for (const witness of witnesses) this.#witnesses.set(witness.sequence, [...this.#witnesses.get(witness.sequence) ?? [], witness])
    this.#check = check
    this.#findings = findings
  }

  segment(file: string, number: number): void {
    this.#refuseUnfinished()
    this.#file = file
    this.#line = 0
    const due = this.#segment + 1
    if (number !== due) this.#found(`segment ${number} of chain ${this.#chain} stands where segment ${due} is due`)
    this.#segment = number
  }

  line({ bytes, complete }: LogLine): void {
    this.#refuseUnfinished()
    this.#line++
    if (!complete) this.#unfinished = { line: this.#line, bytes: bytes.length }
    else this.#record(parseRecord(bytes), lineHash(bytes))
  }

  end(): ChainSummary {
    this.#askWitnesses(emptyChain)
    this.#checkTail()
    for (const witness of [...this.#witnesses.values()].flat()) {
      if (!this.#seen.has(witness)) {
        this.#found(`chain ${this.#chain} ends at record ${this.#at.sequence}, but ${witness.by} has seen record ${witness.sequence}`)
      }
    }
    return {
      chain: this.#chain,
      instance: this.#instance,
      records: this.#records,
      checkpoints: this.#checkpoints,
      sequence: this.#at.sequence,
      verified: this.#verified,
      uncovered: Math.max(0, this.#at.sequence - this.#verified.sequence),
      closed: this.#closed,
      tornBytes: this.#unfinished?.bytes ?? 0,
    }
  }

  #record(record: AuditRecord | undefined, hash: string): void {
    this.#records++
    if (record) {
      this.#checkPlace(record)
      this.#checkKind(record, hash)
    } else {
      this.#found('this is not a record')
    }
    this.#at = { sequence: record?.seq ?? this.#at.sequence + 1, head: hash }
    this.#remember()
    this.#askWitnesses(this.#at)
    if (record?.kind === 'checkpoint') this.#takeCheckpoint(record.checkpoint, record.seq)
  }

  #checkPlace({ chain, seq, prev }: AuditRecord): void {
    const due = this.#at.sequence + 1
    if (chain !== this.#chain) this.#found(`this record is of chain ${chain}, the file of chain ${this.#chain}`)
    if (seq !== due) this.#found(`record ${seq} stands where record ${due} is due: records were removed, added or moved`)
    if (prev !== this.#at.head) this.#found('this record does not follow from the line before it: one of the two was changed or replaced')
  }

  #checkKind(record: AuditRecord, hash: string): void {
    if ((record.kind === 'start') !== (record.seq === 1)) this.#found('a chain has one start record, its first')
    if (record.kind === 'start') this.#instance = record.start.instance
    const last = record.kind === 'checkpoint' && record.checkpoint.sequence === this.#closing
    if (this.#closed || (this.#closing !== undefined && !last)) this.#found('this record stands behind the end of a closed chain')
    if (record.kind === 'closed') this.#closing = record.seq
    if (record.kind !== 'checkpoint') return
    const canonical = recordLine(record.chain, record.seq, record.prev, checkpointMembers(record.checkpoint))
    if (lineHash(canonical) !== hash) this.#found('this checkpoint is not written as checkpoints are')
  }

  #takeCheckpoint(checkpoint: Checkpoint, seq: number): void {
    const defect = checkpointDefect(checkpoint, this.#check) ?? this.#misplaced(checkpoint, seq)
    if (defect) return this.#found(`a bad checkpoint: ${defect}`)
    this.#checkpoints++
    // Its own record is checked to the last byte, so it needs no other checkpoint if it directly follows what it covers.
    this.#vouch(checkpoint.sequence === seq - 1 ? seq : checkpoint.sequence)
    this.#closed = checkpoint.sequence === this.#closing
    for (const sequence of this.#hashes.keys()) {
      if (sequence >= checkpoint.sequence) break
      this.#hashes.delete(sequence)
    }
  }

  #misplaced({ chain, sequence, head }: Checkpoint, seq: number): string | undefined {
    if (chain !== this.#chain) return `it is of chain ${chain}`
    if (sequence >= seq) return `it covers record ${sequence}, which is not before it`
    const hash = this.#hashes.get(sequence)
    if (hash === undefined) return `it covers record ${sequence}, which is not among those before it`
    return hash === head ? undefined : `record ${sequence} is not the one that was signed`
  }

  #remember(): void {
    this.#hashes.delete(this.#at.sequence)
    this.#hashes.set(this.#at.sequence, this.#at.head)
    if (this.#hashes.size <= checkpointLagMax + 1) return
    for (const oldest of this.#hashes.keys()) {
      this.#hashes.delete(oldest)
      return
    }
  }

  #askWitnesses({ sequence, head }: Position): void {
    for (const witness of this.#witnesses.get(sequence) ?? []) {
      this.#seen.add(witness)
      if (witness.head === head) this.#vouch(sequence)
      else this.#found(`record ${witness.sequence} is not the one that ${witness.by} has seen`)
    }
  }

  #vouch(sequence: number): void {
    this.#covered = Math.max(this.#covered, sequence)
    if (this.#sound && sequence > this.#verified.sequence) this.#verified = { sequence, file: this.#file, line: this.#line }
  }

  /** Only the very end of a chain may be unfinished. */
  #refuseUnfinished(): void {
    if (this.#unfinished) this.#foundAt(this.#unfinished.line, 'this line has no end, or is longer than a record may be')
    this.#unfinished = undefined
  }

  /** A crash leaves at most part of a record, which the next process noted; and nobody can have gone on behind what it noted. */
  #checkTail(): void {
    const links = [...this.#witnesses.values()].flat().filter(({ tornBytes }) => tornBytes !== undefined)
    const atEnd = links.filter(({ sequence }) => sequence === this.#at.sequence)
    const bytes = this.#unfinished?.bytes ?? 0
    if (atEnd.length > 0 || bytes > 0) {
      if (atEnd.some(({ tornBytes }) => tornBytes === bytes)) return
      this.#found(`behind record ${this.#at.sequence} stand ${bytes} bytes of an unfinished line, and no later chain has noted just that`)
    } else if (links.length > 0 && this.#covered < this.#at.sequence) {
      this.#found(`records behind ${this.#covered} are vouched for by no checkpoint, and ${links[0]?.by} found the end before them`
        + ' (if that process is still running, verify again)')
    }
  }

  #found(what: string): void {
    this.#foundAt(this.#line, what)
  }

  #foundAt(line: number, what: string): void {
    this.#sound = false
    this.#findings.add(this.#file || `(chain ${this.#chain})`, line, what)
  }
}
