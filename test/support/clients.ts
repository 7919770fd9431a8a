import { KMS, KMSServiceException, type KMSClientConfig } from '@aws-sdk/client-kms'
import type { ServerAddress } from './server.js'

/** The SDK's own client with the administrator's credentials, and with the server's clock wherever that was moved to. */
export function kmsClient({ url, admin, clock }: Pick<ServerAddress, 'url' | 'admin' | 'clock'>, overrides: KMSClientConfig = {}): KMS {
  const { accessKeyId, secretAccessKey, region } = admin
  const client = new KMS({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey }, ...overrides })
  // The SDK corrects it by the Date of every answer; a clock that moved since would cost a refusal and another attempt.
  Object.defineProperty(client.config, 'systemClockOffset', { get: () => clock.now() - Date.now(), set: () => {} })
  return client
}

export interface Refusal { readonly code: string, readonly message: string }

/** How the service refused a call; throws when it did not. The SDK's stand-in for a missing message is taken out. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof KMSServiceException)) throw error
    return { code: error.name, message: error.message === 'UnknownError' ? '' : error.message }
  }
  throw new Error('the call was not refused')
}
