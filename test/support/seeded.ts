import { createHash } from 'node:crypto'

/** Choices that look random and can be had again from the same seed. */
export interface Seeded {
  /** 0 to max - 1. */
  below(max: number): number
  bytes(length: number): Buffer
  pick<T>(items: readonly T[]): T
  /** True once in so many times. */
  oneIn(times: number): boolean
}

/** What TEST_SEED says, else another seed in every run. A failing test prints it (see printSeedOfFailures). */
export const seed = process.env.TEST_SEED ?? String(Date.now())

/** SHA-256 in counter mode over seed and name: tests of other names do not disturb each other's choices. */
export function seeded(name: string): Seeded {
  let counter = 0
  let block = Buffer.alloc(0)
  function bytes(length: number): Buffer {
    const parts: Buffer[] = []
    for (let missing = length; missing > 0;) {
      if (block.length === 0) block = createHash('sha256').update(`${seed} ${name} ${counter++}`).digest()
      const part = block.subarray(0, missing)
      parts.push(part)
      block = block.subarray(part.length)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }
  const below = (max: number) => bytes(6).readUIntBE(0, 6) % max
  return {
    below, bytes,
    pick: items => items[below(items.length)] as (typeof items)[number],
    oneIn: times => below(times) === 0,
  }
}

/** To be called inside a `describe`. */
export function printSeedOfFailures(): void {
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(`      to have the same choices again: TEST_SEED=${seed}`)
  })
}
