import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'

/** Remembered at most; what was made before is older than the rest. */
const youngMax = 1_000
const againMs = 50

/**
 * New objects may be unknown to other lanes, or other members of a cluster, for a while: then `missing` means "not yet", and the call is
 * made again.
 */
export class Settling {
  readonly #settleMs: number
  /** When material of this name was made here, oldest first. */
  readonly #made = new Map<string, number>()

  constructor(settleMs: number) {
    this.#settleMs = settleMs
  }

  /** No material is young, so that no call needs care. */
  get isQuiet(): boolean {
    return this.#made.size === 0
  }

  made({ name }: Material): void {
    if (this.#settleMs === 0) return
    const oldest = this.#made.size >= youngMax ? this.#made.keys().next().value : undefined
    if (oldest !== undefined) this.#made.delete(oldest)
    this.#made.set(name, performance.now())
    setTimeout(() => this.#made.delete(name), this.#settleMs).unref()
  }

  destroyed({ name }: Material): void {
    this.#made.delete(name)
  }

  async retried<T>(material: Material, run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (!(error instanceof HsmError && error.kind === 'missing' && this.#made.has(material.name))) throw error
      }
      await new Promise(resolve => { setTimeout(resolve, againMs) })
    }
  }
}
