import { emptyChain, lineHash, type Position, recordBytesMax } from '../../domain/audit-chain.js'

/** A batch begins with this much memory, and memory of at most so much is kept for the next one. */
const memoryBytes = 256 * 1024
const keptBytesMax = 4 * 1024 * 1024
const lineFeed = 10

/**
 * Records that reach the disk together: one synchronous write, one promise. Lines are encoded once, into memory that a later batch
 * uses again.
 */
export class Batch {
  records = 0
  bytes = 0
  last: Position = emptyChain
  readonly done: Promise<void>
  #memory: Buffer
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor(memory?: Buffer) {
    this.#memory = memory ?? Buffer.allocUnsafe(memoryBytes)
    this.done = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A batch that nobody has joined may be rejected too; whoever did join still sees the rejection.
    this.done.catch(() => {})
  }

  /** Takes a line without its line feed; answers its hash. */
  add(line: string, sequence: number): Position {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#makeRoom(Math.min(line.length * 3, recordBytesMax) + 1)
    const end = this.bytes + this.#memory.write(line, this.bytes)
    const head = lineHash(this.#memory.subarray(this.bytes, end))
    this.#memory[end] = lineFeed
    this.bytes = end + 1
    this.records++
    this.last = { sequence, head }
    return this.last
  }

  get content(): Buffer {
    return this.#memory.subarray(0, this.bytes)
  }

  /** Ends the batch. Answers its memory, for another. */
  settle(error?: Error): Buffer | undefined {
    if (error) this.#reject(error)
    else this.#resolve()
    return this.#memory.length <= keptBytesMax ? this.#memory : undefined
  }

  #makeRoom(bytes: number): void {
    if (this.bytes + bytes <= this.#memory.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#memory.length * 2, this.bytes + bytes))
    this.#memory.copy(larger, 0, 0, this.bytes)
    this.#memory = larger
  }
}
