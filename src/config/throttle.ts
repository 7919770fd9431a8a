import { isAccountId } from '../domain/principal.js'
import { allOperations } from '../service/all-operations.js'
import type { RateLimits } from '../service/throttle/rates.js'
import type { Rate } from '../service/throttle/token-buckets.js'
import type { Reader } from './reader.js'

export interface ThrottleConfig extends RateLimits {
  /** Failed signatures of one source. */
  readonly failures: Rate
}

const perSecondMax = 1_000_000
const burstMax = 10_000_000
/** Well above what one server does: nobody meets them by accident. */
const ofAccount: Rate = { perSecond: 50_000, burst: 100_000 }
const ofPrincipalAction: Rate = { perSecond: 50_000, burst: 100_000 }
/** Unless the configuration says otherwise: a call goes through megabytes of the audit log of all. CloudTrail takes two a second, too. */
const ofActions: Readonly<Record<string, Rate>> = { LookupEvents: { perSecond: 2, burst: 30 } }
/** Of a source that goes on for ever, they fill some 60 MB of the audit log in a day. */
const ofFailures: Rate = { perSecond: 1, burst: 1_000 }

export function readThrottle(reader: Reader): ThrottleConfig {
  return {
    account: readRate('throttle.account', ofAccount, reader),
    principalAction: readRate('throttle.principalAction', ofPrincipalAction, reader),
    failures: readRate('throttle.failedSignatures', ofFailures, reader),
    accounts: readRates('throttle.accounts', isAccountId, 'is not the 12 digits of an account (in YAML within quotes)', reader),
    actions: {
      ...ofActions, ...readRates('throttle.actions', name => allOperations.has(name), 'is not the name of an operation', reader),
    },
  }
}

/** Both are there, or the one follows from the other, or it is the default. */
function readRate(at: string, otherwise: Rate, reader: Reader): Rate {
  const perSecond = reader.integer(`${at}PerSecond`, 1, perSecondMax)
  const burst = reader.integer(`${at}Burst`, 1, burstMax)
  if (perSecond === undefined) return { ...otherwise, ...burst !== undefined && { burst } }
  return { perSecond, burst: burst ?? perSecond }
}

function readRates(section: string, isName: (name: string) => boolean, fault: string, reader: Reader): Readonly<Record<string, Rate>> {
  const rates = new Map<string, Rate>()
  for (const name of reader.names(section)) {
    const at = `${section}.${name}`
    if (!isName(name)) {
      reader.skip(at, `${section}: "${name}" ${fault}`)
      continue
    }
    const perSecond = reader.integer(`${at}.perSecond`, 1, perSecondMax)
    const burst = reader.integer(`${at}.burst`, 1, burstMax)
    if (perSecond === undefined) reader.fault(`${at}.perSecond is missing`)
    else rates.set(name, { perSecond, burst: burst ?? perSecond })
  }
  return Object.fromEntries(rates)
}
