import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { Circuit, lossesMax } from '../../../src/adapters/pkcs11/lanes/circuit.js'
import { Figures } from '../../../src/adapters/pkcs11/lanes/figures.js'
import { laneLimits } from '../../../src/adapters/pkcs11/lanes/limits.js'
import { LoginTurns } from '../../../src/adapters/pkcs11/lanes/login-turns.js'
import { logOutput } from '../../../src/adapters/pkcs11/lanes/output.js'
import { backOffMs, backOffMsMax, Pace } from '../../../src/adapters/pkcs11/lanes/pace.js'
import { WaitingQueue } from '../../../src/adapters/pkcs11/lanes/queue.js'
import { RandomAhead } from '../../../src/adapters/pkcs11/lanes/random-ahead.js'
import { Settling } from '../../../src/adapters/pkcs11/lanes/settling.js'
import { softhsm } from '../../../src/adapters/pkcs11/profiles/softhsm.js'
import type { Pin } from '../../../src/adapters/pkcs11/token/pin.js'
import { HsmError } from '../../../src/ports/hsm.js'
import { newMaterial, refused } from '../../contract/hsm-samples.js'
import { silent, sleep, until } from '../../support/lanes.js'
import { recordingLog } from './support.js'

describe('the waiting queue', () => {
  const item = (name: string) => ({ name, waitingSince: performance.now() })

  it('keeps the order, and lets one go first', () => {
    const queue = new WaitingQueue<ReturnType<typeof item>>(3, 1_000, () => undefined)
    queue.push(item('a'))
    queue.push(item('b'))
    queue.pushFirst(item('again'))
    expect(queue.isFull()).to.equal(true)
    const taken = [queue.shift(), queue.shift(), queue.shift(), queue.shift()]
    expect(taken.map(each => each?.name)).to.deep.equal(['again', 'a', 'b', undefined])
  })

  it('gives up what waited for too long, and nothing else', async () => {
    const late: string[] = []
    const queue = new WaitingQueue<ReturnType<typeof item>>(10, 200, each => late.push(each.name))
    queue.push(item('a'))
    await sleep(100)
    queue.push(item('b'))
    queue.pushFirst(item('again'))
    await until(() => late.length > 0, 'the first is late')
    expect(late).to.deep.equal(['a'])
    await until(() => late.length === 3, 'all are late')
    expect(queue.length).to.equal(0)
  })
})

describe('the circuit', () => {
  it('opens after losses in a row, and closes with the first answer', () => {
    const circuit = new Circuit(silent)
    for (let loss = 1; loss < lossesMax; loss++) circuit.lost()
    circuit.succeeded()
    for (let loss = 1; loss < lossesMax; loss++) circuit.lost()
    expect(circuit.state).to.equal('closed')
    circuit.lost()
    expect(circuit.state).to.equal('open')
    expect(circuit.refusal()?.kind).to.equal('lost')
    circuit.succeeded()
    expect(circuit.state).to.equal('closed')
    expect(circuit.refusal()).to.equal(undefined)
  })

  it('does not close again after a refused PIN', () => {
    const circuit = new Circuit(silent)
    circuit.refuse(new HsmError('login', 'refused'))
    circuit.succeeded()
    circuit.lost()
    circuit.open('for another reason')
    expect(circuit.state).to.equal('refused')
    expect(circuit.refusal()?.kind).to.equal('login')
  })
})

describe('the pace of openings', () => {
  it('backs off up to its limit', () => {
    expect([0, 1, 2, 3, 10, 50].map(backOffMs)).to.deep.equal([0, 100, 200, 400, backOffMsMax, backOffMsMax])
  })

  it('keeps a gap after success and a pause after failure', () => {
    const pace = new Pace(500, 30_000)
    expect(pace.waitMs()).to.equal(0)
    pace.opened(100)
    expect(pace.waitMs()).to.be.within(400, 500)
    for (let failure = 0; failure < 6; failure++) pace.failed()
    expect(pace.waitMs()).to.be.within(backOffMsMax - 100, backOffMsMax)
  })

  it('allows the first opening much time, later ones what they are known to need, and more after many failures', () => {
    const pace = new Pace(0, 30_000)
    expect(pace.deadlineMs()).to.equal(30_000)
    pace.opened(2_000)
    expect(pace.deadlineMs()).to.equal(8_000)
    for (let failure = 0; failure < 8; failure++) pace.failed()
    expect(pace.deadlineMs()).to.equal(16_000)
    for (let failure = 0; failure < 100; failure++) pace.failed()
    expect(pace.deadlineMs()).to.equal(30_000)
  })
})

