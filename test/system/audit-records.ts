import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A record of a call, as it stands in the log. */
export interface CallEvent {
  readonly eventName: string
  readonly eventType: string
  readonly requestID?: string
  readonly errorCode?: string
  readonly [member: string]: unknown
}

/** The text of every segment of a data directory's audit log. */
export function auditText(dataDir: string): string {
  const directory = join(dataDir, 'audit')
  const files = readdirSync(directory).filter(name => name.endsWith('.jsonl')).sort()
  return files.map(name => readFileSync(join(directory, name), 'utf8')).join('')
}

/** What was recorded of calls and of the service's own acts, in order; without the chain's own records. */
export function auditEvents(dataDir: string): readonly CallEvent[] {
  const records = auditText(dataDir).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)
  return records.filter((record): record is CallEvent => 'eventName' in record)
}
