import type { FileHandle } from 'node:fs/promises'
import { recordBytesMax } from '../../domain/audit-chain.js'
import { readAt } from './read-at.js'

/** Read at once. The lines of one chunk are looked at without letting anybody else in, so it is small. */
export const chunkBytes = 128 * 1024
/** The longest line, its line feed, and the line feed before it. */
const chunkBytesMax = recordBytesMax + 2
const lineFeed = 10

/** A line without its line feed; `start` is where it begins. */
export interface PlacedLine { readonly bytes: Uint8Array, readonly start: number }

export interface Chunk {
  /** The last first. */
  readonly lines: readonly PlacedLine[]
  /** Everything from here on was read. */
  readonly start: number
  readonly bytesRead: number
}

/**
 * Some of the lines that end at or before `end`, from the back. What stands behind the last line feed is no line: it is still being
 * written, or a crash cut it short. A line that is longer than a record may be is passed over.
 */
export async function linesBefore(file: FileHandle, end: number): Promise<Chunk> {
  let bytesRead = 0
  for (let length = chunkBytes; ; length = chunkBytesMax) {
    const from = Math.max(0, end - length)
    const bytes = await readAt(file, from, end - from)
    bytesRead += bytes.length
    const lines = linesOf(bytes, from)
    if (from === 0) return { lines: lines.whole, start: 0, bytesRead }
    if (lines.whole.length > 0) return { lines: lines.whole, start: lines.start, bytesRead }
    if (length >= chunkBytesMax) return { lines: [], start: beforeWhatHasNoEnd(bytes, from), bytesRead }
  }
}

/** Lines whose beginning and end are both there. The first bytes of a file begin a line; other bytes only behind a line feed. */
function linesOf(bytes: Buffer, from: number): { readonly whole: readonly PlacedLine[], readonly start: number } {
  const first = from === 0 ? 0 : bytes.indexOf(lineFeed) + 1
  const whole: PlacedLine[] = []
  if (from > 0 && first === 0) return { whole, start: from }
  for (let end = bytes.lastIndexOf(lineFeed); end >= first;) {
    const before = end === 0 ? -1 : bytes.lastIndexOf(lineFeed, end - 1)
    const start = Math.max(first, before + 1)
    whole.push({ bytes: bytes.subarray(start, end), start: from + start })
    end = before
  }
  return { whole, start: from + first }
}

/** The end of the last line that has one; of none, or of one that has room for nothing else, everything is passed over. */
function beforeWhatHasNoEnd(bytes: Buffer, from: number): number {
  const behind = bytes.lastIndexOf(lineFeed) + 1
  return behind === bytes.length ? from : from + behind
}
