import type { LaneConfig, Pkcs11Config } from '../config.js'
import type { Profile } from '../profiles/profile.js'

/** What holds for the lanes of one store, from configuration, profile and the numbers below, in this order. */
export interface LaneLimits extends LaneConfig {
  readonly settleMs: number
}

/** Calls that wait for a lane; about what a quick HSM works off within the waiting limit. */
const queueMax = 1024
/** Less than a client waits for an answer before it tries again. */
const queueWaitMs = 2_000
/** A process that has not logged in and reached the device by then is killed. */
export const startDeadlineMs = 30_000
/** Of the driver's connection, and the idle one that keeps the login. */
const sessionsPerLane = 2
/** Left to the operator's tools, and to sessions of killed processes that the device has not noticed yet. */
const sessionsReserved = 2

export function laneLimits(config: Pkcs11Config, profile: Profile, sessionsMax?: number): LaneLimits {
  const { count, callDeadlineMs, slowCallDeadlineMs, openGapMs, keepAliveMs, settleMs } = profile.lanes
  const wanted: LaneConfig = {
    count, callDeadlineMs, slowCallDeadlineMs, openGapMs, keepAliveMs, queueMax, queueWaitMs, ...config.lanes,
  }
  return { ...wanted, settleMs, count: laneCount(wanted.count, [profile.lanes.maxSessions ?? undefined, sessionsMax]) }
}

function laneCount(wanted: number, sessionLimits: readonly (number | undefined)[]): number {
  const sessions = Math.min(...sessionLimits.map(limit => limit ?? Infinity))
  return Math.max(1, Math.min(wanted, Math.floor((sessions - sessionsReserved) / sessionsPerLane)))
}

/** Lanes that calls which search the token or change it may have at once. Of a single lane there is no part. */
export function slowAtOnceMax({ count }: Pick<LaneLimits, 'count'>): number {
  return Math.max(1, Math.floor(count / 2))
}
