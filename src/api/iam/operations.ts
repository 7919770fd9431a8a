// The administration API by operation name: identities, decisions, approvals, events. Its operations have the names of AWS IAM, AWS
// Organizations and AWS CloudTrail where those have one.

import type { Contract } from '../shape.js'
import { createAccount, getAccountAuthorizationDetails, listAccounts } from './accounts.js'
import * as accessKeys from './access-keys.js'
import { approveRequest, getApprovalRequest, listApprovalRequests, rejectRequest } from './approvals.js'
import { explainDecision } from './decisions.js'
import { lookupEvents } from './events.js'
import * as groups from './groups.js'
import * as policies from './policies.js'
import * as roles from './roles.js'
import * as tags from './tags.js'
import * as users from './users.js'

const { policyScope: _, ...policyContracts } = policies

/** A Map, so that a name from the wire can reach nothing else. */
export const iamContracts: ReadonlyMap<string, Contract> = new Map([
  createAccount, listAccounts, getAccountAuthorizationDetails,
  ...Object.values<Contract>(users), ...Object.values<Contract>(groups), ...Object.values<Contract>(roles),
  ...Object.values<Contract>(policyContracts), ...Object.values<Contract>(tags), ...Object.values<Contract>(accessKeys),
  explainDecision,
  listApprovalRequests, getApprovalRequest, approveRequest, rejectRequest,
  lookupEvents,
].map(contract => [contract.name, contract]))

/** Of X-Amz-Target. */
export const iamTargetPrefix = 'ClavigerAdministration.'
