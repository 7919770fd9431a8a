/** The longest pause between two tries to reach a device that is gone: what a recovery may cost besides the opening itself. */
export const backOffMsMax = 1_000
const backOffMsFirst = 100
/** Later openings may take so many times as long as the slowest so far, so that one that hangs is noticed soon. */
const slownessMax = 4
const deadlineMsMin = 4_000
/** After so many failures in a row the deadline doubles: a device may have become slower than it ever was. */
const failuresPerDoubling = 8

export function backOffMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(backOffMsMax, backOffMsFirst * 2 ** (failures - 1))
}

/** When the next lane may be opened, and how long that may take. Lanes of one store are opened one at a time. */
export class Pace {
  readonly #gapMs: number
  readonly #deadlineMsMax: number
  #failures = 0
  #slowestMs: number | undefined
  #notBefore = 0

  constructor(gapMs: number, deadlineMsMax: number) {
    this.#gapMs = gapMs
    this.#deadlineMsMax = deadlineMsMax
  }

  waitMs(): number {
    return Math.max(0, this.#notBefore - performance.now())
  }

  deadlineMs(): number {
    if (this.#slowestMs === undefined) return this.#deadlineMsMax
    const usual = Math.max(deadlineMsMin, slownessMax * this.#slowestMs)
    return Math.min(this.#deadlineMsMax, usual * 2 ** Math.floor(this.#failures / failuresPerDoubling))
  }

  opened(tookMs: number): void {
    this.#failures = 0
    this.#slowestMs = Math.max(this.#slowestMs ?? 0, tookMs)
    this.#notBefore = performance.now() + this.#gapMs
  }

  failed(): void {
    this.#failures += 1
    this.#notBefore = performance.now() + Math.max(this.#gapMs, backOffMs(this.#failures))
  }
}
