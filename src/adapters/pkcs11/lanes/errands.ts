import { HsmError, type Hsm, type LaneStatus } from '../../../ports/hsm.js'

/** A process of its own is kept for the next errand for so long. */
const idleMsMax = 60_000

/** What an inline host must not do itself is done by a lane that is opened when it is needed and closed when it is not any more. */
export class Errands {
  readonly #openLane: () => Promise<Hsm>
  #lane: Promise<Hsm> | undefined
  #opened: Hsm | undefined
  #under = 0
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(openLane: () => Promise<Hsm>) {
    this.#openLane = openLane
  }

  async run<T>(errand: (hsm: Hsm) => Promise<T>): Promise<T> {
    if (this.#closed) throw new HsmError('lost', 'the HSM was closed')
    clearTimeout(this.#idle)
    this.#under += 1
    try {
      return await errand(await this.#open())
    } finally {
      this.#under -= 1
      if (this.#under === 0 && !this.#closed) this.#idle = setTimeout(() => { void this.#end() }, idleMsMax).unref()
    }
  }

  /** Or is being opened. */
  get isRunning(): boolean {
    return this.#lane !== undefined
  }

  lanes(): readonly LaneStatus[] {
    return this.#opened?.status().lanes ?? []
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    await this.#end()
  }

  async #open(): Promise<Hsm> {
    this.#lane ??= this.#openLane()
    try {
      this.#opened = await this.#lane
      return this.#opened
    } catch (error) {
      this.#lane = undefined
      throw error
    }
  }

  async #end(): Promise<void> {
    const lane = this.#lane
    this.#lane = this.#opened = undefined
    await (await lane?.catch(() => undefined))?.close()
  }
}
