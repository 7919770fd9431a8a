import type { Kysely } from 'kysely'
import type { Invocation, Invocations } from '../../ports/invocations.js'
import type { AuthenticatedRows } from './rows.js'
import type { InvocationRow, Tables } from './schema.js'

export class SqlInvocations implements Invocations {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(caller: string, invocationId: string): Promise<Invocation | undefined> {
    const row = await this.#db.selectFrom('invocations').selectAll()
      .where('caller', '=', caller).where('invocation_id', '=', invocationId).executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('invocations', row)
    return invocationOf(row)
  }

  async put(invocation: Invocation): Promise<void> {
    const row = await this.#rows.sign('invocations', invocationColumns(invocation))
    await this.#db.insertInto('invocations').values(row)
      .onConflict(conflict => conflict.columns(['caller', 'invocation_id']).doUpdateSet(row))
      .execute()
  }

  async removeBefore(madeAt: number): Promise<number> {
    const { numDeletedRows } = await this.#db.deleteFrom('invocations').where('made_at', '<', madeAt).executeTakeFirst()
    return Number(numDeletedRows)
  }
}

function invocationColumns(invocation: Invocation): Omit<InvocationRow, 'mac'> {
  return {
    caller: invocation.caller,
    invocation_id: invocation.invocationId,
    region: invocation.region,
    operation: invocation.operation,
    input_hash: invocation.inputHash,
    outcome: JSON.stringify(invocation.outcome),
    made_at: invocation.madeAt,
  }
}

function invocationOf(row: InvocationRow): Invocation {
  return {
    caller: row.caller,
    invocationId: row.invocation_id,
    region: row.region,
    operation: row.operation,
    inputHash: row.input_hash,
    outcome: JSON.parse(row.outcome) as string,
    madeAt: row.made_at,
  }
}
