import { setImmediate as nextTurn } from 'node:timers/promises'
import { keyLastUsageTrackingOperation } from '../api/enums.js'
import type { Key } from '../domain/key.js'
import type { KeyUsageRecord, KeyUsages } from '../ports/key-usages.js'
import type { Log } from '../ports/log.js'

/** Keys whose last usage waits in memory to be written; beyond it the one that has waited longest is forgotten. */
const pendingKeysMax = 50_000
/** Records in one transaction: few enough that no request waits long for it. */
const batchMax = 500

const tracked: ReadonlySet<string> = new Set(keyLastUsageTrackingOperation)

/** One call that may count as a usage, as the audit log has it. */
export interface Usage { readonly operation: string, readonly usedAt: number, readonly eventId: string, readonly requestId: string }

/**
 * When each key was last used. Noted in memory, because a write for every call would cost more than the call; written by `flush`, and at
 * the end. A crash forgets what was not written yet.
 */
export class LastUsage {
  /** Since when this installation keeps track. */
  readonly since: number
  readonly #usages: KeyUsages
  readonly #log: Log
  readonly #pending = new Map<string, KeyUsageRecord>()
  #saidFull = false

  constructor(usages: KeyUsages, since: number, log: Log) {
    this.#usages = usages
    this.since = since
    this.#log = log
  }

  /** A successful call with these keys; nothing if it is none that the API tracks. */
  note({ operation, usedAt, eventId, requestId }: Usage, keys: readonly Key[]): void {
    if (!tracked.has(operation)) return
    for (const { arn, region, keyId } of keys) {
      if (!this.#pending.has(arn)) this.#makeRoom()
      this.#pending.set(arn, { region, keyId, operation, usedAt, eventId, requestId })
    }
  }

  /** What was before the key was made is of a replica that had its place, and is gone. */
  async of({ arn, region, keyId, createdAt }: Key): Promise<KeyUsageRecord | undefined> {
    const last = this.#pending.get(arn) ?? await this.#usages.get(region, keyId)
    return last && last.usedAt >= createdAt ? last : undefined
  }

  /** Writes what was noted so far. What cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    const noted = [...this.#pending]
    for (let at = 0; at < noted.length; at += batchMax) {
      // The store may answer without ever letting the event loop turn.
      if (at > 0) await nextTurn()
      const batch = noted.slice(at, at + batchMax)
      await this.#usages.put(batch.map(([, record]) => record))
      for (const [arn, record] of batch) {
        if (this.#pending.get(arn) === record) this.#pending.delete(arn)
      }
    }
    this.#saidFull = false
  }

  #makeRoom(): void {
    const [oldest] = this.#pending.keys()
    if (this.#pending.size < pendingKeysMax || oldest === undefined) return
    this.#pending.delete(oldest)
    if (!this.#saidFull) this.#log.warn('last usages of keys are lost: too many keys were used since they were last written')
    this.#saidFull = true
  }
}
