import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { recordBytesMax } from '../../domain/audit-chain.js'
import type { LogLine } from '../../domain/audit-verify.js'

const chunkBytes = 256 * 1024
const lineFeed = 10
/** A running process may be in the middle of a write: the end of a file so fresh is looked at once more after a while. */
const freshMs = 1000
const unfinishedWaitMs = 100

/** Lines without their line feeds. One longer than a record may be comes shortened, and not complete. */
export async function* readLines(path: string): AsyncGenerator<LogLine> {
  const file = await open(path, 'r')
  const splitter = new Splitter()
  try {
    for (let waited = false; ;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, null)
      yield* splitter.lines(buffer.subarray(0, bytesRead))
      if (bytesRead > 0) continue
      if (splitter.rest.length === 0 || waited || !await isFresh(file)) break
      waited = true
      await setTimeout(unfinishedWaitMs)
    }
    if (splitter.rest.length > 0) yield { bytes: splitter.rest, complete: false }
  } finally {
    await file.close()
  }
}

async function isFresh(file: FileHandle): Promise<boolean> {
  return Math.abs(Date.now() - (await file.stat()).mtimeMs) < freshMs
}

class Splitter {
  /** What stands behind the last line feed; no more than shows that it is too long for a record. */
  rest: Buffer = Buffer.alloc(0)

  #joined(piece: Buffer): Buffer {
    if (this.rest.length === 0) return piece
    if (this.rest.length > recordBytesMax) return this.rest
    return Buffer.concat([this.rest, piece])
  }

  *lines(chunk: Buffer): Generator<LogLine> {
    let from = 0
    for (let to = chunk.indexOf(lineFeed); to >= 0; to = chunk.indexOf(lineFeed, from)) {
      const bytes = this.#joined(chunk.subarray(from, to))
      this.rest = Buffer.alloc(0)
      yield { bytes, complete: bytes.length <= recordBytesMax }
      from = to + 1
    }
    this.rest = this.#joined(chunk.subarray(from))
  }
}
