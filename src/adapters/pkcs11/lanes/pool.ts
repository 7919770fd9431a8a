import { HsmError, type HsmStatus } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { materialHead, operationFacts, type Answer, type Call } from './calls.js'
import { Figures } from './figures.js'
import { Fleet, takeForget, type LaneSource, type Slot } from './fleet.js'
import { LaneLost, type Outcome } from './lane.js'
import { slowAtOnceMax, type LaneLimits } from './limits.js'
import { WaitingQueue } from './queue.js'

const drainMsMax = 5_000
/** Of all parts; no profile allows more in a single one. */
const callBytesMax = 16 * 1024 * 1024

interface Job {
  readonly call: Call
  readonly since: number
  waitingSince: number
  /** What became of it the first time. */
  lost: HsmError | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: HsmError) => void
}

/**
 * Gives calls to the lanes of one store, and lets them wait for one. Slow calls have a queue of their own and only some of the lanes, so
 * that quick ones never wait for slow ones alone. Throws HsmError and nothing else.
 */
export class Pool {
  readonly #limits: LaneLimits
  readonly #log: Log
  readonly #figures = new Figures()
  readonly #quick: WaitingQueue<Job>
  readonly #slow: WaitingQueue<Job>
  readonly #fleet: Fleet
  #closing: Promise<void> | undefined
  /** No lane is given a call any more. */
  #ended = false
  #slowAtWork = 0
  #onDrained: (() => void) | undefined

  constructor({ limits, first, start, log }: LaneSource) {
    this.#limits = limits
    this.#log = log
    const queue = (): WaitingQueue<Job> => new WaitingQueue(limits.queueMax, limits.queueWaitMs, job => { this.#late(job) })
    this.#quick = queue()
    this.#slow = queue()
    this.#fleet = new Fleet({
      limits, first, start, log, onFree: slot => this.#next(slot), onRefusal: refusal => { this.#rejectWaiting(refusal) },
    })
  }

