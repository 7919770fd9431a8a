/** Steps that one decision may take: some milliseconds at most, whatever policies and requests are made of. */
export const stepsMax = 1_000_000

/** A decision that would take too many steps; there is none then, and so no access. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork'
}

/** What a decision may still cost. Whatever a policy or a request can make long is paid for in steps. */
export class Work {
  #left: number
  readonly #steps: number

  constructor(steps = stepsMax) {
    this.#steps = steps
    this.#left = steps
  }

  get spent(): number {
    return this.#steps - this.#left
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) throw new TooMuchWork('the policies take too many steps to evaluate')
  }

  /** For going once through so many characters, which is much quicker than so many steps. */
  read(characters: number): void {
    this.spend(1 + (characters >>> 4))
  }
}
