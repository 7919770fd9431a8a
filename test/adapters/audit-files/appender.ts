import { readFileSync, writeSync } from 'node:fs'
import { event, openLog, signerOfPem } from './support.js'

/**
 * A process that appends until it is killed or the log fails: `node appender.js <directory>`, the private key as PEM on stdin.
 * Prints the id of each acknowledged event on a line of its own; at a failure what came of it, as JSON. With `recover` behind the
 * directory it then waits until the log is healthy again, and appends one more.
 */
const [, , directory = '', recover] = process.argv
const concurrency = 16

const log = await openLog(directory, signerOfPem(readFileSync(0, 'utf8')), {
  limits: { segmentBytesMax: 40_000, checkpointRecords: 50, ...recover && { checkpointMs: 50 } },
})
await Promise.all(Array.from({ length: concurrency }, (_, worker) => append(worker)))
const again = await log.append(event('after the failure')).then(() => 'written', () => 'refused')
print(JSON.stringify({ healthy: log.healthy(), again }))
if (recover) {
  while (!log.healthy()) await new Promise(resolve => setTimeout(resolve, 10))
  await log.append(event('recovered'))
  print('recovered')
}
await log.close()

async function append(worker: number): Promise<void> {
  for (let at = 0; ; at++) {
    const id = `${process.pid}-${worker}-${at}`
    try {
      await log.append(event(id))
    } catch {
      return
    }
    print(id)
  }
}

function print(line: string): void {
  writeSync(1, `${line}\n`)
}
