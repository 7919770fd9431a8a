import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type ChainLink, emptyChain, lineHash, linksMax, parseRecord, recordBytesMax } from '../../domain/audit-chain.js'
import { readAt } from './read-at.js'
import { type ChainSegments, listChains, type Segment } from './segments.js'

/** What is read of a file's end at first, and at most: two lines and what a crash left of a third. */
const endBytes = 64 * 1024
const endBytesMax = 3 * (recordBytesMax + 1)
/** Longest `start` line: its links and little else. */
const startBytesMax = 64 * 1024

/**
 * How the newest chains of the directory end, as far as no chain says so yet. Mostly that is one: the chain of the process before.
 * After a power failure it is one for each process that was running. Reads only the first line and the end of each chain.
 */
export async function endsToLink(directory: string): Promise<readonly ChainLink[]> {
  const chains = (await listChains(directory)).slice(-linksMax)
  const known = new Set<string>()
  const ends: ChainLink[] = []
  for (const chain of chains) {
    for (const link of await linksOf(directory, chain)) known.add(linkText(link))
    ends.push(await endOf(directory, chain))
  }
  return ends.filter(end => !known.has(linkText(end)))
}

function linkText({ chain, sequence, head, tornBytes }: ChainLink): string {
  return `${chain} ${sequence} ${head} ${tornBytes}`
}

async function linksOf(directory: string, { segments: [first] }: ChainSegments): Promise<readonly ChainLink[]> {
  if (!first) return []
  const line = await withFile(directory, first, async (file) => {
    const bytes = await readAt(file, 0, startBytesMax)
    return bytes.subarray(0, Math.max(0, bytes.indexOf('\n')))
  })
  const record = parseRecord(line)
  return record?.kind === 'start' ? record.start.previous : []
}

/** The files are not changed: whoever verifies them sees what the crash left, and that we saw it too. */
async function endOf(directory: string, { chain, segments }: ChainSegments): Promise<ChainLink> {
  let tornBytes: number | undefined
  for (const segment of segments.toReversed()) {
    const end = await withFile(directory, segment, readEnd)
    tornBytes ??= end.tornBytes
    if (end.lastLine) return { ...position(end.lastLine), chain, tornBytes }
  }
  return { ...emptyChain, chain, tornBytes: tornBytes ?? 0 }
}

/** A line that cannot be read gets sequence 0, which its hash contradicts: the verifier reports it. */
function position(line: Uint8Array): { sequence: number, head: string } {
  return { sequence: parseRecord(line)?.seq ?? 0, head: lineHash(line) }
}

async function readEnd(file: FileHandle): Promise<{ lastLine: Uint8Array | undefined, tornBytes: number }> {
  const { size } = await file.stat()
  for (const length of [endBytes, endBytesMax]) {
    const from = Math.max(0, size - length)
    const bytes = await readAt(file, from, size - from)
    const lineFeed = bytes.lastIndexOf('\n')
    const before = lineFeed > 0 ? bytes.lastIndexOf('\n', lineFeed - 1) : -1
    if (before < 0 && from > 0 && length < endBytesMax) continue
    const tornBytes = lineFeed < 0 ? size : bytes.length - lineFeed - 1
    return { lastLine: lineFeed < 0 ? undefined : bytes.subarray(before + 1, lineFeed), tornBytes }
  }
  return { lastLine: undefined, tornBytes: size }
}

async function withFile<T>(directory: string, { file }: Segment, run: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(join(directory, file), 'r')
  try {
    return await run(handle)
  } finally {
    await handle.close()
  }
}
