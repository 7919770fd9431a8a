import type { Clock } from '../../src/ports/clock.js'

/** A clock that stands still until it is moved. */
export class MovedClock implements Clock {
  #ms: number

  constructor(ms = Date.UTC(2026, 0, 1)) {
    this.#ms = ms
  }

  now(): number {
    return this.#ms
  }

  advance(ms: number): void {
    this.#ms += ms
  }

  set(ms: number): void {
    this.#ms = ms
  }
}
