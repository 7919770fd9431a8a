import type { Readable } from 'node:stream'
import type { Log } from '../../../ports/log.js'

const lineCharactersMax = 500
const linesPerMinuteMax = 60
const minuteMs = 60_000

/** Vendors' libraries print. Their lines go to the log, as far as they are few and short; all is read, so that nobody waits for us. */
export function logOutput(stream: Readable, log: Log): void {
  let rest = ''
  let [lines, minute] = [0, 0]
  const tell = (line: string): void => {
    const now = Math.floor(performance.now() / minuteMs)
    if (now !== minute) [lines, minute] = [0, now]
    lines += 1
    if (lines <= linesPerMinuteMax) log.warn('the HSM library printed', { line: line.slice(0, lineCharactersMax) })
  }
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const pieces = (rest + text).split('\n')
    rest = (pieces.pop() ?? '').slice(0, lineCharactersMax)
    for (const line of pieces) if (line.trim() !== '') tell(line)
  })
}
