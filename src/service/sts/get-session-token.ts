import { getSessionToken as contract } from '../../api/sts.js'
import { KmsError } from '../../domain/errors.js'
import { isAccessKeyId } from '../credentials.js'
import { onAccount } from '../operation.js'
import { refuseMfa } from './mfa.js'
import type { SessionClaims } from './session-tokens.js'
import { credentialsOf, endOf } from './temporary-credentials.js'

/** Needs no permission: the session may do what the user may, and no more. */
export const getSessionToken = onAccount(contract, {
  service: 'sts',
  permissions: () => [],
  check: refuseMfa,
  async run({ caller, input }, { sts, clock }) {
    const { type, session, accountId, userName: name, uniqueId: id, accessKeyId } = caller
    if (session) throw new KmsError('AccessDeniedException', 'Cannot call GetSessionToken with session credentials')
    // The session ends with the access key; without one it would have no end but its own.
    if (type !== 'User' || name === undefined || !isAccessKeyId(accessKeyId)) {
      throw new KmsError('AccessDeniedException', 'GetSessionToken is for users, with an access key')
    }
    const now = clock.now()
    const claims: SessionClaims = {
      kind: 'user', accountId, name, id, issuedAt: now, expiresAt: endOf(now, input.DurationSeconds), sourceAccessKeyId: accessKeyId,
    }
    return credentialsOf(await sts.sessionTokens.seal(claims, input.MinimumSessionTokenSize), claims)
  },
})
