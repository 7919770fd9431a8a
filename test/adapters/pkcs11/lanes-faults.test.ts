import { expect } from 'chai'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { readTrace } from '../../support/fault-module/control.js'
import { allUp, isRunning, lanesOf, openLanes, pidsOf, replacedOf, sleep, until } from '../../support/lanes.js'
import { additionalData, deviceError, deviceRemoved, faultyLanes, timed } from './faulty-lanes.js'
import { recordingLog } from './support.js'

describe('process lanes and a device that fails', () => {
  const on = faultyLanes()
  const { open, opens, seal } = on

  describe('a call that hangs', () => {
    it('is answered at its deadline, costs its lane and nobody else', async () => {
      await open()
      const before = pidsOf(on.hsm)
      on.token.control.set({ on: 'C_Encrypt', action: 'hang', forEver: true, total: 1 })
      const hung = refused(seal(), 'lost')
      const hangs = () => readTrace(on.token.traceFile).some(call => call.function === 'C_Encrypt' && call.returnValue !== 0)
      await until(hangs, 'it hangs', 500).catch(() => undefined)
      const since = performance.now()
      await Promise.all(Array.from({ length: 20 }, opens))
      expect(performance.now() - since).to.be.lessThan(1_000)
      expect((await hung).message).to.include('1000 ms')
      await until(() => allUp(on.hsm), 'a lane took its place')
      expect(replacedOf(on.hsm)).to.equal(1)
      expect(on.hsm.status().calls).to.include({ deadlineMissed: 1 })
      const gone = before.filter(pid => !pidsOf(on.hsm).includes(pid))
      expect(gone).to.have.length(1)
      await until(() => !gone.some(isRunning), 'the hung process is gone')
      await opens()
    })

    it('never holds up the event loop', async () => {
      await open()
      on.token.control.set({ on: '*', action: 'hang' })
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
        on.token.control.set({ on: 'C_Decrypt', action, total: 1 })
        await opens()
      }
      expect(replacedOf(on.hsm)).to.equal(4)
      expect(on.hsm.status().calls).to.include({ failed: 0, refused: 0 })
    })

    it('is replaced when it was idle', async () => {
      await open({ count: 2 })
      const [pid] = pidsOf(on.hsm) as [number]
      process.kill(pid, 'SIGKILL')
      await until(() => replacedOf(on.hsm) === 1 && allUp(on.hsm), 'another took its place')
      expect(pidsOf(on.hsm)).not.to.include(pid)
      await opens()
    })

    it('after it made material leaves the answer to be found', async () => {
      await open()
      const made = newMaterial(on.hsm)
      on.token.control.set({ on: 'C_GenerateKey', action: 'kill-after', total: 1 })
      const evidence = await on.hsm.createMaterial(made)
      expect(evidence.map(({ attributes }) => attributes)).to.deep.equal((await on.hsm.find(made))?.map(({ attributes }) => attributes))
      expect(await on.hsm.destroyMaterial(made)).to.equal(1)
    })

    it('before it made material leaves nothing, and the caller knows', async () => {
      await open()
      const made = newMaterial(on.hsm)
      on.token.control.set({ on: 'C_GenerateKey', action: 'kill', total: 1 })
      await refused(on.hsm.createMaterial(made), 'lost')
      expect(await on.hsm.find(made)).to.equal(undefined)
      expect(await on.hsm.createMaterial(made)).to.have.length(1)
    })

    it('while it looks for the name never takes what is there for its own', async () => {
      await open()
      on.token.control.set({ on: 'C_FindObjectsInit', action: 'kill', total: 1 })
      await refused(on.hsm.createMaterial(on.key), 'lost')
      await refused(on.hsm.createMaterial(on.key), 'exists')
      await opens()
    })

    it('while it destroys material lets another do so', async () => {
      await open()
      on.token.control.set({ on: 'C_DestroyObject', action: 'kill-after', total: 1 })
      expect(await on.hsm.destroyMaterial(on.key)).to.equal(0)
      await refused(seal(), 'missing')
    })
  })

  describe('an answer that is lost', () => {
    it('of a creation is found again', async () => {
      await open()
      const made = newMaterial(on.hsm)
      on.token.control.set({ on: 'C_GenerateKey', action: 'rv-after', code: deviceError, total: 1 })
      expect(await on.hsm.createMaterial(made)).to.have.length(1)
      expect(await on.hsm.destroyMaterial(made)).to.equal(1)
    })

    it('of sealing is made up for on another lane, and a lane that loses again and again is replaced, although it answers', async () => {
      await open()
      const broken = pidsOf(on.hsm)[0] ?? 0
      on.token.control.set({ on: 'C_Encrypt', action: 'rv', code: deviceRemoved, pid: broken })
      // Which lane is given a call is a matter of who is idle.
      for (let round = 0; round < 200 && pidsOf(on.hsm).includes(broken); round++) await Promise.all(Array.from({ length: 3 }, seal))
      expect(pidsOf(on.hsm)).not.to.include(broken)
      expect(on.hsm.status().calls).to.include({ failed: 0 })
      await opens()
    })
  })

  describe('a key that the device fails with, and no other', () => {
    it('does not wear out the lanes', async () => {
      await open()
      on.token.control.set({ on: 'C_EncryptInit', action: 'rv', code: deviceError })
      for (let call = 0; call < 30; call++) {
        await refused(seal(), 'lost')
        await opens()
      }
      expect(replacedOf(on.hsm)).to.be.at.most(2 * lanesOf(on.hsm).length)
      expect(on.hsm.status().circuit).to.equal('closed')
    })
  })

  describe('a device that says it is done and has done nothing', () => {
    it('gives out no random bytes', async () => {
      await open({ count: 1 })
      await on.hsm.close()
      on.hsm = await openLanes(on.token.config, { count: 1 })
      on.token.control.set({ on: 'C_GenerateRandom', action: 'rv', code: 0 })
      for (let call = 0; call < 3; call++) expect((await refused(on.hsm.random(32), 'lost')).message).to.include('random bytes')
    })
  })

  describe('a store that is closed', () => {
    it('answers the calls that hang', async () => {
      await open({ count: 2, callDeadlineMs: 60_000 })
      on.token.control.set({ on: 'C_Encrypt', action: 'hang', forEver: true })
      const answered: number[] = []
      const calls = Array.from({ length: 2 }, () => refused(seal(), 'lost').then(() => { answered.push(performance.now()) }))
      await sleep(100)
      await on.hsm.close()
      const closed = performance.now()
      await Promise.all(calls)
      for (const at of answered) expect(at - closed).to.be.lessThan(500)
    })
  })

  describe('more calls than lanes', () => {
    it('wait in a queue that is bounded in length and in time', async () => {
      await open({ count: 1, queueMax: 3, queueWaitMs: 300, callDeadlineMs: 5_000 })
      on.token.control.set({ on: 'C_Decrypt', action: 'delay', ms: 1_000 })
      const first = opens()
      const waiting = Array.from({ length: 3 }, () => timed(refused(on.hsm.open(on.key, on.sealed, additionalData), 'busy')))
      const atOnce = await timed(refused(on.hsm.open(on.key, on.sealed, additionalData), 'busy'))
      expect(atOnce).to.be.lessThan(200)
      for (const ms of await Promise.all(waiting)) expect(ms).to.be.greaterThan(290)
      await first
      expect(on.hsm.status().calls).to.include({ refused: 4, failed: 0 })
    })
  })

  describe('ciphertexts that do not verify', () => {
    it('cost no lane, no session and no login', async () => {
      await open()
      const [pids, calls] = [pidsOf(on.hsm), readTrace(on.token.traceFile)]
      const bad = { ...on.sealed, ciphertext: Uint8Array.from(on.sealed.ciphertext, (byte, at) => at === 3 ? byte ^ 1 : byte) }
      await Promise.all(Array.from({ length: 300 }, () => refused(on.hsm.open(on.key, bad, additionalData), 'ciphertext-invalid')))
      const since = readTrace(on.token.traceFile).slice(calls.length).map(call => call.function)
      expect(since).not.to.include.members(['C_OpenSession'])
      expect(since).not.to.include.members(['C_Login'])
      expect(pidsOf(on.hsm)).to.deep.equal(pids)
      expect(replacedOf(on.hsm)).to.equal(0)
      await opens()
    })
  })

  it('keeps secrets out of the log', async () => {
    const log = recordingLog()
    on.hsm = await openLanes(on.token.config, { count: 2, callDeadlineMs: 300 }, log)
    const fresh = newMaterial(on.hsm)
    await on.hsm.createMaterial(fresh)
    on.token.control.set({ on: 'C_Encrypt', action: 'rv', code: deviceError })
    await refused(on.hsm.seal(fresh, Buffer.from('a secret that nobody else has'), additionalData), 'lost')
    const text = JSON.stringify(log.entries)
    expect(log.entries.some(({ fields }) => fields?.lane !== undefined)).to.equal(true)
    for (const form of ['utf8', 'base64', 'hex'] as const) {
      expect(text).not.to.include(Buffer.from('a secret that nobody else has').toString(form).slice(0, 30))
    }
    expect(lanesOf(on.hsm)).to.have.length(2)
  })
})
