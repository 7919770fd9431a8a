import { HsmError, type HsmStatus } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'

/** So many calls lost in a row, none answered in between, and the device is taken for gone. */
export const lossesMax = 3

/** Whether calls are sent to lanes at all. */
export class Circuit {
  #state: HsmStatus['circuit'] = 'closed'
  #losses = 0
  #refusal: HsmError | undefined
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get state(): HsmStatus['circuit'] {
    return this.#state
  }

  /** What calls are refused with; undefined while they are not. */
  refusal(): HsmError | undefined {
    return this.#refusal
  }

  /** The device answered. */
  succeeded(): void {
    this.#losses = 0
    if (this.#state !== 'open') return
    this.#state = 'closed'
    this.#refusal = undefined
    this.#log.info('the HSM is back')
  }

  /** A call was lost, with its lane or its session. */
  lost(): void {
    this.#losses += 1
    if (this.#losses >= lossesMax) this.open(`${this.#losses} calls in a row were lost`)
  }

  open(why: string): void {
    if (this.#state !== 'closed') return
    this.#state = 'open'
    this.#refusal = new HsmError('lost', 'the HSM does not answer; it is tried again and again')
    this.#log.error('the HSM does not answer', { why })
  }

  /** For good: a PIN that was refused is not tried again. */
  refuse(error: HsmError): void {
    if (this.#state === 'refused') return
    this.#state = 'refused'
    this.#refusal = error
    this.#log.error('the HSM refused the PIN: nothing is tried again before a restart', { error: error.message })
  }
}
