/** Steps of pattern matching that one decision may take: some milliseconds at most, whatever policies and requests are made of. */
export const stepsMax = 1_000_000

/** A decision that would take too many steps; there is none then, and so no access. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork'
}

export class Work {
  #left: number

  constructor(steps = stepsMax) {
    this.#left = steps
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) throw new TooMuchWork('the policies take too many steps to evaluate')
  }
}
