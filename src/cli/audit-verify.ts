import { databaseFile } from '../compose.js'
import { readConfig } from '../config.js'
import { verifyAuditLog } from '../inspect.js'
import { exitCodes, print, type OutputOptions } from './output.js'

interface VerifyOptions extends OutputOptions { readonly directory?: string, readonly publicKey?: string }

/** Verifies the audit log. Exit code 1 when anything was found, 2 when there is nothing to verify it by or on. */
export async function auditVerify({ directory, publicKey, ...options }: VerifyOptions): Promise<void> {
  const config = readConfig()
  const result = await verifyAuditLog({
    directory: directory ?? config.audit.directory,
    publicKeyFile: publicKey,
    // A log that lies elsewhere may be another installation's, of which our store knows nothing.
    databaseFile: directory === undefined ? databaseFile(config) : undefined,
  })
  print(options, result, () => [
    ...result.findings.map(({ file, line, what }) => `${file}${line > 0 ? `:${line}` : ''}: ${what}`),
    ...result.findingsLeftOut > 0 ? [`and ${result.findingsLeftOut} more`] : [],
    ...result.keys.map(({ rootVersion, fingerprint, from }) =>
      `key ${rootVersion} ${from === 'directory' ? '(as found beside the log) ' : ''}SHA-256 ${fingerprint}`),
    // Its end could have been cut off without a trace, if no checkpoint kept elsewhere has seen it.
    ...result.chains.filter(({ closed }) => !closed).map(({ chain, records, uncovered }) =>
      `chain ${chain}: not closed (still running, or it crashed); ${uncovered} of ${records} records come after the last checkpoint`),
    `${result.ok ? 'verified' : 'NOT VERIFIED'}: `
      + `${result.records} records, ${result.checkpoints} checkpoints, ${result.chains.length} chains`,
  ])
  if (!result.ok) process.exitCode = exitCodes.bad
}
