import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEvent, type AuditEvent } from '../../domain/audit-chain.js'
import type { AuditEvents, EventPage, EventQuery } from '../../ports/audit-events.js'
import { linesBefore } from './backwards.js'
import { listSegments, segmentBegun } from './segments.js'

/** What one page reads at most, but for a last line: some tenths of a second of work, in steps. */
export const pageBytesMax = 8 * 1024 * 1024
/** A record is written when its call has ended, and tells when it came: longer ago by no more than this. */
const callMsMax = 15 * 60_000

/** A place in the log: everything before it in this file, and every older file, is still to be read. */
interface Place { readonly file: string, readonly end: number }

/**
 * The events in the segments of a directory, from the back. The order is that in which they were written; of processes that write at the
 * same time, segment by segment.
 */
export class AuditFileEvents implements AuditEvents {
  readonly #directory: string
  readonly #pageBytesMax: number

  constructor(directory: string, bytesMax = pageBytesMax) {
    this.#directory = directory
    this.#pageBytesMax = bytesMax
  }

  async read(query: EventQuery): Promise<EventPage> {
    const after = query.after === undefined ? undefined : placeOf(query.after)
    const page = new Page(query, this.#pageBytesMax)
    for (const file of (await listSegments(this.#directory)).toReversed()) {
      // A file may have been taken to an archive since: then what is older comes next.
      if (after && file > after.file) continue
      // Nothing in it is older than the file itself, but for calls that were under way.
      if (query.end !== undefined && segmentBegun(file) > query.end + callMsMax) continue
      const end = await this.#readFile(file, file === after?.file ? after.end : undefined, page)
      if (end !== undefined) return { events: page.events, next: textOf({ file, end }) }
    }
    return { events: page.events, next: undefined }
  }

  /** Answers where in the file the page ended; undefined if there is nothing more in the file. */
  async #readFile(file: string, from: number | undefined, page: Page): Promise<number | undefined> {
    const handle = await openIfThere(join(this.#directory, file))
    if (!handle) return undefined
    try {
      const { size, mtimeMs } = await handle.stat()
      if (page.isBefore(mtimeMs)) return undefined
      return await readBackwards(handle, Math.min(from ?? size, size), page)
    } finally {
      await handle.close()
    }
  }
}

/** A segment may be taken away at any time. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function readBackwards(handle: FileHandle, from: number, page: Page): Promise<number | undefined> {
  for (let end = from; end > 0;) {
    if (page.isFull || page.isSpent) return end
    const { lines, start, bytesRead } = await linesBefore(handle, end)
    page.bytes += bytesRead
    for (const line of lines) {
      const event = parseEvent(line.bytes)
      if (event && page.isBefore(Date.parse(event.eventTime) + callMsMax)) return undefined
      if (event) page.take(event)
      if (page.isFull) return line.start
    }
    end = start
  }
  return undefined
}

class Page {
  readonly events: AuditEvent[] = []
  bytes = 0
  readonly #query: EventQuery
  readonly #bytesMax: number

  constructor(query: EventQuery, bytesMax: number) {
    this.#query = query
    this.#bytesMax = bytesMax
  }

  get isFull(): boolean {
    return this.events.length >= this.#query.limit
  }

  /** What was read is looked at to its end all the same. */
  get isSpent(): boolean {
    return this.bytes >= this.#bytesMax
  }

  /** Whether what was written then is older than all that is asked for. */
  isBefore(time: number): boolean {
    return this.#query.start !== undefined && time < this.#query.start
  }

  take(event: AuditEvent): void {
    if (this.#query.wanted(event)) this.events.push(event)
  }
}

function textOf({ file, end }: Place): string {
  return `${end} ${file}`
}

function placeOf(text: string): Place {
  const space = text.indexOf(' ')
  return { file: text.slice(space + 1), end: Number(text.slice(0, space)) }
}
