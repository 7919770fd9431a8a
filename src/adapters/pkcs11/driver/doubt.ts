import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Material } from '../../../domain/material.js'

/** Two wrong answers agree by chance once in some hundred times; so a device that has lied is asked more often for a while. */
const suspicionMs = 60_000
const looksInSuspicion = 3

/** Whether a device's word is taken, or asked for once more: `verifyOpens` of the configuration. */
export class Doubt {
  private readonly asksTwice: boolean
  private readonly log: Log
  private suspiciousUntil = -Infinity

  constructor(asksTwice: boolean, log: Log) {
    this.asksTwice = asksTwice
    this.log = log
  }

  /** Whether the device stands by its answer: `again` asks it, and says whether it agrees. */
  confirmed(again: () => boolean): boolean {
    if (!this.asksTwice) return true
    const looks = performance.now() < this.suspiciousUntil ? looksInSuspicion : 1
    for (let look = 0; look < looks; look++) if (!again()) return false
    return true
  }

  /** The error to throw when it did not. */
  twoAnswers(what: string, { name }: Material): HsmError {
    this.suspiciousUntil = performance.now() + suspicionMs
    this.log.error(`the device does not agree with itself: ${what}`, { material: name })
    return new HsmError('lost', what)
  }
}
