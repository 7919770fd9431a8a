import type { ServerAddress } from '../support/server.js'
import { rawRequest, type RawAnswer } from './raw-request.js'

/** An operation of the administration API, and its input as it stands on the wire. */
export function administration(
  by: Pick<ServerAddress, 'url' | 'admin' | 'clock'>, operation: string, input: unknown, service = 'iam',
): Promise<RawAnswer> {
  return rawRequest(by, { input, scope: { service }, headers: { 'x-amz-target': `ClavigerAdministration.${operation}` } })
}
