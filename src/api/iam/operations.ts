// The administration of identities by operation name. Its operations have the names of AWS IAM and AWS Organizations where those have one.

import type { Contract } from '../shape.js'
import { createAccount, getAccountAuthorizationDetails, listAccounts } from './accounts.js'
import * as accessKeys from './access-keys.js'
import { explainDecision } from './decisions.js'
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
].map(contract => [contract.name, contract]))

/** Of X-Amz-Target. */
export const iamTargetPrefix = 'ClavigerAdministration.'
