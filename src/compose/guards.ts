import type { Config } from '../config.js'
import { defaultLimits } from '../http/limits.js'
import type { Clock } from '../ports/clock.js'
import type { IdentityDirectory } from '../service/identities/directory.js'
import { Admission } from '../service/throttle/admission.js'
import { Places } from '../service/throttle/places.js'
import { CallRates } from '../service/throttle/rates.js'

/** More than any HSM of a few lanes is kept busy by. */
const atWorkPerAccountMin = 64
/** Two calls for each lane: one that it works on, one that waits for it. */
const callsPerLane = 2
const slowPerAccountMax = 4
const heavyPerAccountMax = 1
/** Less than a client waits for an answer; as long as a key pair may wait for the HSM. */
const waitMsMax = 10_000

/** Who is let in, and how much of everything one account can have at once. */
export function admissionOf(config: Config, identities: IdentityDirectory, clock: Clock): Admission {
  const { limits: { inFlightMax, inFlightPerAccountMax }, hsm, keyStores } = config
  const lanes = [hsm, ...Object.values(keyStores)].map(({ lanes: { count = 0 } = {} }) => count)
  const places = new Places({
    inFlightMax, inFlightPerAccountMax, slowPerAccountMax, heavyPerAccountMax, waitMsMax,
    atWorkPerAccountMax: Math.max(atWorkPerAccountMin, callsPerLane * Math.max(...lanes)),
  }, () => identities.hasSeveralAccounts())
  return new Admission(new CallRates(config.throttle, clock), places)
}

/**
 * Of the HTTP server, which does not know whose a request is: beside those that have a place, as many again may be on their way to a
 * refusal, so that the refused ones of one account do not stand in the way of others.
 */
export function httpInFlightMax({ limits: { inFlightMax } }: Config): number {
  return inFlightMax + Math.max(inFlightMax, defaultLimits.requestsInFlightMax)
}
