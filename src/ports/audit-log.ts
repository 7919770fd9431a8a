import type { AuditEvent, Checkpoint } from '../domain/audit-chain.js'

/** Append-only, chained, in the order of the calls. */
export interface AuditLog {
  /**
   * Resolves once the record is on disk; rejects if it could not be written. Later ones are refused, too, until the log can begin a new
   * chain.
   * The caller must not answer its client before.
   */
  append(event: AuditEvent): Promise<void>
  /** false once a record could not be written. */
  healthy(): boolean
  /** Writes a last checkpoint and closes the files. */
  close(): Promise<void>
}

/** Checkpoints kept beside the files, so that cutting a file's end is noticed (README, Audit). */
export interface Checkpoints {
  put(checkpoint: Checkpoint): Promise<void>
  /** The newest of every chain. */
  newest(): Promise<readonly Checkpoint[]>
}
