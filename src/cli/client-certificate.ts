import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { UnusableInput } from '../inspect.js'

/**
 * For a server that requires a client certificate: the one in the files that CLAVIGER_CLIENT_CERTIFICATE and CLAVIGER_CLIENT_KEY name, as
 * part of an SDK's configuration. It opens the connection and says nothing of who calls: commands are signed as ever.
 */
export function withClientCertificate(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): { readonly requestHandler?: { readonly httpsAgent: Agent } } {
  const { CLAVIGER_CLIENT_CERTIFICATE: certificate, CLAVIGER_CLIENT_KEY: key } = environment
  if (!certificate && !key) return {}
  if (!certificate || !key) throw new UnusableInput('CLAVIGER_CLIENT_CERTIFICATE and CLAVIGER_CLIENT_KEY are needed together')
  try {
    return { requestHandler: { httpsAgent: new Agent({ keepAlive: true, cert: readFileSync(certificate), key: readFileSync(key) }) } }
  } catch (error) {
    throw new UnusableInput(`the client certificate cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

const tlsAlert = /^ERR_SSL_TLSV1\w*CERTIFICATE_REQUIRED$/

/** What may be wrong where a server ended the connection: in TLS 1.3 one that requires a certificate does so without a word. */
export function certificateHint(
  endpoint: string, error: unknown, environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const { code } = error as { readonly code?: unknown }
  const isEnded = code === 'ECONNRESET' || code === 'EPIPE' || (typeof code === 'string' && tlsAlert.test(code))
  if (!isEnded || !endpoint.startsWith('https:') || environment.CLAVIGER_CLIENT_CERTIFICATE) return undefined
  return 'if this server requires a client certificate, name it with CLAVIGER_CLIENT_CERTIFICATE and CLAVIGER_CLIENT_KEY'
}
