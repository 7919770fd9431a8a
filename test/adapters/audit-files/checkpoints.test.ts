import { expect } from 'chai'
import { verifyDirectory } from '../../../src/adapters/audit-files/read.js'
import type { Checkpoint } from '../../../src/domain/audit-chain.js'
import { MovedClock } from '../../support/clock.js'
import { appendMany, event, type Line, MemoryCheckpoints, MemoryLog, newSigner, openLog, records, temporaryDirectories } from './support.js'

describe('audit checkpoints', () => {
  const signer = newSigner()
  const newDirectory = temporaryDirectories()

  it('come after a number of records, in the chain and in the store', async () => {
    const directory = await newDirectory()
    const checkpoints = new MemoryCheckpoints()
    const log = await openLog(directory, signer, { checkpoints, limits: { checkpointRecords: 10 } })
    for (let at = 0; at < 40; at++) await log.append(event(`event-${at}`))
    await until(async () => checkpointsOf(await records(directory)).length >= 3)
    await log.close()
    const made = checkpointsOf(await records(directory))
    expect([...checkpoints.all.values()]).to.deep.equal([made.at(-1)])
    expect(made.every(({ rootVersion, signature }) => rootVersion === 1 && signature.length === 88)).to.equal(true)
    const result = await verifyDirectory(directory, { checkpoints: await checkpoints.newest() })
    expect(result).to.deep.include({ ok: true, checkpoints: made.length })
  })

  it('come with time if there are records, and not without', async () => {
    const directory = await newDirectory()
    let ticks = 0
    const log = await openLog(directory, signer, {
      limits: { checkpointMs: 5 },
      // Every tick asks for the time.
      clock: { now: () => (ticks++, Date.now()) },
    })
    await until(async () => checkpointsOf(await records(directory)).length === 1)
    await log.append(event('one'))
    await until(async () => checkpointsOf(await records(directory)).length === 2)
    const seen = ticks
    await until(async () => ticks > seen + 10)
    expect(checkpointsOf(await records(directory)).map(({ sequence }) => sequence)).to.deep.equal([1, 3])
    await log.close()
  })

  it('may fail without losing a record; a later one covers all, and a lasting failure is unhealthy', async () => {
    const directory = await newDirectory()
    const clock = new MovedClock()
    const applicationLog = new MemoryLog()
    let broken = true
    const sign = async (digest: Uint8Array) => {
      if (broken) throw new Error('the HSM is away')
      return signer.sign(digest)
    }
    const log = await openLog(directory, signer, { sign, clock, log: applicationLog, limits: { checkpointMs: 5 } })
    await appendMany(log, 5)
    await until(async () => applicationLog.messages('error').length >= 2)
    expect(log.healthy()).to.equal(true)
    clock.advance(5 * 60_000 + 1)
    expect(log.healthy()).to.equal(false)
    await appendMany(log, 5, 'later')
    broken = false
    await until(async () => log.healthy())
    await log.close()
    expect(await verifyDirectory(directory)).to.deep.include({ ok: true, findings: [] })
  })

  it('are not late because the clock jumps while one is being made', async () => {
    const clock = new MovedClock()
    let opened = false
    let healthy: boolean | undefined
    const log = await openLog(await newDirectory(), signer, {
      clock, limits: { checkpointMs: 5 },
      async sign(digest) {
        if (opened) {
          clock.advance(86_400_000)
          healthy ??= log.healthy()
        }
        return signer.sign(digest)
      },
    })
    opened = true
    await appendMany(log, 5)
    await until(async () => healthy !== undefined)
    expect(healthy).to.equal(true)
    await log.close()
  })

  it('are not hurried by many records while the HSM fails', async () => {
    const applicationLog = new MemoryLog()
    const sign = () => Promise.reject(new Error('the HSM is away'))
    const log = await openLog(await newDirectory(), signer, { sign, log: applicationLog, limits: { checkpointRecords: 10 } })
    for (let at = 0; at < 10; at++) await appendMany(log, 10)
    expect(applicationLog.messages('error').length).to.equal(1)
    await log.close()
  })

  it('are stored later if the store fails', async () => {
    const checkpoints = new MemoryCheckpoints()
    let failures = 0
    const put = async (checkpoint: Checkpoint) => {
      if (failures++ < 3) throw new Error('the store is away')
      await checkpoints.put(checkpoint)
    }
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { checkpoints: { put, newest: () => checkpoints.newest() }, limits: { checkpointMs: 5 } })
    await log.append(event('one'))
    await until(async () => checkpoints.all.size === 1)
    expect([...checkpoints.all.values()]).to.deep.equal([checkpointsOf(await records(directory)).at(-1)])
    await log.close()
  })

  it('do not wait for ever for the HSM', async () => {
    const applicationLog = new MemoryLog()
    const sign = () => new Promise<Uint8Array>(() => {})
    const directory = await newDirectory()
    const log = await openLog(directory, signer, { sign, log: applicationLog, limits: { checkpointWaitMsMax: 10 } })
    await log.append(event('one'))
    await log.close()
    expect(applicationLog.messages('error')).to.deep.equal(['an audit checkpoint could not be made or stored'])
    const { ok, chains: [chain] } = await verifyDirectory(directory)
    expect({ ok, closed: chain?.closed, uncovered: chain?.uncovered }).to.deep.equal({ ok: true, closed: false, uncovered: 2 })
  })

  it('with a wrong signature never reach the log', async () => {
    const directory = await newDirectory()
    const applicationLog = new MemoryLog()
    const log = await openLog(directory, signer, { sign: newSigner().sign, log: applicationLog })
    await log.append(event('one'))
    await log.close()
    expect(checkpointsOf(await records(directory))).to.deep.equal([])
    const reason = 'the signature is not of the public key of root/audit version 1'
    expect(applicationLog.entries[0]?.fields?.error).to.have.property('message', reason)
  })
})

function checkpointsOf(lines: readonly Line[]): readonly Checkpoint[] {
  return lines.flatMap(({ checkpoint }) => checkpoint ?? [])
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise(resolve => setTimeout(resolve, 2))
}
