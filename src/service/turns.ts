/** One after the other by name, in this process: between a look and a write that rests on it nothing else of that name comes. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  async take<T>(name: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const mine = (before ?? Promise.resolve()).catch(() => {}).then(act)
    this.#last.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name)
    }
  }
}
