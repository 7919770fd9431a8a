import type { ApprovalRequest, ApprovalStatus } from '../domain/approval.js'

/** Calls that wait for approval, and those that did. Rows are authenticated as in ports/keys.ts. */
export interface Approvals {
  get(id: string): Promise<ApprovalRequest | undefined>
  /** false, with nothing written, if the same call of the same caller is pending already. */
  insert(request: ApprovalRequest): Promise<boolean>
  /** The pending one that is the same call of the same caller. */
  twin(request: ApprovalRequest): Promise<ApprovalRequest | undefined>
  /** Writes it as `revision + 1`. Throws StaleWriteError (ports/keys.ts) if the stored revision is another. */
  update(request: ApprovalRequest): Promise<ApprovalRequest>
  /** Newest first, behind `after`. */
  list(filter: ApprovalFilter, after: string | undefined, limit: number): Promise<readonly ApprovalRequest[]>
  countPending(accountId: string): Promise<number>
  /** Those that have to end (pending, and expired at `now`) or may have to (executing), oldest first, behind `after`. */
  unsettled(now: number, after: Unsettled | undefined, limit: number): Promise<readonly Unsettled[]>
  /** Answers how many there were. */
  removeEndedBefore(time: number): Promise<number>
}

/** Where such a one stands; nothing of it was verified yet. */
export interface Unsettled { readonly id: string, readonly createdAt: number }

/** Of this account, or under one of these rules. */
export interface ApprovalFilter {
  readonly accountId: string
  readonly rules: readonly string[]
  /** As of `now` (domain/approval.ts, `statusAt`); undefined: any. */
  readonly status?: ApprovalStatus | undefined
  readonly now: number
}

/** Where a request stands in the list: what `list` takes as `after`. */
export function approvalPosition({ createdAt, id }: Pick<ApprovalRequest, 'createdAt' | 'id'>): string {
  return `${createdAt} ${id}`
}