describe('the limits of lanes', () => {
  const config = { module: '/x', verifySeals: true }

  it('come from the configuration before the profile', () => {
    const limits = laneLimits({ ...config, lanes: { count: 7, callDeadlineMs: 11 } }, softhsm)
    expect(limits).to.include({ count: 7, callDeadlineMs: 11, slowCallDeadlineMs: softhsm.lanes.slowCallDeadlineMs })
    expect(laneLimits(config, softhsm).count).to.equal(softhsm.lanes.count)
  })

  it('leave the token its sessions', () => {
    const of = (maxSessions: number | null, sessionsMax?: number) =>
      laneLimits({ ...config, lanes: { count: 16 } }, { ...softhsm, lanes: { ...softhsm.lanes, maxSessions } }, sessionsMax).count
    expect(of(null)).to.equal(16)
    expect(of(1024)).to.equal(16)
    expect(of(16)).to.equal(7)
    expect(of(1024, 10)).to.equal(4)
    expect(of(null, 1)).to.equal(1)
  })
})

describe('turns to log in', () => {
  const pin = (): Pin => ({ bytes: Buffer.from('1234'), stamp: undefined })
  const [first, second, third] = [{}, {}, {}]

  it('are taken one at a time, in order, with a PIN that is read anew', () => {
    let reads = 0
    const granted: object[] = []
    const turns = new LoginTurns(() => { reads += 1; return pin() })
    for (const lane of [first, second, third]) turns.ask(lane, () => granted.push(lane))
    expect(granted).to.deep.equal([first])
    turns.done(first, 'accepted')
    turns.gone(third)
    turns.done(second, 'failed')
    expect(granted).to.have.length(2)
    expect(reads).to.equal(2)
  })

  it('end with the first refusal', () => {
    const outcomes: (Pin | HsmError)[] = []
    const turns = new LoginTurns(pin)
    for (const lane of [first, second, third]) turns.ask(lane, outcome => outcomes.push(outcome))
    turns.done(first, 'refused')
    expect(outcomes).to.have.length(3)
    for (const outcome of outcomes.slice(1)) expect(outcome).to.be.instanceOf(HsmError).with.property('kind', 'login')
  })

  it('go on when the one whose turn it is dies, and when there is no PIN to be had', () => {
    const outcomes: (Pin | HsmError)[] = []
    let readable = true
    const turns = new LoginTurns(() => {
      if (!readable) throw new HsmError('configuration', 'no PIN')
      return pin()
    })
    turns.ask(first, outcome => outcomes.push(outcome))
    turns.ask(second, outcome => outcomes.push(outcome))
    readable = false
    turns.gone(first)
    expect(outcomes[1]).to.have.property('kind', 'configuration')
    readable = true
    turns.ask(third, outcome => outcomes.push(outcome))
    expect(outcomes[2]).to.have.property('bytes')
  })
})

