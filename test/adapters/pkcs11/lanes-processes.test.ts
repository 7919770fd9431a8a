import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { openHsm } from '../../../src/adapters/pkcs11/hsm.js'
import { rootMaterial, type Material } from '../../../src/domain/material.js'
import type { Hsm } from '../../../src/ports/hsm.js'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { hsmContract } from '../../contract/hsm.js'
import { readTrace } from '../../support/fault-module/control.js'
import { faultToken } from '../../support/fault-module/token.js'
import { isRunning, lanesOf, openLanes, pidsOf, replacedOf, silent, sleep, until } from '../../support/lanes.js'
import { pinFileOf, testToken } from '../../support/softhsm.js'
import { recordingLog } from './support.js'

hsmContract('SoftHSM, process lanes', async () => openHsm({ ...await testToken(), host: 'process', lanes: { count: 3 } }, silent))

const additionalData = Buffer.alloc(32, 3)

describe('process lanes', () => {
  let hsm: Hsm
  let key: Material
  before(async () => {
    hsm = await openLanes(await testToken(), { count: 3 })
    key = newMaterial(hsm)
    await hsm.createMaterial(key)
  })
  after(async () => {
    await hsm.destroyMaterial(key)
    await hsm.close()
  })

  const onAllLanes = <T>(call: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 12 }, call))

  it('are as many as were asked for, each a process of its own', () => {
    expect(new Set(pidsOf(hsm)).size).to.equal(3)
    expect(lanesOf(hsm).map(({ lane }) => lane)).to.deep.equal([1, 2, 3])
  })

  it('never use the key that had a name before', async () => {
    const material = newMaterial(hsm)
    for (let round = 0; round < 5; round++) {
      await hsm.createMaterial(material)
      const [sealed] = await onAllLanes(() => hsm.seal(material, Buffer.from('round'), additionalData))
      if (!sealed) throw new Error('nothing was sealed')
      await hsm.destroyMaterial(material)
      await onAllLanes(() => refused(hsm.open(material, sealed, additionalData), 'missing'))
      await hsm.createMaterial(material)
      await onAllLanes(() => refused(hsm.open(material, sealed, additionalData), 'ciphertext-invalid'))
      await hsm.destroyMaterial(material)
    }
  })

  it('show no PIN in what others can see of a process', async () => {
    const pin = readFileSync(pinFileOf(await testToken()), 'utf8')
    for (const pid of pidsOf(hsm)) {
      const seen = readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')
      expect(seen).not.to.include(pin)
    }
  })

  it('leave the plaintext to its owner, and give away what nobody else holds', async () => {
    const plaintext = Buffer.alloc(40, 7)
    const sealed = await hsm.seal(key, plaintext, additionalData)
    expect(plaintext.every(byte => byte === 7)).to.equal(true)
    const [first, second] = [await hsm.open(key, sealed, additionalData), await hsm.open(key, sealed, additionalData)]
    first.fill(0)
    expect(second.every(byte => byte === 7)).to.equal(true)
  })

  it('refuse what is too long for them, and go on', async () => {
    await refused(hsm.mac(key, Buffer.alloc(17 * 1024 * 1024)), 'configuration')
    await hsm.probe()
    expect(replacedOf(hsm)).to.equal(0)
  })

  it('are no matter of signals that a terminal or a service manager sends to all processes', async () => {
    const before = pidsOf(hsm)
    for (const pid of before) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
    await onAllLanes(() => hsm.seal(key, Buffer.alloc(8), additionalData))
    await sleep(200)
    expect(pidsOf(hsm)).to.deep.equal(before)
  })

  it('are counted and measured', async () => {
    const { calls: { done } } = hsm.status()
    await onAllLanes(() => hsm.seal(key, Buffer.alloc(8), additionalData))
    const status = hsm.status()
    expect(status).to.include({ host: 'process', circuit: 'closed', suite: hsm.suite, profile: 'softhsm' })
    expect(status.calls.done - done).to.equal(12)
    expect(status.latency.p50).to.be.greaterThan(0)
    expect(status.latency.max).to.be.at.least(status.latency.p99)
    expect(status.lanes.reduce((sum, { calls }) => sum + calls, 0)).to.be.at.least(status.calls.done)
    expect(JSON.parse(JSON.stringify(status))).to.deep.equal(status)
  })

  it('end when the store is closed, after what was under way', async () => {
    const other = await openLanes(await testToken(), { count: 2 })
    const pids = pidsOf(other)
    const calls = Array.from({ length: 50 }, () => other.seal(key, Buffer.alloc(8), additionalData))
    await Promise.all([other.close(), ...calls])
    await until(() => !pids.some(isRunning), 'no lane process is left')
    await refused(other.probe(), 'lost')
    await refused(other.random(8), 'lost')
    await other.close()
  })
})

