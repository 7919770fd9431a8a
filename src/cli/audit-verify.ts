import { databaseFile } from '../compose.js'
import { readConfig } from '../config.js'
import { verifyAuditLog } from '../inspect.js'
import { exitCodes, print, type OutputOptions } from './output.js'

interface VerifyOptions extends OutputOptions { readonly directory?: string, readonly publicKey?: string }

/** Verifies the audit log. Exit code 1 when anything was found. */
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
    ...result.chains.filter(({ uncovered }) => uncovered > 0).map(({ chain, uncovered }) =>
      `chain ${chain}: the last ${uncovered} records are not covered by a checkpoint yet`),
    `${result.ok ? 'verified' : 'NOT VERIFIED'}: ${result.records} records, ${result.checkpoints} checkpoints, ${result.chains.length} chains`,
  ])
  if (!result.ok) process.exitCode = exitCodes.bad
}
