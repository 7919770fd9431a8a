import type { AuditEvent } from '../../src/domain/audit-chain.js'
import type { AuditLog } from '../../src/ports/audit-log.js'
import type { Log, LogFields } from '../../src/ports/log.js'

/** An audit log that keeps its events in memory, to be looked at. What its files hold is tested with the adapter. */
export class RecordedAudit implements AuditLog {
  readonly events: AuditEvent[] = []
  isHealthy = true

  async append(event: AuditEvent): Promise<void> {
    this.events.push(event)
  }

  healthy(): boolean {
    return this.isHealthy
  }

  async close(): Promise<void> {}
}

export interface LogEntry { readonly level: keyof Log, readonly message: string, readonly fields: LogFields | undefined }

/** An application log that keeps its entries in memory. */
export class RecordedLog implements Log {
  readonly entries: LogEntry[] = []

  debug(message: string, fields?: LogFields): void {
    this.entries.push({ level: 'debug', message, fields })
  }

  info(message: string, fields?: LogFields): void {
    this.entries.push({ level: 'info', message, fields })
  }

  warn(message: string, fields?: LogFields): void {
    this.entries.push({ level: 'warn', message, fields })
  }

  error(message: string, fields?: LogFields): void {
    this.entries.push({ level: 'error', message, fields })
  }
}
