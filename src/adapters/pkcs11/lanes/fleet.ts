import { HsmError, type LaneStatus } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Call, MaterialHead } from './calls.js'
import { Circuit } from './circuit.js'
import { LaneLost, type Lane } from './lane.js'
import { startDeadlineMs, type LaneLimits } from './limits.js'
import { backOffMs, Pace } from './pace.js'

/** A lane that dies sooner after its start, and again, is not started again at once. */
const shortLifeMs = 10_000
/** Whether the device answers is asked with less patience than a call has: recovery must not wait for a lane that hangs. */
const checkDeadlineMsMax = 2_000
/** A lane that loses as many calls in a row is replaced, although the device answers it. */
const lossesMax = 2
/** Not sooner again: where a new process loses the same call, key or device is to blame, and lanes must not be worn out by it. */
const lossReplacementGapMs = 5_000
/** A lane that was not used while so much was destroyed is replaced instead of told. */
const forgetMax = 1_000
const probe: Call = { operation: 'probe', parts: [] }

/** A place for a lane; its process comes and goes. */
export interface Slot {
  readonly number: number
  lane: Lane | undefined
  state: LaneStatus['state']
  calls: number
  replaced: number
  shortLives: number
  openNotBefore: number
  upSince: number
  usedAt: number
  /** Calls of its driver that were lost, in a row. */
  losses: number
  /** When it was last replaced for that. */
  lossesReplacedAt: number
  /** Materials that others destroyed since its last call. */
  forget: MaterialHead[]
}

/** The lanes of one store. */
export interface LaneSource {
  readonly limits: LaneLimits
  /** Is up already, alone: so it is known that the PIN is right and what the token needs. `tookMs`: to come up. */
  readonly first: { readonly lane: Lane, readonly tookMs: number }
  readonly start: (number: number) => Lane
  readonly log: Log
}

export interface FleetParts extends LaneSource {
  /** Takes the slot for a call that waits; false if there is none. */
  readonly onFree: (slot: Slot) => boolean
  /** No call reaches a lane any more, until the circuit closes again. */
  readonly onRefusal: (refusal: HsmError) => void
}

