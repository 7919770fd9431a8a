// The administration API by operation name.

import * as approvals from './iam/approvals.js'
import { lookupEvents } from './iam/events.js'
import type { Contract } from './shape.js'

export const administrationContracts: ReadonlyMap<string, Contract> = new Map(
  [approvals.listApprovalRequests, approvals.getApprovalRequest, approvals.approveRequest, approvals.rejectRequest, lookupEvents]
    .map((contract: Contract) => [contract.name, contract]),
)
