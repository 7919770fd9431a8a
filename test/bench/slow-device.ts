import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Material } from '../../src/domain/material.js'
import type { Hsm } from '../../src/ports/hsm.js'
import { newMaterial } from '../contract/hsm-samples.js'
import { faultToken } from '../support/fault-module/token.js'
import { openLanes, pidsOf, sleep, until } from '../support/lanes.js'

/** A device that takes its time and does several calls at once, as a network HSM does: SoftHSM with a pause in C_Encrypt. */
export const slowCallMs = 2
export const slowLanes = 16
const inFlight = 64
/** The kernel counts the time of processes in ticks of 10 ms (USER_HZ is 100 on every Linux). */
const tickMs = 10

export interface SlowDeviceResult {
  readonly lanes: number
  readonly callMs: number
  readonly sealsPerSecond: number
  /** Of lanes / callMs. */
  readonly ratio: number
  /** Time of this process, which is the server's, per second; load and measurement included. */
  readonly mainCpu: number
  /** The same of server and lanes together: at `cpus` the machine is the limit. */
  readonly allCpu: number
  readonly cpus: number
  readonly eventLoopP99Ms: number
  /** While one lane hangs: of what there was before. */
  readonly ratioWithOneHung: number
  readonly failures: number
}

interface Measured {
  readonly perSecond: number
  readonly failures: number
  readonly mainCpu: number
  readonly allCpu: number
  readonly p99Ms: number
}

export async function slowDevice(durationMs = 5_000): Promise<SlowDeviceResult> {
  const { config, control } = await faultToken()
  // A hung lane must stay for as long as is measured.
  const hsm = await openLanes({ ...config, verifySeals: false }, { count: slowLanes, callDeadlineMs: durationMs * 10 })
  try {
    const key = newMaterial(hsm)
    await hsm.createMaterial(key)
    const delay = { on: 'C_Encrypt', action: 'delay', ms: slowCallMs } as const
    // Every lane compiles its own code: that takes some thousand calls, and is not what is measured.
    await load(hsm, key, durationMs)
    control.set(delay)
    await load(hsm, key, durationMs / 4)
    const good = await load(hsm, key, durationMs)
    control.set({ on: 'C_EncryptInit', action: 'hang', total: 1 }, delay)
    const hung = hsm.seal(key, Buffer.alloc(32), Buffer.alloc(32))
    await sleep(100)
    const withHung = await load(hsm, key, durationMs)
    control.clear()
    await hung
    return {
      lanes: slowLanes, callMs: slowCallMs, sealsPerSecond: Math.round(good.perSecond),
      ratio: good.perSecond * slowCallMs / slowLanes / 1000,
      mainCpu: good.mainCpu, allCpu: good.allCpu, cpus: availableParallelism(), eventLoopP99Ms: good.p99Ms,
      ratioWithOneHung: withHung.perSecond / good.perSecond, failures: good.failures + withHung.failures,
    }
  } finally {
    control.clear()
    await until(() => hsm.status().lanes.every(({ state }) => state === 'idle'), 'all lanes are idle').catch(() => undefined)
    await hsm.close()
  }
}

async function load(hsm: Hsm, key: Material, durationMs: number): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const [plaintext, additionalData] = [Buffer.alloc(32, 7), Buffer.alloc(32, 3)]
  const [since, cpu, lanesCpu] = [performance.now(), process.cpuUsage(), cpuMsOf(pidsOf(hsm))]
  let [calls, failures] = [0, 0]
  delay.enable()
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - since < durationMs) {
      await hsm.seal(key, plaintext, additionalData).catch(() => { failures += 1 })
      calls += 1
    }
  }))
  delay.disable()
  const ms = performance.now() - since
  const { user, system } = process.cpuUsage(cpu)
  const mainMs = (user + system) / 1000
  return {
    perSecond: (calls - failures) * 1000 / ms,
    failures,
    mainCpu: mainMs / ms,
    allCpu: (mainMs + cpuMsOf(pidsOf(hsm)) - lanesCpu) / ms,
    p99Ms: delay.percentile(99) / 1e6,
  }
}

/** utime and stime, fields 14 and 15 of proc(5). */
export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return sum + (Number(fields[11]) + Number(fields[12])) * tickMs
  }, 0)
}
