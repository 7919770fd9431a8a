import type { FileHandle } from 'node:fs/promises'
import { emptyChain, type Position, recordLine } from '../../domain/audit-chain.js'
import type { Clock } from '../../ports/clock.js'
import { Batch } from './batch.js'
import type { AuditLimits } from './limits.js'
import { createSegment, segmentFile } from './segments.js'

/** A record could not be written or was not accepted. The message never holds what was to be recorded. */
export class AuditLogError extends Error {
  override readonly name = 'AuditLogError'
}

/**
 * Group commit of one chain. Records are linked when they are added, so their order is that of the calls; while a batch is on its
 * way to the disk the next one gathers. After a failed write the kernel may have dropped what it could not bring to the disk,
 * so nothing is ever tried again: every record of then and later is refused.
 */
export class ChainWriter {
  readonly #directory: string
  readonly #chain: string
  readonly #clock: Clock
  readonly #limits: AuditLimits
  #at: Position = emptyChain
  #durable: Position = emptyChain
  #next = new Batch()
  #inFlight: Batch | undefined
  #spare: Buffer | undefined
  #writingSince: number | undefined
  #loop: Promise<void> | undefined
  #file: FileHandle | undefined
  #fileBytes = 0
  #segment = 0
  #failure: AuditLogError | undefined

  constructor(directory: string, chain: string, clock: Clock, limits: AuditLimits) {
    this.#directory = directory
    this.#chain = chain
    this.#clock = clock
    this.#limits = limits
  }

  /** The last record that was added, whether or not it is on disk. */
  get last(): Position { return this.#at }
  /** The last record that is on disk. */
  get durable(): Position { return this.#durable }
  get failed(): boolean { return this.#failure !== undefined }

  /** false after a failure, and while the disk takes too long. */
  healthy(): boolean {
    return !this.failed && (this.#writingSince === undefined || this.#clock.now() - this.#writingSince <= this.#limits.writeMsMax)
  }

  /** Adds a record of these members (JSON text of an object). Resolves once it is on disk. */
  add(members: string): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    const batch = this.#next
    if (this.#queueFull(batch)) return Promise.reject(new AuditLogError('too many audit records wait for the disk'))
    const sequence = this.#at.sequence + 1
    this.#at = batch.add(recordLine(this.#chain, sequence, this.#at.head, members), sequence)
    this.#loop ??= this.#writeAll()
    return batch.done
  }

  /** Resolves when nothing waits any more, whether it was written or refused. */
  async drained(): Promise<void> {
    while (this.#loop) await this.#loop
  }

  /** Refuses all later records and closes the file. */
  async close(): Promise<void> {
    this.#failure ??= new AuditLogError('the audit log is closed')
    await this.drained()
    await this.#file?.close()
    this.#file = undefined
  }

  #queueFull({ records, bytes }: Batch): boolean {
    return records + (this.#inFlight?.records ?? 0) >= this.#limits.queueRecordsMax
      || bytes + (this.#inFlight?.bytes ?? 0) >= this.#limits.queueBytesMax
  }

  async #writeAll(): Promise<void> {
    while (this.#next.records > 0) {
      // What the event loop has at hand in this turn still joins: on a quick disk every batch would else hold one record or two.
      await new Promise(resolve => setImmediate(resolve))
      await this.#commit()
    }
    this.#loop = undefined
  }

  async #commit(): Promise<void> {
    const batch = this.#next
    this.#inFlight = batch
    this.#next = new Batch(this.#spare)
    this.#spare = undefined
    this.#writingSince = this.#clock.now()
    try {
      await this.#write(batch)
      this.#durable = batch.last
      this.#spare = batch.settle()
    } catch (cause) {
      this.#failure = new AuditLogError('an audit record could not be written', { cause })
      batch.settle(this.#failure)
      this.#next.settle(this.#failure)
      this.#next = new Batch()
    }
    this.#inFlight = undefined
    this.#writingSince = undefined
  }

  async #write({ content }: Batch): Promise<void> {
    const file = this.#file && this.#fileBytes < this.#limits.segmentBytesMax ? this.#file : await this.#nextSegment()
    for (let written = 0; written < content.length;) written += (await file.write(content, written)).bytesWritten
    this.#fileBytes += content.length
  }

  async #nextSegment(): Promise<FileHandle> {
    await this.#file?.close()
    this.#file = undefined
    this.#segment++
    this.#file = await createSegment(this.#directory, segmentFile(this.#clock.now(), this.#chain, this.#segment))
    this.#fileBytes = 0
    return this.#file
  }
}
