import { contract, type Members } from '../shape.js'

/** Of the administration API, beside IAM's own operations: calls that wait for the approval of others. */

export const approvalStatus = ['PENDING', 'EXECUTING', 'DONE', 'FAILED', 'INTERRUPTED', 'REJECTED', 'EXPIRED'] as const

const approvalRequestId = { type: 'string', required: true, min: 36, max: 36, pattern: '[0-9a-f-]+' } as const

const summary = {
  ApprovalRequestId: { type: 'string', required: true },
  Status: { type: 'enum', required: true, values: approvalStatus },
  Rule: { type: 'string', required: true },
  Service: { type: 'string', required: true },
  Operation: { type: 'string', required: true },
  Region: { type: 'string', required: true },
  /** Of the keys that the call names. */
  Resources: { type: 'list', required: true, of: { type: 'string' } },
  Requester: { type: 'string', required: true },
  AccountId: { type: 'string', required: true },
  CreateDate: { type: 'timestamp', required: true },
  ExpirationDate: { type: 'timestamp', required: true },
  EndDate: { type: 'timestamp' },
  ApprovalsNeeded: { type: 'integer' },
  ApprovalsGiven: { type: 'integer' },
} as const satisfies Members

const decision = {
  Decision: { type: 'enum', required: true, values: ['APPROVED', 'REJECTED'] },
  /** ARN of a user or role. */
  Principal: { type: 'string', required: true },
  /** ARN of the session, or of the user again. */
  Caller: { type: 'string', required: true },
  SourceIp: { type: 'string', required: true },
  Date: { type: 'timestamp', required: true },
  RequestId: { type: 'string', required: true },
  Reason: { type: 'string' },
} as const satisfies Members

const outcome = {
  /** Of the audit record of the call, when it was done. */
  RequestId: { type: 'string', required: true },
  /** JSON: what the call answered, without what would be a secret. */
  Output: { type: 'string' },
  ErrorCode: { type: 'string' },
  ErrorMessage: { type: 'string' },
} as const satisfies Members

const whole = {
  ...summary,
  /** Who may approve, as the configuration has it now. */
  Approvers: { type: 'list', required: true, of: { type: 'string' } },
  /** Those of them that there are not; absent when all are there. */
  MissingApprovers: { type: 'list', of: { type: 'string' } },
  /** JSON, as the call had it. */
  Input: { type: 'string', required: true },
  /** SHA-256 of the text of `Input`, in hex. */
  InputHash: { type: 'string', required: true },
  RequestId: { type: 'string', required: true },
  SourceIp: { type: 'string', required: true },
  UserAgent: { type: 'string', required: true },
  Decisions: { type: 'list', required: true, of: { type: 'structure', members: decision } },
  Outcome: { type: 'structure', members: outcome },
} as const satisfies Members

export const listApprovalRequests = contract({
  name: 'ListApprovalRequests',
  input: {
    Status: { type: 'enum', values: approvalStatus },
    MaxItems: { type: 'integer', min: 1, max: 1000, default: 100 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    ApprovalRequests: { type: 'list', required: true, of: { type: 'structure', members: summary } },
    IsTruncated: { type: 'boolean' },
    Marker: { type: 'string' },
  },
  errors: ['InvalidMarkerException'],
})

export const getApprovalRequest = contract({
  name: 'GetApprovalRequest',
  input: { ApprovalRequestId: approvalRequestId },
  output: { ApprovalRequest: { type: 'structure', required: true, members: whole } },
  errors: ['NotFoundException'],
})

export const approveRequest = contract({
  name: 'ApproveRequest',
  input: { ApprovalRequestId: approvalRequestId },
  output: { ApprovalRequest: { type: 'structure', required: true, members: whole } },
  errors: ['NotFoundException', 'AccessDeniedException', 'KMSInvalidStateException'],
})

export const rejectRequest = contract({
  name: 'RejectRequest',
  input: { ApprovalRequestId: approvalRequestId, Reason: { type: 'string', min: 1, max: 1024 } },
  output: { ApprovalRequest: { type: 'structure', required: true, members: whole } },
  errors: ['NotFoundException', 'AccessDeniedException', 'KMSInvalidStateException'],
})