describe('random bytes fetched ahead', () => {
  function source(chunkBytes: number) {
    const fetched: Uint8Array[] = []
    let next = 0
    const random = new RandomAhead(chunkBytes, async length => {
      await sleep(1)
      const bytes = Uint8Array.from({ length }, () => next++ % 251)
      fetched.push(bytes)
      return bytes
    })
    return { random, fetched }
  }

  it('are given out once, whoever asks and at whatever time', async () => {
    const { random, fetched } = source(64)
    const taken = await Promise.all(Array.from({ length: 200 }, (_, at) => random.take(at % 40)))
    expect(taken.map(bytes => bytes.length)).to.deep.equal(Array.from({ length: 200 }, (_, at) => at % 40))
    const counted = new Map<number, number>()
    for (const byte of taken.flatMap(bytes => [...bytes])) counted.set(byte, (counted.get(byte) ?? 0) + 1)
    // The source counts, so of any two values one was given out at most once more than the other for each chunk on its way.
    const times = [...counted.values()]
    expect(Math.max(...times) - Math.min(...times)).to.be.at.most(1)
    expect(fetched.length * 64).to.be.at.least(taken.reduce((sum, { length }) => sum + length, 0))
  })

  it('are overwritten where they came from', async () => {
    const { random, fetched } = source(64)
    await random.take(16)
    expect(fetched[0]?.subarray(0, 16).every(byte => byte === 0)).to.equal(true)
    expect(fetched[0]?.subarray(17).some(byte => byte !== 0)).to.equal(true)
    random.clear()
    expect(fetched[0]?.every(byte => byte === 0)).to.equal(true)
  })

  it('come straight from the token when many are asked for', async () => {
    const { random, fetched } = source(64)
    expect(await random.take(64)).to.equal(fetched[0])
  })

  it('fail with the token, and only for those who ask then', async () => {
    let works = true
    const random = new RandomAhead(32, async length => {
      if (!works) throw new HsmError('lost', 'gone')
      return new Uint8Array(length).fill(1)
    })
    await random.take(8)
    works = false
    await random.take(16)
    await sleep(5)
    await refused(random.take(31), 'lost')
    works = true
    expect(await random.take(31)).to.have.length(31)
  })
})

describe('material that was just made', () => {
  const missing = () => new HsmError('missing', 'not there')

  it('is asked for again while it settles', async () => {
    const [settling, material] = [new Settling(400), newMaterial()]
    settling.made(material)
    let asked = 0
    expect(await settling.retried(material, async () => {
      asked += 1
      if (asked < 3) throw missing()
      return 'there'
    })).to.equal('there')
  })

  it('is missing after that time, at once when it was destroyed, and if others made it', async () => {
    const [settling, material] = [new Settling(100), newMaterial()]
    settling.made(material)
    expect(settling.isQuiet).to.equal(false)
    await refused(settling.retried(newMaterial(), async () => { throw missing() }), 'missing')
    await refused(settling.retried(material, async () => { throw missing() }), 'missing')
    expect(settling.isQuiet).to.equal(true)
    settling.made(material)
    settling.destroyed(material)
    await refused(settling.retried(material, async () => { throw missing() }), 'missing')
  })

  it('other failures are not waited out', async () => {
    const [settling, material] = [new Settling(10_000), newMaterial()]
    settling.made(material)
    await refused(settling.retried(material, async () => { throw new HsmError('lost', 'gone') }), 'lost')
    settling.destroyed(material)
  })
})

describe('figures', () => {
  it('are those of the newest calls', () => {
    const figures = new Figures()
    expect(figures.latency()).to.deep.equal({ p50: 0, p99: 0, max: 0, calls: 0 })
    for (let call = 0; call < 2_000; call++) figures.answered(performance.now() - (call < 976 ? 1_000_000 : call - 975))
    const { p50, p99, max, calls } = figures.latency()
    expect(calls).to.equal(1024)
    expect(p50).to.be.within(512_000, 513_000)
    expect(p99).to.be.within(1_014_000, 1_015_000)
    expect(max).to.be.within(1_024_000, 1_025_000)
  })

  it('count a bad ciphertext as work that was done', () => {
    const figures = new Figures()
    for (const kind of ['ciphertext-invalid', 'lost'] as const) {
      expect(() => figures.of(() => { throw new HsmError(kind, 'x') })).to.throw(HsmError)
    }
    expect(figures.of(() => 5)).to.equal(5)
    expect(figures.calls()).to.deep.equal({ done: 2, failed: 1, refused: 0, deadlineMissed: 0 })
  })
})

describe('what a library prints', () => {
  it('goes to the log, line by line, and not without end', async () => {
    const [log, stream] = [recordingLog(), new PassThrough()]
    logOutput(stream, log)
    stream.write('one\ntw')
    stream.write(`o\n\n${'x'.repeat(5_000)}\n`)
    for (let line = 0; line < 500; line++) stream.write(`${line}\n`)
    stream.end()
    await until(() => log.entries.length >= 60, 'it was read')
    const lines = log.entries.map(({ fields }) => fields?.line as string)
    expect(lines.slice(0, 2)).to.deep.equal(['one', 'two'])
    expect(lines[2]).to.have.length(500)
    await sleep(20)
    expect(log.entries.length).to.be.within(60, 120)
  })
})
