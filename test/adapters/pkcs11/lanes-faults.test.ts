import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { LaneConfig } from '../../../src/adapters/pkcs11/config.js'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import type { Material } from '../../../src/domain/material.js'
import { HsmError, type Hsm, type Sealed } from '../../../src/ports/hsm.js'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { readTrace } from '../../support/fault-module/control.js'
import { faultToken, type FaultToken } from '../../support/fault-module/token.js'
import { allUp, isRunning, lanesOf, openLanes, pidsOf, replacedOf, silent, sleep, until } from '../../support/lanes.js'
import { newTokenDirectory } from '../../support/softhsm.js'
import { recordingLog } from './support.js'

const deviceRemoved = 0x32
const deviceError = 0x30
const pinIncorrect = 0xa0
/** The longest that a device may be back without being served. */
const recoveryMsMax = 5_000
const additionalData = randomBytes(32)
const plaintext = randomBytes(32)

/** SoftHSM behind the fault module, driven by real lane processes. */
describe('process lanes and a device that fails', () => {
  let token: FaultToken
  let hsm: Hsm
  let key: Material
  let sealed: Sealed

  async function open(lanes: Partial<LaneConfig> = {}): Promise<void> {
    hsm = await openLanes(token.config, { count: 3, callDeadlineMs: 1_000, slowCallDeadlineMs: 4_000, ...lanes })
    key = newMaterial(hsm)
    await hsm.createMaterial(key)
    sealed = await seal()
  }

  const seal = (): Promise<Sealed> => hsm.seal(key, plaintext, additionalData)
  const opens = async (): Promise<void> => {
    expect(Buffer.from(await hsm.open(key, sealed, additionalData)).equals(plaintext)).to.equal(true)
  }
  const logins = (): number => readTrace(token.traceFile).filter(call => call.function === 'C_Login').length

  beforeEach(async () => { token = await faultToken({ trace: true }) })
  afterEach(async () => {
    token.control.clear()
    const pids = pidsOf(hsm)
    await hsm.close()
    await until(() => !pids.some(isRunning), 'no lane process is left')
  })

  describe('a call that hangs', () => {
    it('is answered at its deadline, costs its lane and nobody else', async () => {
      await open()
      const before = pidsOf(hsm)
      token.control.set({ on: 'C_Encrypt', action: 'hang', forEver: true, total: 1 })
      const hung = refused(seal(), 'lost')
      await until(() => readTrace(token.traceFile).some(call => call.function === 'C_Encrypt' && call.returnValue !== 0), 'it hangs', 500)
        .catch(() => undefined)
      const since = performance.now()
      await Promise.all(Array.from({ length: 20 }, opens))
      expect(performance.now() - since).to.be.lessThan(1_000)
      expect((await hung).message).to.include('1000 ms')
      await until(() => allUp(hsm), 'a lane took its place')
      expect(replacedOf(hsm)).to.equal(1)
      expect(hsm.status().calls).to.include({ deadlineMissed: 1 })
      const gone = before.filter(pid => !pidsOf(hsm).includes(pid))
      expect(gone).to.have.length(1)
      await until(() => !gone.some(isRunning), 'the hung process is gone')
      await opens()
    })

    it('never holds up the event loop', async () => {
      await open()
      token.control.set({ on: '*', action: 'hang' })
      let [last, gap] = [performance.now(), 0]
      const tick = setInterval(() => {
        gap = Math.max(gap, performance.now() - last)
        last = performance.now()
      }, 5)
      await Promise.all(Array.from({ length: 3 }, () => refused(seal(), 'lost')))
      clearInterval(tick)
      expect(gap).to.be.lessThan(500)
    })
  })

  describe('a process that dies', () => {
    it('during a call lets the call be made on another lane', async () => {
      await open()
      for (const action of ['kill', 'abort', 'exit', 'kill-after'] as const) {
        token.control.set({ on: 'C_Decrypt', action, total: 1 })
        await opens()
      }
      expect(replacedOf(hsm)).to.equal(4)
      expect(hsm.status().calls).to.include({ failed: 0, refused: 0 })
    })

    it('is replaced when it was idle', async () => {
      await open({ count: 2 })
      const [pid] = pidsOf(hsm) as [number]
      process.kill(pid, 'SIGKILL')
      await until(() => replacedOf(hsm) === 1 && allUp(hsm), 'another took its place')
      expect(pidsOf(hsm)).not.to.include(pid)
      await opens()
    })

    it('after it made material leaves the answer to be found', async () => {
      await open()
      const made = newMaterial(hsm)
      token.control.set({ on: 'C_GenerateKey', action: 'kill-after', total: 1 })
      const evidence = await hsm.createMaterial(made)
      expect(evidence.map(({ attributes }) => attributes)).to.deep.equal((await hsm.find(made))?.map(({ attributes }) => attributes))
      expect(await hsm.destroyMaterial(made)).to.equal(1)
    })

    it('before it made material leaves nothing, and the caller knows', async () => {
      await open()
      const made = newMaterial(hsm)
      token.control.set({ on: 'C_GenerateKey', action: 'kill', total: 1 })
      await refused(hsm.createMaterial(made), 'lost')
      expect(await hsm.find(made)).to.equal(undefined)
      expect(await hsm.createMaterial(made)).to.have.length(1)
    })

    it('while it looks for the name never takes what is there for its own', async () => {
      await open()
      token.control.set({ on: 'C_FindObjectsInit', action: 'kill', total: 1 })
      await refused(hsm.createMaterial(key), 'lost')
      await refused(hsm.createMaterial(key), 'exists')
      await opens()
    })

    it('while it destroys material lets another do so', async () => {
      await open()
      token.control.set({ on: 'C_DestroyObject', action: 'kill-after', total: 1 })
      expect(await hsm.destroyMaterial(key)).to.equal(0)
      await refused(seal(), 'missing')
    })
  })

  describe('an answer that is lost', () => {
    it('of a creation is found again', async () => {
      await open()
      const made = newMaterial(hsm)
      token.control.set({ on: 'C_GenerateKey', action: 'rv-after', code: deviceError, total: 1 })
      expect(await hsm.createMaterial(made)).to.have.length(1)
      expect(await hsm.destroyMaterial(made)).to.equal(1)
    })

    it('of sealing is made up for on another lane, and a lane that loses again and again is replaced, although it answers', async () => {
      await open()
      const broken = pidsOf(hsm)[0] ?? 0
      token.control.set({ on: 'C_Encrypt', action: 'rv', code: deviceRemoved, pid: broken })
      // Which lane is given a call is a matter of who is idle.
      for (let round = 0; round < 200 && pidsOf(hsm).includes(broken); round++) await Promise.all(Array.from({ length: 3 }, seal))
      expect(pidsOf(hsm)).not.to.include(broken)
      expect(hsm.status().calls).to.include({ failed: 0 })
      await opens()
    })
  })

  describe('a key that the device fails with, and no other', () => {
    it('does not wear out the lanes', async () => {
      await open()
      token.control.set({ on: 'C_EncryptInit', action: 'rv', code: deviceError })
      for (let call = 0; call < 30; call++) {
        await refused(seal(), 'lost')
        await opens()
      }
      expect(replacedOf(hsm)).to.be.at.most(2 * lanesOf(hsm).length)
      expect(hsm.status().circuit).to.equal('closed')
    })
  })

  describe('a device that says it is done and has done nothing', () => {
    it('gives out no random bytes', async () => {
      await open({ count: 1 })
      await hsm.close()
      hsm = await openLanes(token.config, { count: 1 })
      token.control.set({ on: 'C_GenerateRandom', action: 'rv', code: 0 })
      for (let call = 0; call < 3; call++) expect((await refused(hsm.random(32), 'lost')).message).to.include('random bytes')
    })
  })

  describe('a device that fails while a lane starts', () => {
    it('is one that was lost, whichever question it was', async () => {
      await open()
      for (const on of ['C_GetTokenInfo', 'C_GetSessionInfo', 'C_GetSlotList', 'C_OpenSession', 'C_GenerateRandom'] as const) {
        for (let nth = 1; nth <= 6; nth++) {
          token.control.set({ on, action: 'rv', code: deviceError, nth, times: 1 })
          const opening = openHsm({ ...token.config, host: 'process', lanes: { count: 1 } }, silent)
          const outcome = await opening.then(other => other.close(), kindOf)
          expect([undefined, 'lost'], `${on} ${nth}`).to.include(outcome)
        }
      }
    })
  })

  describe('a store that is closed', () => {
    it('answers the calls that hang', async () => {
      await open({ count: 2, callDeadlineMs: 60_000 })
      token.control.set({ on: 'C_Encrypt', action: 'hang', forEver: true })
      const answered: number[] = []
      const calls = Array.from({ length: 2 }, () => refused(seal(), 'lost').then(() => { answered.push(performance.now()) }))
      await sleep(100)
      await hsm.close()
      const closed = performance.now()
      await Promise.all(calls)
      for (const at of answered) expect(at - closed).to.be.lessThan(500)
    })
  })

  describe('more calls than lanes', () => {
    it('wait in a queue that is bounded in length and in time', async () => {
      await open({ count: 1, queueMax: 3, queueWaitMs: 300, callDeadlineMs: 5_000 })
      token.control.set({ on: 'C_Decrypt', action: 'delay', ms: 1_000 })
      const first = opens()
      const waiting = Array.from({ length: 3 }, () => timed(refused(hsm.open(key, sealed, additionalData), 'busy')))
      const atOnce = await timed(refused(hsm.open(key, sealed, additionalData), 'busy'))
      expect(atOnce).to.be.lessThan(200)
      for (const ms of await Promise.all(waiting)) expect(ms).to.be.greaterThan(290)
      await first
      expect(hsm.status().calls).to.include({ refused: 4, failed: 0 })
    })
  })

  describe('a device that is gone', () => {
    const goneBy: readonly (readonly [string, () => void])[] = [
      ['says so', () => { token.control.set({ on: '*', action: 'rv', code: deviceRemoved }) }],
      ['answers nothing', () => { token.control.set({ on: '*', action: 'hang' }) }],
      ['takes its process along', () => { token.control.set({ on: '*', action: 'kill' }) }],
    ]
    for (const [how, leave] of goneBy) {
      it(`and ${how} opens the circuit; when it is back, it is used again by itself`, async () => {
        await open({ callDeadlineMs: 500 })
        leave()
        await Promise.all(Array.from({ length: 12 }, () => refused(hsm.open(key, sealed, additionalData), 'lost')))
        await until(() => hsm.status().circuit === 'open', 'the circuit is open')
        for (let call = 0; call < 50; call++) expect(await timed(refused(seal(), 'lost'))).to.be.lessThan(100)
        expect(hsm.status().calls.refused).to.be.greaterThan(49)
        await sleep(1_500)
        expect(hsm.status().circuit).to.equal('open')
        token.control.clear()
        expect(await until(() => hsm.status().circuit === 'closed', 'the circuit is closed', 20_000)).to.be.lessThan(recoveryMsMax)
        await opens()
        await until(() => allUp(hsm), 'all lanes are up')
      })
    }

    it('keeps a server from starting, with an error that says so', async () => {
      await open()
      token.control.set({ on: '*', action: 'rv', code: deviceRemoved })
      await refused(openHsm({ ...token.config, host: 'process' }, silent), 'lost')
      token.control.set({ on: '*', action: 'kill' })
      await refused(openHsm({ ...token.config, host: 'process' }, silent), 'lost')
    })
  })

  describe('a PIN that is refused', () => {
    it('at the start is tried once', async () => {
      await open()
      const file = join(newTokenDirectory(), '..', 'wrong-pin')
      writeFileSync(file, 'not the right PIN', { mode: 0o600 })
      const before = logins()
      await refused(openHsm({ ...token.config, pin: { file }, host: 'process', lanes: { count: 4 } }, silent), 'login')
      expect(logins() - before).to.equal(1)
    })

    it('by a device that forgot the logins of all lanes is tried once, and then nothing any more', async () => {
      await open({ count: 4 })
      const [before, pids] = [logins(), pidsOf(hsm)]
      token.control.set({ on: 'C_EncryptInit', action: 'logout' }, { on: 'C_Login', action: 'rv', code: pinIncorrect })
      const outcomes = await Promise.allSettled(Array.from({ length: 40 }, seal))
      expect(outcomes.map(({ status }) => status)).not.to.include('fulfilled')
      expect(logins() - before).to.equal(1)
      expect(hsm.status().circuit).to.equal('refused')
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
        token.control.set({ on: 'C_EncryptInit', action: 'logout', total: 1 })
        await seal()
      }
      expect(logins() - before).to.equal(3)
      expect(replacedOf(hsm)).to.equal(0)
      await opens()
    })
  })

  describe('ciphertexts that do not verify', () => {
    it('cost no lane, no session and no login', async () => {
      await open()
      const [pids, calls] = [pidsOf(hsm), readTrace(token.traceFile)]
      const bad = { ...sealed, ciphertext: Uint8Array.from(sealed.ciphertext, (byte, at) => at === 3 ? byte ^ 1 : byte) }
      await Promise.all(Array.from({ length: 300 }, () => refused(hsm.open(key, bad, additionalData), 'ciphertext-invalid')))
      const since = readTrace(token.traceFile).slice(calls.length).map(call => call.function)
      expect(since).not.to.include.members(['C_OpenSession'])
      expect(since).not.to.include.members(['C_Login'])
      expect(pidsOf(hsm)).to.deep.equal(pids)
      expect(replacedOf(hsm)).to.equal(0)
      await opens()
    })
  })

  describe('lanes that are idle', () => {
    it('ask the device for random bytes now and then', async () => {
      await open({ count: 2, keepAliveMs: 400 })
      await sleep(300)
      const calls = readTrace(token.traceFile).length
      await sleep(1_500)
      const asked = readTrace(token.traceFile).slice(calls).filter(call => call.function === 'C_GenerateRandom')
      for (const pid of pidsOf(hsm)) expect(asked.filter(call => call.pid === pid)).to.have.length.greaterThan(2)
    })

    it('are replaced when the device does not know them any more', async () => {
      await open({ count: 2, keepAliveMs: 300 })
      const [pid] = pidsOf(hsm) as [number]
      token.control.set({ on: '*', action: 'rv', code: deviceRemoved, pid })
      await until(() => replacedOf(hsm) >= 1, 'the lane was replaced')
      await until(() => allUp(hsm) && !isRunning(pid), 'another took its place')
    })
  })

  it('keeps secrets out of the log', async () => {
    const log = recordingLog()
    hsm = await openLanes(token.config, { count: 2, callDeadlineMs: 300 }, log)
    key = newMaterial(hsm)
    await hsm.createMaterial(key)
    token.control.set({ on: 'C_Encrypt', action: 'rv', code: deviceError })
    await refused(hsm.seal(key, Buffer.from('a secret that nobody else has'), additionalData), 'lost')
    const text = JSON.stringify(log.entries)
    expect(log.entries.some(({ fields }) => fields?.lane !== undefined)).to.equal(true)
    for (const form of ['utf8', 'base64', 'hex'] as const) {
      expect(text).not.to.include(Buffer.from('a secret that nobody else has').toString(form).slice(0, 30))
    }
    expect(lanesOf(hsm)).to.have.length(2)
  })
})

function kindOf(error: unknown): unknown {
  return error instanceof HsmError ? error.kind : error
}

async function timed(promise: Promise<unknown>): Promise<number> {
  const since = performance.now()
  await promise
  return performance.now() - since
}
