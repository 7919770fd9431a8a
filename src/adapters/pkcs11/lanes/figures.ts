import { HsmError, type HsmStatus } from '../../../ports/hsm.js'

const newest = 1024

/** Counters and the latency of the newest calls. */
export class Figures {
  done = 0
  failed = 0
  refused = 0
  deadlineMissed = 0
  private readonly latencies = new Float64Array(newest)
  private measured = 0

  /** Counts and measures one call. */
  of<T>(call: () => T): T {
    const since = performance.now()
    try {
      const result = call()
      this.done += 1
      return result
    } catch (error) {
      this.failedWith(error)
      throw error
    } finally {
      this.answered(since)
    }
  }

  /** What is wrong with the caller's bytes is an answer like any other. */
  failedWith(error: unknown): void {
    if (error instanceof HsmError && error.kind === 'ciphertext-invalid') this.done += 1
    else this.failed += 1
  }

  /** `since` as performance.now() gives it. */
  answered(since: number): void {
    this.latencies[this.measured % newest] = performance.now() - since
    this.measured += 1
  }

  calls(): HsmStatus['calls'] {
    return { done: this.done, failed: this.failed, refused: this.refused, deadlineMissed: this.deadlineMissed }
  }

  latency(): HsmStatus['latency'] {
    const sorted = this.latencies.slice(0, this.measured).sort()
    const at = (share: number) => Math.round((sorted[Math.ceil(sorted.length * share) - 1] ?? 0) * 1000)
    return { p50: at(0.5), p99: at(0.99), max: at(1), calls: sorted.length }
  }
}
