import { keyLastUsageTrackingOperation } from '../api/enums.js'
import type { Key } from '../domain/key.js'
import type { KeyUsageRecord, KeyUsages } from '../ports/key-usages.js'
import type { Log } from '../ports/log.js'
import { UsageNotes } from './usage-notes.js'

const pendingKeysMax = 50_000

const tracked: ReadonlySet<string> = new Set(keyLastUsageTrackingOperation)

/** One call that may count as a usage, as the audit log has it. */
export interface Usage { readonly operation: string, readonly usedAt: number, readonly eventId: string, readonly requestId: string }

/** When each key was last used (service/usage-notes.ts). */
export class LastUsage {
  /** Since when this installation keeps track. */
  readonly since: number
  readonly #usages: KeyUsages
  readonly #notes: UsageNotes<KeyUsageRecord>

  constructor(usages: KeyUsages, since: number, log: Log) {
    this.#usages = usages
    this.since = since
    this.#notes = new UsageNotes({ of: 'keys', pendingMax: pendingKeysMax, write: records => usages.put(records), log })
  }

  /** A successful call with these keys; nothing if it is none that the API tracks. */
  note({ operation, usedAt, eventId, requestId }: Usage, keys: readonly Key[]): void {
    if (!tracked.has(operation)) return
    for (const { arn, region, keyId } of keys) this.#notes.note(arn, { region, keyId, operation, usedAt, eventId, requestId })
  }

  /** What was before the key was made is of a replica that had its place, and is gone. */
  async of({ arn, region, keyId, createdAt }: Key): Promise<KeyUsageRecord | undefined> {
    const last = this.#notes.pending(arn) ?? await this.#usages.get(region, keyId)
    return last && last.usedAt >= createdAt ? last : undefined
  }

  flush(): Promise<void> {
    return this.#notes.flush()
  }
}
