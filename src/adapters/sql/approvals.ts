import { createHash } from 'node:crypto'
import type { ExpressionBuilder, Kysely } from 'kysely'
import type { ApprovalRequest, ApprovalStatus } from '../../domain/approval.js'
import type { ApprovalFilter, Approvals, Unsettled } from '../../ports/approvals.js'
import { StaleWriteError } from '../../ports/keys.js'
import type { AuthenticatedRows } from './rows.js'
import type { ApprovalRequestRow, Tables } from './schema.js'

export class SqlApprovals implements Approvals {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(id: string): Promise<ApprovalRequest | undefined> {
    return this.#one(await this.#db.selectFrom('approval_requests').selectAll().where('id', '=', id).executeTakeFirst())
  }

  async insert(request: ApprovalRequest): Promise<boolean> {
    const row = await this.#rows.sign('approval_requests', columnsOf(request))
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('approval_requests').values(row)
      .onConflict(conflict => conflict.column('pending_key').doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async twin(request: ApprovalRequest): Promise<ApprovalRequest | undefined> {
    return this.#one(await this.#db.selectFrom('approval_requests').selectAll()
      .where('pending_key', '=', callOf(request)).executeTakeFirst())
  }

  async update(request: ApprovalRequest): Promise<ApprovalRequest> {
    const changed = { ...request, revision: request.revision + 1 }
    const row = await this.#rows.sign('approval_requests', columnsOf(changed))
    const { numUpdatedRows } = await this.#db.updateTable('approval_requests').set(row)
      .where('id', '=', request.id).where('revision', '=', request.revision).executeTakeFirst()
    if (numUpdatedRows !== 1n) throw new StaleWriteError(`approval request ${request.id} is another by now`)
    return changed
  }

  async list(filter: ApprovalFilter, after: string | undefined, limit: number): Promise<readonly ApprovalRequest[]> {
    const [time, id] = after?.split(' ', 2) ?? []
    const rows = await this.#db.selectFrom('approval_requests').selectAll()
      .where(eb => eb.or([
        eb('account_id', '=', filter.accountId), ...filter.rules.length > 0 ? [eb('rule', 'in', [...filter.rules])] : [],
      ]))
      .where(eb => statusIs(eb, filter))
      .$if(id !== undefined, query => query.where(eb => eb.or([
        eb('created_at', '<', Number(time)),
        eb.and([eb('created_at', '=', Number(time)), eb('id', '<', id ?? '')]),
      ])))
      .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit)
      .execute()
    await this.#rows.verifyAll('approval_requests', rows)
    return rows.map(requestOf)
  }

  async countPending(accountId: string): Promise<number> {
    const { count } = await this.#db.selectFrom('approval_requests').select(({ fn }) => fn.countAll().as('count'))
      .where('account_id', '=', accountId).where('status', '=', 'PENDING').executeTakeFirstOrThrow()
    return Number(count)
  }

  async unsettled(now: number, after: Unsettled | undefined, limit: number): Promise<readonly Unsettled[]> {
    const rows = await this.#db.selectFrom('approval_requests').select(['id', 'created_at'])
      .where(eb => eb.or([eb('status', '=', 'EXECUTING'), eb.and([eb('status', '=', 'PENDING'), eb('expires_at', '<=', now)])]))
      .$if(after !== undefined, query => query.where(eb => eb.or([
        eb('created_at', '>', after?.createdAt ?? 0),
        eb.and([eb('created_at', '=', after?.createdAt ?? 0), eb('id', '>', after?.id ?? '')]),
      ])))
      .orderBy('created_at').orderBy('id').limit(limit).execute()
    return rows.map(({ id, created_at: createdAt }) => ({ id, createdAt }))
  }

  async removeEndedBefore(time: number): Promise<number> {
    const { numDeletedRows } = await this.#db.deleteFrom('approval_requests').where('ended_at', '<', time).executeTakeFirst()
    return Number(numDeletedRows)
  }

  async #one(row: ApprovalRequestRow | undefined): Promise<ApprovalRequest | undefined> {
    if (!row) return undefined
    await this.#rows.verify('approval_requests', row)
    return requestOf(row)
  }
}

function statusIs(eb: ExpressionBuilder<Tables, 'approval_requests'>, { status, now }: ApprovalFilter) {
  if (status === undefined) return eb.lit(true)
  if (status === 'PENDING') return eb.and([eb('status', '=', 'PENDING'), eb('expires_at', '>', now)])
  if (status !== 'EXPIRED') return eb('status', '=', status)
  return eb.or([eb('status', '=', 'EXPIRED'), eb.and([eb('status', '=', 'PENDING'), eb('expires_at', '<=', now)])])
}

/** The same for the same call of the same caller. */
function callOf({ region, service, operation, requester: { arn, uniqueId }, inputHash, keys }: ApprovalRequest): string {
  return createHash('sha256').update(JSON.stringify([region, service, operation, arn, uniqueId, inputHash, keys])).digest('hex')
}

function columnsOf(request: ApprovalRequest): Omit<ApprovalRequestRow, 'mac'> {
  const { id, rule, status, createdAt, expiresAt, endedAt, revision, ...content } = request
  return {
    id, rule, status, revision,
    account_id: request.requester.accountId,
    pending_key: status === 'PENDING' ? callOf(request) : null,
    created_at: createdAt,
    expires_at: expiresAt,
    ended_at: endedAt ?? null,
    content: JSON.stringify(content),
  }
}

/** A row that comes here has been verified, so it holds what `columnsOf` wrote. */
function requestOf(row: ApprovalRequestRow): ApprovalRequest {
  return {
    id: row.id, rule: row.rule, status: row.status as ApprovalStatus, revision: row.revision,
    createdAt: row.created_at, expiresAt: row.expires_at, ...row.ended_at !== null && { endedAt: row.ended_at },
    ...JSON.parse(row.content) as Omit<ApprovalRequest, 'id' | 'rule' | 'status' | 'revision' | 'createdAt' | 'expiresAt' | 'endedAt'>,
  }
}
