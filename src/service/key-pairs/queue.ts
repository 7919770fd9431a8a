import { throttled } from '../../domain/errors.js'

interface QueueLimits { readonly atOnceMax: number, readonly waitingMax: number }

/** Work that takes long: some of it at once, some waiting in order, and no more than that. */
export class Queue {
  readonly #limits: QueueLimits
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** Throws ThrottlingException when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#place()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #place(): Promise<void> {
    const { atOnceMax, waitingMax } = this.#limits
    if (this.#running < atOnceMax) {
      this.#running++
      return
    }
    if (this.#waiting.length >= waitingMax) throw throttled()
    await new Promise<void>(resolve => { this.#waiting.push(resolve) })
  }

  /** Hands its place on, so that nobody who comes just now gets in before those who wait. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#running--
  }
}
