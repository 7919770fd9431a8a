import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { LaneConfig } from '../../../src/adapters/pkcs11/config.js'
import type { Material } from '../../../src/domain/material.js'
import type { Hsm, Sealed } from '../../../src/ports/hsm.js'
import { newMaterial } from '../../contract/hsm-samples.js'
import { readTrace } from '../../support/fault-module/control.js'
import { faultToken, type FaultToken } from '../../support/fault-module/token.js'
import { isRunning, openLanes, pidsOf, until } from '../../support/lanes.js'

export const deviceRemoved = 0x32
export const deviceError = 0x30
export const additionalData = randomBytes(32)
const plaintext = randomBytes(32)

/** SoftHSM behind the fault module, for each test of one `describe`, driven by real lane processes. */
export interface FaultyLanes {
  readonly token: FaultToken
  /** What is closed after the test: that of `open`, or what a test has put in its place. */
  hsm: Hsm
  readonly key: Material
  /** With the key. */
  readonly sealed: Sealed
  readonly open: (lanes?: Partial<LaneConfig>) => Promise<void>
  readonly seal: () => Promise<Sealed>
  /** That `sealed` is opened. */
  readonly opens: () => Promise<void>
  /** How often a lane has logged in. */
  readonly logins: () => number
}

export function faultyLanes(): FaultyLanes {
  let token: FaultToken
  let hsm: Hsm
  let key: Material
  let sealed: Sealed

  beforeEach(async () => { token = await faultToken({ trace: true }) })
  afterEach(async () => {
    token.control.clear()
    const pids = pidsOf(hsm)
    await hsm.close()
    await until(() => !pids.some(isRunning), 'no lane process is left')
  })

  async function open(lanes: Partial<LaneConfig> = {}): Promise<void> {
    hsm = await openLanes(token.config, { count: 3, callDeadlineMs: 1_000, slowCallDeadlineMs: 4_000, ...lanes })
    key = newMaterial(hsm)
    await hsm.createMaterial(key)
    sealed = await seal()
  }

  const seal = (): Promise<Sealed> => hsm.seal(key, plaintext, additionalData)

  return {
    get token() { return token },
    get hsm() { return hsm },
    set hsm(other) { hsm = other },
    get key() { return key },
    get sealed() { return sealed },
    open, seal,
    async opens() {
      expect(Buffer.from(await hsm.open(key, sealed, additionalData)).equals(plaintext)).to.equal(true)
    },
    logins: () => readTrace(token.traceFile).filter(call => call.function === 'C_Login').length,
  }
}

/** How many milliseconds it takes. */
export async function timed(promise: Promise<unknown>): Promise<number> {
  const since = performance.now()
  await promise
  return performance.now() - since
}
