import type { Caller } from '../../domain/caller.js'
import type { Operation } from '../operation.js'
import { paceOf, type Place, type Places } from './places.js'
import { tenantOf, type CallRates } from './rates.js'

/** Lets calls in as soon as it is known whose they are, and before anything is done for them. */
export class Admission {
  readonly #rates: CallRates
  readonly #places: Places

  constructor(rates: CallRates, places: Places) {
    this.#rates = rates
    this.#places = places
  }

  visit(): Visit {
    return new Visit(this.#rates, this.#places)
  }
}

/** One call. Its methods throw ThrottlingException. */
export class Visit {
  readonly #rates: CallRates
  readonly #places: Places
  #place: Place | undefined

  constructor(rates: CallRates, places: Places) {
    this.#rates = rates
    this.#places = places
  }

  async enter(caller: Caller): Promise<void> {
    this.#rates.ofAccount(caller)
    this.#place = await this.#places.enter(tenantOf(caller))
  }

  /** Waits for its turn among the calls of its account. */
  async begin(caller: Caller, operation: Pick<Operation, 'name' | 'readOnly'>): Promise<void> {
    this.#rates.ofAction(caller, operation.name)
    await this.#place?.work(paceOf(operation))
  }

  /** To be called once, when the call is over, wherever it ended. */
  leave(): void {
    this.#place?.leave()
  }
}
