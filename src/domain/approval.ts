import { originOf, type Caller, type PrincipalTag } from './caller.js'

/**
 * A call that waits for others (M of N). It is what it was when it was asked for, and nobody changes that: only its status, the decisions
 * about it, and in the end its outcome come in addition. Times are milliseconds since the epoch.
 */
export interface ApprovalRequest {
  readonly id: string
  /** Counts writes: a write names the revision it was decided on, and fails if another came first. */
  readonly revision: number
  /** Name of the rule of the configuration that made it wait, and that says who may approve. */
  readonly rule: string
  readonly service: string
  readonly operation: string
  readonly region: string
  readonly requester: Requester
  /** Where the call came from: what policies were told then they are told again. */
  readonly origin: RequestOrigin
  /** As the answer and the audit record named the call. */
  readonly requestId: string
  /** JSON: the members of the call, every one and nothing else. */
  readonly input: string
  /** SHA-256 of that text, hex. */
  readonly inputHash: string
  /** ARNs of the keys that the call named: an alias that names another by then is not what was approved. */
  readonly keys: readonly string[]
  readonly createdAt: number
  readonly expiresAt: number
  readonly status: ApprovalStatus
  readonly decisions: readonly ApprovalDecision[]
  /** The process that is at it. */
  readonly owner?: string
  readonly endedAt?: number
  readonly outcome?: ApprovalOutcome
}

/**
 * `PENDING` becomes `EXECUTING` with the last approval that it needs, and that `DONE` or `FAILED`; or `REJECTED` or `EXPIRED`. What a crash
 * left in `EXECUTING` becomes `INTERRUPTED`: it may have taken effect or not, and is never tried again.
 */
export type ApprovalStatus = 'PENDING' | 'EXECUTING' | 'DONE' | 'FAILED' | 'INTERRUPTED' | 'REJECTED' | 'EXPIRED'

/** Who asked: all that must be remembered to find out later whether they may. */
export interface Requester {
  readonly type: 'User' | 'AssumedRole' | 'Account'
  readonly arn: string
  readonly principalArn: string
  readonly accountId: string
  readonly uniqueId: string
  readonly accessKeyId: string
  /** Who is behind it (caller.ts). */
  readonly origin: string
  readonly session?: RequesterSession
}

export interface RequesterSession {
  readonly name: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** Documents of session policies. */
  readonly policies?: readonly { readonly name: string, readonly document: string }[]
  readonly tags: readonly PrincipalTag[]
  readonly sourceIdentity?: string
  readonly transitiveTagKeys?: readonly string[]
  readonly provider?: string
}

export interface RequestOrigin {
  readonly sourceIp: string
  readonly userAgent: string
  readonly secureTransport: boolean
  readonly referer?: string
}

export interface ApprovalDecision {
  readonly decision: 'APPROVED' | 'REJECTED'
  /** ARN of the user or role; its sessions are one. */
  readonly principalArn: string
  readonly uniqueId: string
  readonly origin: string
  readonly callerArn: string
  readonly sourceIp: string
  readonly secureTransport?: boolean
  /** What must be known to find out later whether it still may; an approval without it counts no more. */
  readonly approver?: Requester
  readonly at: number
  readonly requestId: string
  readonly reason?: string
}

export interface ApprovalOutcome {
  /** Of the audit record. */
  readonly requestId: string
  /** JSON, without what must not be kept. */
  readonly output?: string
  readonly errorCode?: string
  readonly errorMessage?: string
}

/** A rule of the configuration. */
export interface ApprovalRule {
  readonly name: string
  readonly operations: readonly string[]
  /** M. */
  readonly approvals: number
  /** N ARNs of users and roles. */
  readonly approvers: readonly string[]
  /** Whose calls it covers, and calls about whose keys and identities; undefined: everybody's. */
  readonly accounts?: readonly string[]
  readonly expiresMs: number
}

export function covers({ operations, accounts }: ApprovalRule, operation: string, accountId: string): boolean {
  return operations.includes(operation) && (accounts === undefined || accounts.includes(accountId))
}

/** A time that has come ends a request, whether or not anybody has written that down yet. */
export function statusAt({ status, expiresAt }: Pick<ApprovalRequest, 'status' | 'expiresAt'>, now: number): ApprovalStatus {
  return status === 'PENDING' && now >= expiresAt ? 'EXPIRED' : status
}

type Principal = Pick<Requester, 'principalArn' | 'uniqueId' | 'origin'>

/** Whether it is one and the same user or role, under whatever session, or somebody who has become both. */
export function isSamePrincipal(one: Principal, other: Principal): boolean {
  return one.principalArn === other.principalArn || one.uniqueId === other.uniqueId || one.origin === other.origin
}

export function actingPrincipal(caller: Caller): Principal {
  return { principalArn: caller.principalArn, uniqueId: caller.uniqueId, origin: originOf(caller) }
}

/**
 * The approvals that count under a rule: of those whom it names now, each once, however many roles they are, and never of the requester.
 * Whether they still exist is for the caller to see.
 */
export function countedApprovals({ decisions, requester }: ApprovalRequest, { approvers }: ApprovalRule): readonly ApprovalDecision[] {
  const counted: ApprovalDecision[] = []
  for (const one of decisions) {
    if (one.decision !== 'APPROVED' || !approvers.includes(one.principalArn) || isSamePrincipal(one, requester)) continue
    if (!counted.some(other => isSamePrincipal(one, other))) counted.push(one)
  }
  return counted
}
