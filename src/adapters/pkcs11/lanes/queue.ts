/** What waits, in the order of arrival; bounded in number and in time. */
export class WaitingQueue<T extends { waitingSince: number }> {
  readonly #items: T[] = []
  readonly #max: number
  readonly #waitMsMax: number
  readonly #late: (item: T) => void
  #timer: NodeJS.Timeout | undefined

  /** `late` is given each item that waited for longer than `waitMsMax`. */
  constructor(max: number, waitMsMax: number, late: (item: T) => void) {
    this.#max = max
    this.#waitMsMax = waitMsMax
    this.#late = late
  }

  get length(): number {
    return this.#items.length
  }

  /** The one that `shift` would take. */
  get first(): T | undefined {
    return this.#items[0]
  }

  isFull(): boolean {
    return this.#items.length >= this.#max
  }

  push(item: T): void {
    this.#items.push(item)
    this.#watch()
  }

  /** For what has waited once already: it goes first, and even if the queue is full. */
  pushFirst(item: T): void {
    this.#items.unshift(item)
    this.#watch()
  }

  shift(): T | undefined {
    return this.#items.shift()
  }

  /** Empties the queue. */
  takeAll(): readonly T[] {
    clearTimeout(this.#timer)
    this.#timer = undefined
    return this.#items.splice(0)
  }

  #watch(): void {
    this.#timer ??= setTimeout(() => { this.#expire() }, this.#waitMsMax).unref()
  }

  /** Items in front may be younger than those behind them: they were put there. */
  #expire(): void {
    this.#timer = undefined
    const now = performance.now()
    const isLate = ({ waitingSince }: T): boolean => now - waitingSince >= this.#waitMsMax
    const late = this.#items.filter(isLate)
    this.#items.splice(0, this.#items.length, ...this.#items.filter(item => !isLate(item)))
    const oldest = this.#items.reduce((since, { waitingSince }) => Math.min(since, waitingSince), now)
    if (this.#items.length > 0) this.#timer = setTimeout(() => { this.#expire() }, Math.max(1, oldest + this.#waitMsMax - now)).unref()
    late.forEach(this.#late)
  }
}
