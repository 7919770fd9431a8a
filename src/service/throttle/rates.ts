import type { Caller } from '../../domain/caller.js'
import { throttled } from '../../domain/errors.js'
import type { Clock } from '../../ports/clock.js'
import { TokenBuckets, type Rate } from './token-buckets.js'

export interface RateLimits {
  readonly account: Rate
  readonly principalAction: Rate
  /** By account id, instead of `account`. */
  readonly accounts: Readonly<Record<string, Rate>>
  /** By the name of an operation, instead of `principalAction`. */
  readonly actions: Readonly<Record<string, Rate>>
}

const accountsMax = 10_000
const principalActionsMax = 100_000

/** How often accounts, and in them users and roles, may call. Throws ThrottlingException where that was too often. */
export class CallRates {
  readonly #limits: RateLimits
  readonly #clock: Clock
  readonly #accounts = new TokenBuckets(accountsMax)
  readonly #principalActions = new TokenBuckets(principalActionsMax)

  constructor(limits: RateLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** A call of its account, whatever it turns out to ask for. */
  ofAccount(caller: Caller): void {
    const { account, accounts } = this.#limits
    const name = tenantOf(caller)
    const rate = Object.hasOwn(accounts, name) ? accounts[name] ?? account : account
    if (!this.#accounts.take(name, rate, this.#clock.now())) throw throttled()
  }

  /**
   * The sessions of a role are one: else a role could have as many shares as it has sessions. Whom an identity provider vouches for has no
   * ARN yet, and a share of its own all the same: one of them could keep out all others.
   */
  ofAction({ principalArn, uniqueId }: Caller, operation: string): void {
    const principal = principalArn === '' ? uniqueId : principalArn
    const { principalAction, actions } = this.#limits
    const rate = Object.hasOwn(actions, operation) ? actions[operation] ?? principalAction : principalAction
    if (!this.#principalActions.take(`${principal} ${operation}`, rate, this.#clock.now())) throw throttled()
  }
}

/** Whose share a call takes: that of its account; who has none has a share of its own. */
export function tenantOf({ accountId, uniqueId }: Caller): string {
  return accountId === '' ? uniqueId : accountId
}