describe('a token whose host is not known', () => {
  it('is looked at by a lane process, and driven inline if its profile says so', async () => {
    const { profile: _, ...config } = await testToken()
    const log = recordingLog()
    const hsm = await openHsm(config, log)
    expect(hsm.status()).to.include({ host: 'inline', profile: 'softhsm' })
    const logins = log.entries.filter(({ message }) => message === 'logged in to the HSM')
    expect(logins.map(({ fields }) => fields?.lane)).to.deep.equal([1, undefined])
    await hsm.close()
  })

  it('may be forced into processes', async () => {
    const { profile: _, ...config } = await testToken()
    const hsm = await openHsm({ ...config, host: 'process', lanes: { count: 1 } }, silent)
    expect(hsm.status()).to.include({ host: 'process', profile: 'softhsm' })
    await hsm.close()
  })
})

describe('slow errands of an inline store', () => {
  it('are done by a lane', async () => {
    const hsm = await openHsm(await testToken(), silent)
    const pair = rootMaterial('audit', 1_999_999_999)
    try {
      expect(lanesOf(hsm)).to.deep.equal([])
      expect(await hsm.createMaterial(pair)).to.have.length(2)
      expect(lanesOf(hsm)).to.have.length(1)
      expect(await hsm.sign(pair, 'ECDSA_SHA_256', Buffer.alloc(32))).to.have.length(64)
      await refused(hsm.createMaterial(pair), 'exists')
      expect(await hsm.destroyMaterial(pair)).to.equal(2)
    } finally {
      const pids = pidsOf(hsm)
      await hsm.close()
      await until(() => !pids.some(isRunning), 'no lane process is left')
    }
  })
})

describe('a server that is killed', () => {
  it('leaves no lane process behind, not even one that hangs in its library', async () => {
    const { config, control, traceFile } = await faultToken({ trace: true })
    const program = fileURLToPath(new URL('../../support/lanes-parent.js', import.meta.url))
    const server = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    server.send(config)
    const [pids] = await once(server, 'message') as [readonly number[]]
    expect(pids.filter(isRunning)).to.have.length(3)
    control.set({ on: 'C_EncryptInit', action: 'delay', ms: 1 }, { on: 'C_Encrypt', action: 'hang', forEver: true })
    server.send('call')
    await until(() => readTrace(traceFile).filter(call => call.function === 'C_EncryptInit').length > 0, 'a call is under way')
    await sleep(50)
    server.kill('SIGKILL')
    await until(() => !pids.some(isRunning), 'the lanes are gone', 3_000)
  })
})

describe('a server without file descriptors', () => {
  it('outlives the loss of its lanes, and has them again', async () => {
    const { config } = await faultToken()
    const program = fileURLToPath(new URL('../../support/lanes-without-files.js', import.meta.url))
    const limited = ['-c', `ulimit -n 200; exec ${process.execPath} ${program}`]
    const server = spawn('/bin/sh', limited, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    server.send(config)
    const [said] = await Promise.race([once(server, 'message'), once(server, 'exit')]) as [unknown]
    expect(said).to.equal('survived')
  })
})
