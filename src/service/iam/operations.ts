import { KmsError } from '../../domain/errors.js'
import * as approvals from '../approvals.js'
import { lookupEvents } from '../audit-events.js'
import type { Operation } from '../operation.js'
import * as accessKeys from './access-keys.js'
import { createAccount, getAccountAuthorizationDetails, listAccounts } from './accounts.js'
import { deletePermissionsBoundary, putPermissionsBoundary } from './boundaries.js'
import { explainDecision } from './decisions.js'
import * as groups from './groups.js'
import { attachPolicy, deleteInlinePolicy, detachPolicy, putInlinePolicy } from './holders.js'
import { createPolicy, deletePolicy, getPolicy, listPolicies, updatePolicy } from './policies.js'
import * as roles from './roles.js'
import { tagPrincipal, untagPrincipal } from './tags.js'
import { createUser, deleteUser, getUser, listUsers } from './users.js'

const { createAccessKey, listAccessKeys, updateAccessKey, deleteAccessKey } = accessKeys

const identities: readonly Operation[] = [
  createAccount, listAccounts, getAccountAuthorizationDetails,
  createUser, getUser, listUsers, deleteUser,
  ...Object.values(groups),
  ...Object.values(roles),
  createPolicy, getPolicy, listPolicies, updatePolicy, deletePolicy,
  attachPolicy, detachPolicy, putInlinePolicy, deleteInlinePolicy,
  putPermissionsBoundary, deletePermissionsBoundary,
  tagPrincipal, untagPrincipal,
  createAccessKey, listAccessKeys, updateAccessKey, deleteAccessKey,
  explainDecision,
]
const others: readonly Operation[] = [...Object.values<Operation>(approvals), lookupEvents]

/** The administration API, by name. */
export const iamOperations: ReadonlyMap<string, Operation> = new Map([
  ...identities.map(withoutUserSessions), ...others,
].map(operation => [operation.name, operation]))

/**
 * IAM takes no credentials of GetSessionToken that MFA has not vouched for (STS API Reference, GetSessionToken), and nothing here has MFA:
 * whoever got hold of them for some hours shall not make an access key of it that lasts.
 */
function withoutUserSessions(operation: Operation): Operation {
  return {
    ...operation,
    permissions(input, scope, asking) {
      const { type, session, arn } = asking.caller
      if (type === 'User' && session) {
        throw new KmsError('AccessDeniedException', `User: ${arn} is not authorized to perform: iam:${operation.name} with credentials of `
          + 'GetSessionToken')
      }
      return operation.permissions(input, scope, asking)
    },
  }
}
