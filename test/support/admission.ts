import type { Clock } from '../../src/ports/clock.js'
import { Admission } from '../../src/service/throttle/admission.js'
import { Places, type PlaceLimits } from '../../src/service/throttle/places.js'
import { CallRates, type RateLimits } from '../../src/service/throttle/rates.js'

export interface AdmissionOptions { readonly rates?: Partial<RateLimits>, readonly places?: Partial<PlaceLimits> }

const enough = { perSecond: 1_000_000, burst: 1_000_000 }
export const someRates: RateLimits = { account: enough, principalAction: enough, accounts: {}, actions: {} }
/** As a server has them. */
export const somePlaces: PlaceLimits = {
  inFlightMax: 1_024, inFlightPerAccountMax: 512, atWorkPerAccountMax: 64, slowPerAccountMax: 4, heavyPerAccountMax: 1,
  waitMsMax: 10_000,
}

export function admissionWith(
  { rates, places }: AdmissionOptions, clock: Clock, hasSeveralAccounts: () => Promise<boolean> = async () => true,
): Admission {
  return new Admission(new CallRates({ ...someRates, ...rates }, clock), new Places({ ...somePlaces, ...places }, hasSeveralAccounts))
}
