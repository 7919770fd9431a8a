import type { Seeded } from './seeded.js'

/** A copy with one byte changed; `difference` is 1 to 255. */
export function altered(bytes: Buffer, at: number, difference: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ difference
  return copy
}

/** A byte changed, a few bytes taken away, put in, or repeated. */
export function mutated(bytes: Buffer, random: Seeded): Buffer {
  const at = random.below(bytes.length)
  const end = at + random.below(8)
  const kinds = [
    () => altered(bytes, at, 1 + random.below(255)),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]),
    () => Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(8)), bytes.subarray(at)]),
    () => Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]),
  ]
  return random.pick(kinds)()
}

/** As the value of a header can hold it. */
export function visible(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '~')
}
