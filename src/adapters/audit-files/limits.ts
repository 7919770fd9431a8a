/** What is bounded in the audit log, and by how much. */
export interface AuditLimits {
  /** Records and bytes that wait for the disk; an append beyond either is refused. */
  readonly queueRecordsMax: number
  readonly queueBytesMax: number
  /** A segment of this size is finished, and another begun. One batch may exceed it. */
  readonly segmentBytesMax: number
  /** How often a checkpoint is made while there are records, and after how many records at the latest. */
  readonly checkpointMs: number
  readonly checkpointRecords: number
  /** How long the HSM or the store may be without a checkpoint before the log calls itself unhealthy. */
  readonly checkpointOverdueMsMax: number
  /** Longest wait for one signature, and for one checkpoint to be stored. */
  readonly checkpointWaitMsMax: number
  /** Longest time a batch may take to reach the disk before the log calls itself unhealthy. */
  readonly writeMsMax: number
}

export const auditLimits: AuditLimits = {
  queueRecordsMax: 20_000,
  queueBytesMax: 64 * 1024 * 1024,
  segmentBytesMax: 64 * 1024 * 1024,
  checkpointMs: 1000,
  checkpointRecords: 1000,
  checkpointOverdueMsMax: 5 * 60 * 1000,
  checkpointWaitMsMax: 10_000,
  writeMsMax: 30_000,
}
