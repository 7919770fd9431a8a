import type { Readiness } from '../service/readiness.js'
import type { HttpAnswer } from './message.js'

/**
 * Finds out whether requests can be served. May take its time and may throw: both count as not ready. Anybody can read what it
 * answers: no secrets, no addresses.
 */
export type Ready = () => Promise<Readiness>

export const readyWaitMaxMs = 5_000
/** Anybody may ask, and a check costs the HSM and the store an operation each: so many of them at most. */
export const readyFreshMs = 1_000

/** The event loop runs: that is all it says. */
export function livez(): HttpAnswer {
  return answerOf(200, { ok: true })
}

/** GET /readyz. Those who ask at the same time, and within `readyFreshMs`, share one check. */
export function readyz(ready: Ready): () => Promise<HttpAnswer> {
  let latest: { readonly startedAt: number, readonly readiness: Promise<Readiness> } | undefined
  return async () => {
    const now = performance.now()
    if (!latest || now - latest.startedAt >= readyFreshMs) latest = { startedAt: now, readiness: inTime(ready) }
    const { ok, checks } = await latest.readiness
    return answerOf(ok ? 200 : 503, { ok, checks })
  }
}

async function inTime(ready: Ready): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Readiness>(resolve => {
    timer = setTimeout(() => resolve({ ok: false, checks: { readiness: 'timed out' } }), readyWaitMaxMs)
  })
  try {
    return await Promise.race([ready(), late])
  } catch {
    return { ok: false, checks: { readiness: 'failed' } }
  } finally {
    clearTimeout(timer)
  }
}

function answerOf(status: number, body: Readiness | { ok: true }): HttpAnswer {
  return { status, headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store'], body: JSON.stringify(body) }
}
