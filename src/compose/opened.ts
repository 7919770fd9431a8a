/** What was opened, to be closed in the opposite order. */
export class Opened {
  readonly #closers: (() => Promise<void>)[] = []

  add<T extends { close(): Promise<void> }>(part: T): T {
    this.push(() => part.close())
    return part
  }

  push(closer: () => Promise<void>): void {
    this.#closers.push(closer)
  }

  async close(): Promise<void> {
    const failures: unknown[] = []
    for (let closer = this.#closers.pop(); closer; closer = this.#closers.pop()) {
      try {
        await closer()
      } catch (error) {
        // Keeps nothing else open.
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
