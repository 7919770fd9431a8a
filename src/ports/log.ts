/** The application log. Never give it plaintext, key bytes, PINs or secrets; the audit log is another thing (ports/audit-log.ts). */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, unknown>>