  /** Throws what a call would be refused with at once. */
  requireUp(): void {
    if (this.#closing) throw new HsmError('lost', 'the HSM was closed')
    const refusal = this.#fleet.circuit.refusal()
    if (!refusal) return
    this.#figures.refused += 1
    throw refusal
  }

  async run(call: Call): Promise<Answer> {
    this.requireUp()
    if (call.parts.reduce((sum, { length }) => sum + length, 0) > callBytesMax) {
      throw new HsmError('configuration', `a call has at most ${callBytesMax} bytes`)
    }
    const since = performance.now()
    return new Promise((resolve, reject) => {
      this.#submit({ call, since, waitingSince: since, lost: undefined, resolve, reject })
    })
  }

  status(): Pick<HsmStatus, 'circuit' | 'lanes' | 'queue' | 'calls' | 'latency'> {
    return {
      circuit: this.#fleet.circuit.state,
      lanes: this.#fleet.slots.map(({ number, lane, ...slot }) => ({
        lane: number, pid: lane?.pid, state: slot.state, calls: slot.calls, replaced: slot.replaced,
      })),
      queue: { length: this.#waiting, max: this.#limits.queueMax, waitMsMax: this.#limits.queueWaitMs },
      calls: this.#figures.calls(),
      latency: this.#figures.latency(),
    }
  }

  /** Finishes what is under way and what waits, within limits, then ends the lanes. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await new Promise<void>(resolve => {
      const late = setTimeout(resolve, drainMsMax)
      this.#onDrained = () => {
        clearTimeout(late)
        resolve()
      }
      this.#noteDrained()
    })
    this.#ended = true
    this.#rejectWaiting(new HsmError('lost', 'the HSM is being closed'))
    await this.#fleet.end()
  }

  get #waiting(): number {
    return this.#quick.length + this.#slow.length
  }

  #noteDrained(): void {
    if (this.#onDrained && this.#waiting === 0 && this.#fleet.slots.every(({ state }) => state !== 'busy')) this.#onDrained()
  }

  #submit(job: Job): void {
    const slot = isSlow(job) && !this.#mayBeSlow ? undefined : this.#fleet.take()
    if (slot) return this.#dispatch(slot, job)
    const queue = isSlow(job) ? this.#slow : this.#quick
    if (job.lost) return this.#fleet.circuit.refusal() ? this.#fail(job, job.lost) : queue.pushFirst(job)
    if (!queue.isFull()) return queue.push(job)
    this.#figures.refused += 1
    job.reject(new HsmError('busy', 'too many calls wait for the HSM'))
  }

  #late(job: Job): void {
    if (job.lost) return this.#fail(job, job.lost)
    this.#figures.refused += 1
    job.reject(new HsmError('busy', `the HSM did not get to a call within ${this.#limits.queueWaitMs} ms`))
    this.#noteDrained()
  }

  #next(slot: Slot): boolean {
    const job = this.#nextJob()
    if (job) this.#dispatch(slot, job)
    // The slot counts as busy until this has been answered.
    else if (this.#onDrained) queueMicrotask(() => { this.#noteDrained() })
    return job !== undefined
  }

  get #mayBeSlow(): boolean {
    return this.#slowAtWork < slowAtOnceMax(this.#limits)
  }

  /** Of those whose turn it may be the one that waits for longer. */
  #nextJob(): Job | undefined {
    const slow = this.#mayBeSlow ? this.#slow.first : undefined
    const quick = this.#quick.first
    return slow && (!quick || slow.waitingSince <= quick.waitingSince) ? this.#slow.shift() : this.#quick.shift()
  }

  #dispatch(slot: Slot, job: Job): void {
    const { callDeadlineMs, slowCallDeadlineMs } = this.#limits
    slot.state = 'busy'
    slot.calls += 1
    if (isSlow(job)) this.#slowAtWork += 1
    this.#tellOthers(slot, job.call)
    const deadlineMs = isSlow(job) ? slowCallDeadlineMs : callDeadlineMs
    slot.lane?.run(job.call, takeForget(slot), deadlineMs, outcome => {
      if (isSlow(job)) this.#slowAtWork -= 1
      // Once before and once after: in between another lane may have looked the object up.
      this.#tellOthers(slot, job.call)
      this.#settle(slot, job, outcome)
      if (isSlow(job)) this.#beginSlow()
    })
  }

  /** The lane of a slow call may be gone with it, while one that was left to the quick ones has nothing to do. */
  #beginSlow(): void {
    while (this.#mayBeSlow && this.#slow.first) {
      const slot = this.#fleet.take()
      const job = slot && this.#slow.shift()
      if (!slot || !job) return
      this.#dispatch(slot, job)
    }
  }

  #tellOthers(slot: Slot, { operation, material }: Call): void {
    if (operation === 'destroyMaterial' && material) this.#fleet.forget(materialHead(material), slot)
  }

  #settle(slot: Slot, job: Job, outcome: Outcome): void {
    if (outcome instanceof LaneLost) return this.#settleLost(slot, job, outcome)
    if (outcome instanceof HsmError) return this.#settleError(slot, job, outcome)
    slot.losses = 0
    this.#fleet.circuit.succeeded()
    this.#fleet.release(slot)
    this.#figures.done += 1
    this.#figures.answered(job.since)
    job.resolve(outcome)
  }

  #settleError(slot: Slot, job: Job, error: HsmError): void {
    if (error.kind === 'lost') {
      this.#fleet.doubt(slot)
      return this.#again(job, error)
    }
    this.#fleet.release(slot)
    if (error.kind === 'login') this.#fleet.refuse(error)
    // Anything but `configuration` is the token's verdict, so there is a token.
    else if (error.kind !== 'configuration') this.#fleet.circuit.succeeded()
    this.#fail(job, error)
  }

  #settleLost(slot: Slot, job: Job, outcome: LaneLost): void {
    this.#log.warn('a lane of the HSM was lost over a call', { lane: slot.number, operation: job.call.operation, why: outcome.message })
    this.#fleet.replace(slot)
    this.#fleet.countLoss()
    const error = new HsmError('lost', `the HSM did not answer: ${outcome.message}`, undefined, { cause: outcome })
    if (outcome.why === 'died') return this.#again(job, error)
    this.#figures.deadlineMissed += 1
    this.#fail(job, error)
  }

  #again(job: Job, error: HsmError): void {
    if (job.lost || this.#ended || !operationFacts[job.call.operation].repeatable) return this.#fail(job, error)
    job.lost = error
    job.waitingSince = performance.now()
    this.#submit(job)
  }

  #fail(job: Job, error: HsmError): void {
    this.#figures.failedWith(error)
    this.#figures.answered(job.since)
    job.reject(error)
    this.#noteDrained()
  }

  #rejectWaiting(error: HsmError): void {
    for (const job of [...this.#quick.takeAll(), ...this.#slow.takeAll()]) {
      if (job.lost) this.#fail(job, job.lost)
      else {
        this.#figures.refused += 1
        job.reject(error)
      }
    }
    this.#noteDrained()
  }
}

function isSlow({ call }: Job): boolean {
  return operationFacts[call.operation].slow
}
