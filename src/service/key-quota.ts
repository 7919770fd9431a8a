import { KmsError } from '../domain/errors.js'
import type { Scope } from '../domain/key-ref.js'
import { keysPerAccountMax } from '../domain/key.js'
import type { Services } from './services.js'

/**
 * Throws LimitExceededException if an account has as many keys in the region as it may have. Calls at the same time do not see each other's
 * key: an account may come to have a few more.
 */
export async function checkKeyQuota({ accountId, region }: Scope, { store }: Pick<Services, 'store'>): Promise<void> {
  if (await store.keys.countOf(accountId, region) < keysPerAccountMax) return
  throw new KmsError('LimitExceededException', `The account has ${keysPerAccountMax} KMS keys in ${region}, as many as it may have.`)
}
