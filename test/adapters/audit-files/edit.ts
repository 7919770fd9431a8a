import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Checkpoint, checkpointDigest, checkpointMembers, lineHash, parseRecord, recordLine,
} from '../../../src/domain/audit-chain.js'
import { event, type Signer } from './support.js'

/** Changes the complete lines of a file; what stands behind the last line feed is kept. */
export async function editLines(directory: string, file: string, edit: (lines: string[]) => unknown): Promise<void> {
  const path = join(directory, file)
  const lines = (await readFile(path, 'utf8')).split('\n')
  const rest = lines.pop() ?? ''
  edit(lines)
  await put(path, Buffer.from(lines.map(line => `${line}\n`).join('') + rest))
}

/** As of some time ago, so that nobody takes the file for one that is being written. */
export async function put(path: string, content: Buffer): Promise<void> {
  await writeFile(path, content)
  await utimes(path, new Date(0), new Date(0))
}

export function withCheckpoint(line = '', edit: (checkpoint: Checkpoint) => Checkpoint): string {
  const record = parseRecord(Buffer.from(line))
  if (record?.kind !== 'checkpoint') throw new Error('not a checkpoint')
  return recordLine(record.chain, record.seq, record.prev, checkpointMembers(edit(record.checkpoint)))
}

export async function resignLast(directory: string, file: string, signer: Signer): Promise<void> {
  const last = (await readFile(join(directory, file), 'utf8')).split('\n').at(-2)
  const record = parseRecord(Buffer.from(last ?? ''))
  if (record?.kind !== 'checkpoint') throw new Error('not a checkpoint')
  const signature = Buffer.from(await signer.sign(checkpointDigest(record.checkpoint))).toString('base64')
  await editLines(directory, file, lines => lines.splice(-1, 1, withCheckpoint(last, of => ({ ...of, signature }))))
}

/** What an attacker can do without the key: an event that follows from the last line. */
export function nextLine(line = ''): string {
  const record = parseRecord(Buffer.from(line))
  if (!record) throw new Error('not a record')
  return recordLine(record.chain, record.seq + 1, lineHash(line), JSON.stringify(event('forged')))
}

export async function relink(directory: string, files: readonly string[], edit: (line: string, seq: number) => string): Promise<void> {
  let prev = '0'.repeat(64)
  for (const file of files) {
    await editLines(directory, file, lines => lines.forEach((line, at) => {
      const seq = parseRecord(Buffer.from(line))?.seq ?? 0
      lines[at] = edit(line, seq).replace(/"prev":"[0-9a-f]{64}"\}$/, `"prev":"${prev}"}`)
      prev = lineHash(lines[at] ?? '')
    }))
  }
}
