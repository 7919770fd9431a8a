import { getCallerIdentity as contract } from '../../api/sts.js'
import { onAccount } from '../operation.js'

/** Needs no permission, and nothing can deny it (STS API Reference). */
export const getCallerIdentity = onAccount(contract, {
  service: 'sts',
  readOnly: true,
  permissions: () => [],
  run: async ({ caller: { userId, accountId, arn } }) => ({ UserId: userId, Account: accountId, Arn: arn }),
})
