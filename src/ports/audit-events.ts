import type { AuditEvent } from '../domain/audit-chain.js'

/** Reads what the audit log holds (ports/audit-log.ts), also while it is written. Verifies nothing: that is another thing. */
export interface AuditEvents {
  /**
   * Events for which `wanted` answers true, the newest first, at most `limit`. A page may hold fewer, or none, although there are more: one
   * call reads no more than a bounded number of bytes. `next` is where the next page begins; undefined when there is nothing more.
   */
  read(query: EventQuery): Promise<EventPage>
}

export interface EventQuery {
  /** `next` of the page before. */
  readonly after: string | undefined
  /** Times of events, in milliseconds since the epoch: hints where to look, `wanted` still decides. */
  readonly start: number | undefined
  readonly end: number | undefined
  readonly limit: number
  readonly wanted: (event: AuditEvent) => boolean
}

export interface EventPage { readonly events: readonly AuditEvent[], readonly next: string | undefined }
