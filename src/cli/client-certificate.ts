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
