/** The process was killed here. */
export class Killed extends Error {
  override readonly name = 'Killed'
}

/**
 * Lets a number of steps happen and then none any more, as if the process had been killed between two of them. A step is a call of any
 * method of the objects that it is put over; all of those methods must be asynchronous.
 */
export class Interruption {
  /** Names of the steps that happened. */
  readonly steps: string[] = []
  readonly #stepsMax: number
  #hit = false

  constructor(stepsMax: number) {
    this.#stepsMax = stepsMax
  }

  /** Whether more steps were asked for than happened. */
  get hit(): boolean {
    return this.#hit
  }

  over<T extends object>(target: T, name: string): T {
    return onEveryCall(target, method => this.#step(`${name}.${method}`))
  }

  #step(name: string): void {
    this.#hit ||= this.steps.length >= this.#stepsMax
    if (this.#hit) throw new Killed(name)
    this.steps.push(name)
  }
}

/** The same object, but `before` runs ahead of each of its methods: what it throws the method throws, what it returns is awaited. */
export function onEveryCall<T extends object>(target: T, before: (method: string) => Promise<void> | void): T {
  return new Proxy(target, {
    get(_target, property) {
      const member: unknown = Reflect.get(target, property)
      if (typeof member !== 'function') return member
      return async (...given: unknown[]): Promise<unknown> => {
        await before(String(property))
        return await Reflect.apply(member, target, given) as unknown
      }
    },
  })
}

/** The same object with other methods in the place of some of its own. */
export function replacing<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_target, property) {
      const member: unknown = Reflect.get(property in methods ? methods : target, property)
      // Private members are found on the object itself only.
      return typeof member === 'function' ? (...given: unknown[]): unknown => Reflect.apply(member, target, given) : member
    },
  })
}
