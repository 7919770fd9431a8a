import { existsSync, readFileSync } from 'node:fs'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import type { LaneConfig, Pkcs11Config } from '../../src/adapters/pkcs11/config.js'
import type { Hsm, LaneStatus } from '../../src/ports/hsm.js'
import type { Log } from '../../src/ports/log.js'

export const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Opens a token with process lanes, and waits until all of them are up. */
export async function openLanes(config: Pkcs11Config, lanes: Partial<LaneConfig>, log: Log = silent): Promise<Hsm> {
  const hsm = await openHsm({ ...config, host: 'process', lanes }, log)
  await until(() => allUp(hsm), 'all lanes are up')
  return hsm
}

export function allUp(hsm: Hsm): boolean {
  const { lanes, circuit } = hsm.status()
  return circuit === 'closed' && lanes.every(({ state }) => state === 'idle' || state === 'busy')
}

export function lanesOf(hsm: Hsm): readonly LaneStatus[] {
  return hsm.status().lanes
}

/** Process ids of the lanes that are up or starting. */
export function pidsOf(hsm: Hsm): readonly number[] {
  return lanesOf(hsm).flatMap(({ pid }) => pid === undefined ? [] : [pid])
}

export function replacedOf(hsm: Hsm): number {
  return lanesOf(hsm).reduce((sum, { replaced }) => sum + replaced, 0)
}

/** A zombie, which nobody has asked about yet, is dead. */
export function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'utf8'))
}

/** Waits for a condition, and fails when it does not come in time; answers how many milliseconds it took. */
export async function until(condition: () => boolean, what: string, msMax = 15_000): Promise<number> {
  const since = performance.now()
  while (!condition()) {
    if (performance.now() - since > msMax) throw new Error(`not within ${msMax} ms: ${what}`)
    await sleep(5)
  }
  return performance.now() - since
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => { setTimeout(resolve, ms) })
}
