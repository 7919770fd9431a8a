import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import {
  type Checkpoint, checkpointDigest, checkpointLagMax, checkpointMembers, checkpointMessage, closedMembers, lineHash, type Position,
  recordLine,
} from '../../domain/audit-chain.js'
import type { Checkpoints } from '../../ports/audit-log.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { ChainWriter } from './chain-writer.js'
import type { AuditLimits } from './limits.js'

export interface CheckpointerOptions {
  readonly chain: string
  readonly sign: (digest: Uint8Array) => Promise<Uint8Array>
  readonly rootVersion: number
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly log: Log
}

/**
 * Signs where the chain stands, in the chain and in the store. Records are durable without it, so a failure is logged and tried
 * again at the next tick; if it lasts, `healthy` says so.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions
  readonly #writer: ChainWriter
  readonly #limits: AuditLimits
  readonly #publicKey: KeyObject
  /** Last record that a checkpoint in the chain covers; the checkpoint itself stands behind it. */
  #covered = -1
  #unstored: Checkpoint | undefined
  #running: Promise<void> | undefined
  #attemptedAt = 0
  #overdueSince: number | undefined

  constructor(writer: ChainWriter, limits: AuditLimits, options: CheckpointerOptions) {
    this.#writer = writer
    this.#limits = limits
    this.#options = options
    this.#publicKey = createPublicKey({ key: Buffer.from(options.publicKey), format: 'der', type: 'spki' })
  }

  healthy(): boolean {
    return this.#overdueSince === undefined || this.#options.clock.now() - this.#overdueSince <= this.#limits.checkpointOverdueMsMax
  }

  /** After so many records since the last attempt; a failed attempt waits for the tick. */
  due(): boolean {
    return this.#overdueSince === undefined && this.#writer.durable.sequence - this.#attemptedAt >= this.#limits.checkpointRecords
  }

  /** Makes a checkpoint if there are records without one, and stores the one that could not be stored before. Never rejects. */
  tick(): Promise<void> {
    this.#running ??= this.#attempt(() => this.#cover()).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Ends the chain with a `closed` record and the checkpoint that covers it. Nothing may be added meanwhile or later. Never rejects. */
  async close(): Promise<void> {
    await this.#running
    await this.#attempt(() => this.#coverClosed())
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options
    this.#attemptedAt = this.#writer.durable.sequence
    const begunAt = clock.now()
    try {
      await work()
      this.#overdueSince = undefined
    } catch (error) {
      // Not before: a clock that jumps while a checkpoint is being made has not made it late.
      this.#overdueSince ??= begunAt
      log.error('an audit checkpoint could not be made or stored', { chain: this.#options.chain, overdueSince: this.#overdueSince, error })
    }
  }

  async #cover(): Promise<void> {
    const at = this.#writer.durable
    // The record behind the last covered one is the checkpoint itself, which needs none.
    if (at.sequence > this.#covered + 1) {
      const checkpoint = await this.#signed(at)
      if (this.#writer.last.sequence - at.sequence >= checkpointLagMax) throw new Error('the signature came too late for its position')
      await this.#writer.add(checkpointMembers(checkpoint))
      this.#covered = at.sequence
      this.#unstored = checkpoint
    }
    await this.#store()
  }

  /** The `closed` record is only written once it is signed: whoever cuts the chain cannot make it look closed. */
  async #coverClosed(): Promise<void> {
    const { chain, clock } = this.#options
    const closed = closedMembers(new Date(clock.now()).toISOString())
    const { sequence, head } = this.#writer.last
    const checkpoint = await this.#signed({ sequence: sequence + 1, head: lineHash(recordLine(chain, sequence + 1, head, closed)) })
    await Promise.all([this.#writer.add(closed), this.#writer.add(checkpointMembers(checkpoint))])
    this.#unstored = checkpoint
    await this.#store()
  }

  async #store(): Promise<void> {
    if (!this.#unstored) return
    await this.#bounded(this.#options.checkpoints.put(this.#unstored), 'the store')
    this.#unstored = undefined
  }

  async #signed({ sequence, head }: Position): Promise<Checkpoint> {
    const { chain, clock, rootVersion, sign } = this.#options
    const statement = { chain, sequence, head, time: new Date(clock.now()).toISOString(), rootVersion }
    const signature = await this.#bounded(sign(checkpointDigest(statement)), 'the HSM')
    if (!verify('sha256', checkpointMessage(statement), { key: this.#publicKey, dsaEncoding: 'ieee-p1363' }, signature)) {
      throw new Error(`the signature is not of the public key of root/audit version ${rootVersion}`)
    }
    return { ...statement, signature: Buffer.from(signature).toString('base64') }
  }

  async #bounded<T>(work: Promise<T>, who: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${who} did not answer in time`)), this.#limits.checkpointWaitMsMax)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
