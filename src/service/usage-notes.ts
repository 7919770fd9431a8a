import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from '../ports/log.js'

/** Records in one transaction: few enough that no request waits long for it. */
const batchMax = 500

export interface UsageNotesOptions<R> {
  /** What is noted, for the log: `keys`. */
  readonly of: string
  /** Names that wait in memory to be written; beyond it the one that has waited longest is forgotten. */
  readonly pendingMax: number
  /** One transaction. */
  readonly write: (records: readonly R[]) => Promise<void>
  readonly log: Log
}

/**
 * The last use of each of many things. Noted in memory, because a write for every call would cost more than the call; written by `flush`,
 * and at the end. A crash forgets what was not written yet.
 */
export class UsageNotes<R> {
  readonly #options: UsageNotesOptions<R>
  readonly #pending = new Map<string, R>()
  #saidFull = false

  constructor(options: UsageNotesOptions<R>) {
    this.#options = options
  }

  note(name: string, record: R): void {
    if (!this.#pending.has(name)) this.#makeRoom()
    this.#pending.set(name, record)
  }

  /** What was noted and is not written yet. */
  pending(name: string): R | undefined {
    return this.#pending.get(name)
  }

  /** Of what is gone. */
  forget(name: string): void {
    this.#pending.delete(name)
  }

  /** Writes what was noted so far. What cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    const noted = [...this.#pending]
    for (let at = 0; at < noted.length; at += batchMax) {
      // The store may answer without ever letting the event loop turn.
      if (at > 0) await nextTurn()
      const batch = noted.slice(at, at + batchMax)
      await this.#options.write(batch.map(([, record]) => record))
      for (const [name, record] of batch) {
        if (this.#pending.get(name) === record) this.#pending.delete(name)
      }
    }
    this.#saidFull = false
  }

  #makeRoom(): void {
    const [oldest] = this.#pending.keys()
    const { of, pendingMax, log } = this.#options
    if (this.#pending.size < pendingMax || oldest === undefined) return
    this.#pending.delete(oldest)
    if (!this.#saidFull) log.warn(`last usages of ${of} are lost: too many ${of} were used since they were last written`)
    this.#saidFull = true
  }
}