/** Keeps the lanes of a store up: opens, watches and replaces them, and finds out when a device that was gone is back. */
export class Fleet {
  readonly circuit: Circuit
  readonly slots: readonly Slot[]
  readonly #parts: FleetParts
  readonly #pace: Pace
  /** Last in, first out: the handle caches of few lanes are warmer than those of many. */
  readonly #idle: Slot[] = []
  readonly #keepAlive: NodeJS.Timeout | undefined
  #working = false
  #ending: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(parts: FleetParts) {
    const { limits: { count, keepAliveMs, openGapMs }, log, first } = parts
    this.#parts = parts
    this.circuit = new Circuit(log)
    this.#pace = new Pace(openGapMs, startDeadlineMs)
    this.slots = Array.from({ length: count }, (_, at) => newSlot(at + 1))
    if (keepAliveMs > 0) this.#keepAlive = setInterval(() => { this.#touchIdle(keepAliveMs) }, keepAliveMs / 4).unref()
    this.#pace.opened(first.tookMs)
    this.#up(this.slots[0] as Slot, first.lane)
    this.#work()
  }

  /** A lane that is free, for one call; give it back with `release`, `doubt` or `replace`. */
  take(): Slot | undefined {
    return this.circuit.refusal() ? undefined : this.#idle.pop()
  }

  release(slot: Slot): void {
    slot.usedAt = performance.now()
    if (this.#ending || this.#parts.onFree(slot)) return
    slot.state = 'idle'
    this.#idle.push(slot)
  }

  /** Its call was lost but its process lives: it stays if the device answers it now. */
  doubt(slot: Slot): void {
    const now = performance.now()
    slot.losses += 1
    if (slot.losses >= lossesMax && now - slot.lossesReplacedAt >= lossReplacementGapMs) {
      slot.lossesReplacedAt = now
      return this.replace(slot)
    }
    this.#check(slot, alive => { if (!alive) this.countLoss() })
  }

  replace(slot: Slot): void {
    const { lane } = slot
    const now = performance.now()
    this.#leaveIdle(slot)
    slot.lane = undefined
    slot.state = 'waiting'
    slot.replaced += 1
    slot.shortLives = now - slot.upSince < shortLifeMs ? slot.shortLives + 1 : 0
    slot.openNotBefore = now + backOffMs(Math.max(0, slot.shortLives - 1))
    lane?.kill(new LaneLost('died', 'the lane was replaced'))
    this.#work()
  }

  countLoss(): void {
    this.circuit.lost()
    this.#noteRefusal()
  }

  refuse(error: HsmError): void {
    this.circuit.refuse(error)
    this.#noteRefusal()
    void this.end()
  }

  /** The objects of this material are being destroyed on a lane: no other may use what it remembers of them. */
  forget(material: MaterialHead, by: Slot): void {
    for (const slot of this.slots) {
      if (slot !== by && slot.lane) slot.forget.push(material)
      if (slot.forget.length > forgetMax && slot.state === 'idle') this.replace(slot)
    }
  }

  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    clearInterval(this.#keepAlive)
    this.#wake?.()
    this.#idle.length = 0
    await Promise.all(this.slots.map(async slot => {
      const { lane } = slot
      slot.lane = undefined
      slot.state = 'waiting'
      await lane?.end()
    }))
  }

  #noteRefusal(): void {
    const refusal = this.circuit.refusal()
    if (!refusal) return
    this.#parts.onRefusal(refusal)
    this.#work()
  }

  #check(slot: Slot, then: (alive: boolean) => void): void {
    slot.state = 'busy'
    const deadlineMs = Math.min(checkDeadlineMsMax, this.#parts.limits.callDeadlineMs)
    slot.lane?.run(probe, takeForget(slot), deadlineMs, outcome => {
      const alive = !(outcome instanceof Error) || (outcome instanceof HsmError && outcome.kind === 'busy')
      if (alive) {
        this.circuit.succeeded()
        this.release(slot)
      } else {
        this.#parts.log.warn('a lane does not reach the HSM', { lane: slot.number, why: outcome.message })
        this.replace(slot)
        if (outcome instanceof HsmError && outcome.kind === 'login') this.refuse(outcome)
      }
      then(alive)
    })
  }

  #touchIdle(keepAliveMs: number): void {
    const now = performance.now()
    // Looked at four times in that time, so at three quarters of it at the latest.
    for (const slot of this.#idle.filter(({ usedAt }) => now - usedAt >= keepAliveMs / 2)) {
      this.#leaveIdle(slot)
      this.#check(slot, () => undefined)
    }
  }

  #leaveIdle(slot: Slot): void {
    const at = this.#idle.indexOf(slot)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  #up(slot: Slot, lane: Lane): void {
    slot.lane = lane
    slot.upSince = performance.now()
    slot.forget = []
    slot.losses = 0
    lane.onLost(({ message }) => {
      if (slot.lane !== lane) return
      this.#parts.log.warn('a lane of the HSM is gone', { lane: slot.number, why: message })
      this.replace(slot)
    })
    this.circuit.succeeded()
    this.release(slot)
  }

  /** Works through what is to be opened, and while the circuit is open through what is to be tried: one thing at a time. */
  #work(): void {
    if (this.#working || this.#ending) return
    this.#working = true
    void this.#workOff().finally(() => { this.#working = false })
  }

  async #workOff(): Promise<void> {
    for (let task = this.#nextTask(); task; task = this.#nextTask()) {
      const { waitMs, run } = task
      if (waitMs > 0) await this.#pause(waitMs)
      // Something may have changed meanwhile: then another task comes first.
      else await run()
    }
  }

  #nextTask(): { readonly waitMs: number, readonly run: () => Promise<void> } | undefined {
    if (this.#ending) return undefined
    const [idle] = this.#idle
    if (idle && this.circuit.state === 'open') return { waitMs: 0, run: () => this.#try(idle) }
    const waiting = this.slots.filter(({ state }) => state === 'waiting')
    const [first, ...others] = waiting
    if (!first) return undefined
    const slot = others.reduce((soonest, each) => each.openNotBefore < soonest.openNotBefore ? each : soonest, first)
    return { waitMs: Math.max(this.#pace.waitMs(), slot.openNotBefore - performance.now()), run: () => this.#open(slot) }
  }

  #try(slot: Slot): Promise<void> {
    this.#leaveIdle(slot)
    return new Promise(resolve => { this.#check(slot, () => { resolve() }) })
  }

  async #open(slot: Slot): Promise<void> {
    const since = performance.now()
    slot.state = 'starting'
    let lane: Lane | undefined
    try {
      lane = this.#parts.start(slot.number)
      slot.lane = lane
      await lane.ready(this.#pace.deadlineMs())
      if (this.#ending) return
      this.#pace.opened(performance.now() - since)
      this.#up(slot, lane)
    } catch (error) {
      this.#openingFailed(slot, lane, error)
    }
  }

  #openingFailed(slot: Slot, lane: Lane | undefined, error: unknown): void {
    const why = error instanceof Error ? error.message : 'no reason given'
    slot.lane = undefined
    slot.state = 'waiting'
    lane?.kill(new LaneLost('died', 'the lane could not be opened'))
    if (this.#ending) return
    this.#pace.failed()
    this.#parts.log.warn('a lane of the HSM could not be opened', { lane: slot.number, why })
    if (error instanceof HsmError && error.kind === 'login') return this.refuse(error)
    if (this.slots.some(each => each.lane)) return
    this.circuit.open(`no lane is up, and none can be opened: ${why}`)
    this.#noteRefusal()
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function newSlot(number: number): Slot {
  return {
    number, lane: undefined, state: 'waiting', calls: 0, replaced: 0,
    shortLives: 0, openNotBefore: 0, upSince: 0, usedAt: 0, losses: 0, lossesReplacedAt: -Infinity,
    forget: [],
  }
}

/** What a lane must be told with its next call. */
export function takeForget(slot: Slot): readonly MaterialHead[] {
  const { forget } = slot
  if (forget.length > 0) slot.forget = []
  return forget
}
