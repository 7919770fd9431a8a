import { contract, type Members } from '../shape.js'

/** Of the administration API, beside IAM's own operations: calls that wait for the approval of others. */

export const approvalStatus = ['PENDING', 'EXECUTING', 'DONE', 'FAILED', 'INTERRUPTED', 'REJECTED', 'EXPIRED'] as const

const approvalRequestId = { type: 'string', required: true, min: 36, max: 36, pattern: '[0-9a-f-]+' } as const

const summary = {
  ApprovalRequestId: { type: 'string' },
  Status: { type: 'enum', values: approvalStatus },
  Rule: { type: 'string' },
  Service: { type: 'string' },
  Operation: { type: 'string' },
  Region: { type: 'string' },
  /** Of the keys that the call names. */
  Resources: { type: 'list', of: { type: 'string' } },
  Requester: { type: 'string' },
  AccountId: { type: 'string' },
  CreateDate: { type: 'timestamp' },
  ExpirationDate: { type: 'timestamp' },
  EndDate: { type: 'timestamp' },
  ApprovalsNeeded: { type: 'integer' },
  ApprovalsGiven: { type: 'integer' },
} as const satisfies Members

const decision = {
  Decision: { type: 'enum', values: ['APPROVED', 'REJECTED'] },
  /** ARN of a user or role. */
  Principal: { type: 'string' },
  /** ARN of the session, or of the user again. */
  Caller: { type: 'string' },
  SourceIp: { type: 'string' },
  Date: { type: 'timestamp' },
  RequestId: { type: 'string' },
  Reason: { type: 'string' },
} as const satisfies Members

const outcome = {
  /** Of the audit record of the call, when it was done. */
  RequestId: { type: 'string' },
  /** JSON: what the call answered, without what would be a secret. */
  Output: { type: 'string' },
  ErrorCode: { type: 'string' },
  ErrorMessage: { type: 'string' },
} as const satisfies Members

const whole = {
  ...summary,
  /** Who may approve, as the configuration has it now. */
  Approvers: { type: 'list', of: { type: 'string' } },
  /** JSON, as the call had it. */
  Input: { type: 'string' },
  /** SHA-256 of the text of `Input`, in hex. */
  InputHash: { type: 'string' },
  RequestId: { type: 'string' },
  SourceIp: { type: 'string' },
  UserAgent: { type: 'string' },
  Decisions: { type: 'list', of: { type: 'structure', members: decision } },
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
    ApprovalRequests: { type: 'list', of: { type: 'structure', members: summary } },
    IsTruncated: { type: 'boolean' },
    Marker: { type: 'string' },
  },
  errors: ['InvalidMarkerException'],
})

export const getApprovalRequest = contract({
  name: 'GetApprovalRequest',
  input: { ApprovalRequestId: approvalRequestId },
  output: { ApprovalRequest: { type: 'structure', members: whole } },
  errors: ['NotFoundException'],
})

export const approveRequest = contract({
  name: 'ApproveRequest',
  input: { ApprovalRequestId: approvalRequestId },
  output: { ApprovalRequest: { type: 'structure', members: whole } },
  errors: ['NotFoundException', 'AccessDeniedException', 'KMSInvalidStateException'],
})

export const rejectRequest = contract({
  name: 'RejectRequest',
  input: { ApprovalRequestId: approvalRequestId, Reason: { type: 'string', min: 1, max: 1024 } },
  output: { ApprovalRequest: { type: 'structure', members: whole } },
  errors: ['NotFoundException', 'AccessDeniedException', 'KMSInvalidStateException'],
})
