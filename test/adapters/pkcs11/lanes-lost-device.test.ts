import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { refused } from '../../contract/hsm-samples.js'
import { readTrace } from '../../support/fault-module/control.js'
import { allUp, isRunning, pidsOf, replacedOf, silent, sleep, until } from '../../support/lanes.js'
import { newTokenDirectory } from '../../support/softhsm.js'
import { additionalData, deviceError, deviceRemoved, faultyLanes, timed } from './faulty-lanes.js'

const pinIncorrect = 0xa0
/** The longest that a device may be back without being served. */
const recoveryMsMax = 5_000

describe('process lanes that lose their device', () => {
  const on = faultyLanes()
  const { open, opens, seal, logins } = on

  describe('a device that fails while a lane starts', () => {
    it('is one that was lost, whichever question it was', async () => {
      await open()
      for (const name of ['C_GetTokenInfo', 'C_GetSessionInfo', 'C_GetSlotList', 'C_OpenSession', 'C_GenerateRandom'] as const) {
        for (let nth = 1; nth <= 6; nth++) {
          on.token.control.set({ on: name, action: 'rv', code: deviceError, nth, times: 1 })
          const opening = openHsm({ ...on.token.config, host: 'process', lanes: { count: 1 } }, silent)
          const outcome = await opening.then(other => other.close(), kindOf)
          expect([undefined, 'lost'], `${name} ${nth}`).to.include(outcome)
        }
      }
    })
  })

  describe('a device that is gone', () => {
    const goneBy: readonly (readonly [string, () => void])[] = [
      ['says so', () => { on.token.control.set({ on: '*', action: 'rv', code: deviceRemoved }) }],
      ['answers nothing', () => { on.token.control.set({ on: '*', action: 'hang' }) }],
      ['takes its process along', () => { on.token.control.set({ on: '*', action: 'kill' }) }],
    ]
    for (const [how, leave] of goneBy) {
      it(`and ${how} opens the circuit; when it is back, it is used again by itself`, async () => {
        await open({ callDeadlineMs: 500 })
        leave()
        await Promise.all(Array.from({ length: 12 }, () => refused(on.hsm.open(on.key, on.sealed, additionalData), 'lost')))
        await until(() => on.hsm.status().circuit === 'open', 'the circuit is open')
        for (let call = 0; call < 50; call++) expect(await timed(refused(seal(), 'lost'))).to.be.lessThan(100)
        expect(on.hsm.status().calls.refused).to.be.greaterThan(49)
        await sleep(1_500)
        expect(on.hsm.status().circuit).to.equal('open')
        on.token.control.clear()
        expect(await until(() => on.hsm.status().circuit === 'closed', 'the circuit is closed', 20_000)).to.be.lessThan(recoveryMsMax)
        await opens()
        await until(() => allUp(on.hsm), 'all lanes are up')
      })
    }

    it('keeps a server from starting, with an error that says so', async () => {
      await open()
      on.token.control.set({ on: '*', action: 'rv', code: deviceRemoved })
      await refused(openHsm({ ...on.token.config, host: 'process' }, silent), 'lost')
      on.token.control.set({ on: '*', action: 'kill' })
      await refused(openHsm({ ...on.token.config, host: 'process' }, silent), 'lost')
    })
  })

  describe('a PIN that is refused', () => {
    it('at the start is tried once', async () => {
      await open()
      const file = join(newTokenDirectory(), '..', 'wrong-pin')
      writeFileSync(file, 'not the right PIN', { mode: 0o600 })
      const before = logins()
      await refused(openHsm({ ...on.token.config, pin: { file }, host: 'process', lanes: { count: 4 } }, silent), 'login')
      expect(logins() - before).to.equal(1)
    })

    it('by a device that forgot the logins of all lanes is tried once, and then nothing any more', async () => {
      await open({ count: 4 })
      const [before, pids] = [logins(), pidsOf(on.hsm)]
      on.token.control.set({ on: 'C_EncryptInit', action: 'logout' }, { on: 'C_Login', action: 'rv', code: pinIncorrect })
      const outcomes = await Promise.allSettled(Array.from({ length: 40 }, seal))
      expect(outcomes.map(({ status }) => status)).not.to.include('fulfilled')
      expect(logins() - before).to.equal(1)
      expect(on.hsm.status().circuit).to.equal('refused')
      await refused(seal(), 'login')
      await until(() => !pids.some(isRunning), 'the lanes are gone')
      await sleep(1_000)
      expect(logins() - before).to.equal(1)
      await refused(seal(), 'login')
    })
  })

  describe('a login that the device forgot', () => {
    it('is made again in the lane', async () => {
      await open({ count: 2 })
      const before = logins()
      for (let round = 0; round < 3; round++) {
        on.token.control.set({ on: 'C_EncryptInit', action: 'logout', total: 1 })
        await seal()
      }
      expect(logins() - before).to.equal(3)
      expect(replacedOf(on.hsm)).to.equal(0)
      await opens()
    })
  })

  describe('lanes that are idle', () => {
    it('ask the device for random bytes now and then', async () => {
      await open({ count: 2, keepAliveMs: 400 })
      await sleep(300)
      const calls = readTrace(on.token.traceFile).length
      await sleep(1_500)
      const asked = readTrace(on.token.traceFile).slice(calls).filter(call => call.function === 'C_GenerateRandom')
      for (const pid of pidsOf(on.hsm)) expect(asked.filter(call => call.pid === pid)).to.have.length.greaterThan(2)
    })

    it('are replaced when the device does not know them any more', async () => {
      await open({ count: 2, keepAliveMs: 300 })
      const [pid] = pidsOf(on.hsm) as [number]
      on.token.control.set({ on: '*', action: 'rv', code: deviceRemoved, pid })
      await until(() => replacedOf(on.hsm) >= 1, 'the lane was replaced')
      await until(() => allUp(on.hsm) && !isRunning(pid), 'another took its place')
    })
  })
})

function kindOf(error: unknown): unknown {
  return error instanceof HsmError ? error.kind : error
}
