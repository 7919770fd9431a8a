import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Material } from '../../src/domain/material.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import { newMaterial } from '../contract/hsm-samples.js'
import { readTrace } from '../support/fault-module/control.js'
import { faultToken } from '../support/fault-module/token.js'
import { allUp, isRunning, openLanes, pidsOf, replacedOf, until } from '../support/lanes.js'
import { testToken } from '../support/softhsm.js'

/** SOAK_CALLS=1000000 for a long one. */
const callsMin = Number(process.env.SOAK_CALLS ?? 20_000)
const killsMin = 3
const killEveryMs = 1_000
const inFlight = 24
/** What calls in flight and collected memory may differ by. */
const serverMiBMax = 64
const laneMiBMax = 40
const descriptorsMax = 3

interface Tally { right: number, retryable: number, readonly wrong: string[] }

/** Resident memory of a process in MiB. */
function residentMiB(pid: number | 'self'): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function descriptors(pid: number | 'self'): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Seals and opens until `enough`, and looks hard at every answer. */
async function load(hsm: Hsm, key: Material, tally: Tally, enough: () => boolean): Promise<void> {
  await Promise.all(Array.from({ length: inFlight }, async () => {
    const additionalData = randomBytes(32)
    while (!enough()) {
      const plaintext = randomBytes(32)
      try {
        const sealed = await hsm.seal(key, plaintext, additionalData)
        tally.right += 1
        const opened = await hsm.open(key, sealed, additionalData)
        if (plaintext.equals(opened)) tally.right += 1
        else tally.wrong.push('another plaintext')
      } catch (error) {
        if (error instanceof HsmError && (error.kind === 'lost' || error.kind === 'busy')) tally.retryable += 1
        else tally.wrong.push(String(error))
      }
    }
  }))
}

describe('process lanes under load', function () {
  this.timeout(120_000 + callsMin * 2)

  it(`answer ${callsMin} calls rightly, or so that they may be made again, while lanes are killed; nothing grows`, async () => {
    const hsm = await openLanes(await testToken(), { count: 4 })
    const key = newMaterial(hsm)
    await hsm.createMaterial(key)
    const tally: Tally = { right: 0, retryable: 0, wrong: [] }
    // This one is left alone, to see whether it grows.
    const [elder] = pidsOf(hsm) as [number]
    let kills = 0
    const killer = setInterval(() => {
      const others = pidsOf(hsm).filter(pid => pid !== elder && isRunning(pid))
      const victim = others[Math.floor(Math.random() * others.length)]
      if (victim === undefined) return
      process.kill(victim, 'SIGKILL')
      kills += 1
    }, killEveryMs)
    try {
      const own = descriptors('self')
      await load(hsm, key, tally, () => tally.right >= callsMin / 5)
      const before = { server: residentMiB('self'), elder: residentMiB(elder), elders: descriptors(elder) }
      await load(hsm, key, tally, () => tally.right >= callsMin && kills >= killsMin)
      clearInterval(killer)
      await until(() => allUp(hsm) && descriptors('self') <= own + descriptorsMax, 'all lanes are up, and what the others held is closed')
      const after = { server: residentMiB('self'), elder: residentMiB(elder), elders: descriptors(elder) }
      const { right, retryable } = tally
      console.log(`      ${JSON.stringify({ right, retryable, kills, replaced: replacedOf(hsm), before, after })}`)
      expect(tally.wrong).to.deep.equal([])
      expect(tally.retryable).to.be.at.most(kills * inFlight)
      // A lane that was killed while it started is not counted.
      expect(replacedOf(hsm)).to.be.at.least(1)
      expect(pidsOf(hsm)).to.include(elder)
      expect(after.server - before.server).to.be.lessThan(serverMiBMax)
      expect(after.elder - before.elder).to.be.lessThan(laneMiBMax)
      expect(after.elders).to.equal(before.elders)
    } finally {
      clearInterval(killer)
      await hsm.destroyMaterial(key)
      await hsm.close()
    }
  })

  it('open no session for a call', async () => {
    const { config, traceFile } = await faultToken({ trace: true })
    const hsm = await openLanes(config, { count: 2 })
    const key = newMaterial(hsm)
    await hsm.createMaterial(key)
    const sessions = () => readTrace(traceFile).filter(call => call.function === 'C_OpenSession').length
    const before = sessions()
    const tally: Tally = { right: 0, retryable: 0, wrong: [] }
    await load(hsm, key, tally, () => tally.right >= 2_000)
    expect(tally).to.deep.include({ retryable: 0, wrong: [] })
    expect(sessions()).to.equal(before)
    await hsm.close()
  })
})
