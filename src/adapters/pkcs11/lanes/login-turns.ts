import { HsmError } from '../../../ports/hsm.js'
import type { LoginOutcome } from '../token/token.js'
import type { Pin } from '../token/pin.js'

/** Hands over the PIN, or says why not. */
export type Grant = (pin: Pin | HsmError) => void

/**
 * The lanes of one store log in one after the other, and each asks here first: so a PIN that the token refuses is tried once, and not once
 * by every lane, whenever it is that they have to log in. The PIN is read anew for every try, because the operator may have changed it.
 */
export class LoginTurns {
  readonly #read: () => Pin
  readonly #waiting: { readonly lane: object, readonly grant: Grant }[] = []
  #holder: object | undefined
  #refusal: HsmError | undefined

  constructor(read: () => Pin) {
    this.#read = read
  }

  ask(lane: object, grant: Grant): void {
    this.#waiting.push({ lane, grant })
    this.#next()
  }

  done(lane: object, outcome: LoginOutcome): void {
    if (outcome === 'refused') this.#refusal ??= new HsmError('login', 'the HSM refused the PIN, and it is not tried again')
    this.gone(lane)
  }

  /** Whatever that lane was doing here, it is not doing it any more. */
  gone(lane: object): void {
    const at = this.#waiting.findIndex(each => each.lane === lane)
    if (at >= 0) this.#waiting.splice(at, 1)
    if (this.#holder === lane) this.#holder = undefined
    this.#next()
  }

  #next(): void {
    if (this.#holder) return
    const next = this.#waiting.shift()
    if (!next) return
    const pin = this.#refusal ?? this.#pin()
    if (!(pin instanceof HsmError)) this.#holder = next.lane
    next.grant(pin)
    this.#next()
  }

  #pin(): Pin | HsmError {
    try {
      return this.#read()
    } catch (error) {
      return error instanceof HsmError ? error : new HsmError('configuration', 'the PIN cannot be read', undefined, { cause: error })
    }
  }
}
