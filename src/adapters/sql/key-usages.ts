import type { Kysely } from 'kysely'
import type { KeyUsageRecord, KeyUsages } from '../../ports/key-usages.js'
import type { KeyUsageRow, Tables } from './schema.js'

export class SqlKeyUsages implements KeyUsages {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async get(region: string, keyId: string): Promise<KeyUsageRecord | undefined> {
    const row = await this.#db.selectFrom('key_usages').selectAll()
      .where('region', '=', region).where('key_id', '=', keyId).executeTakeFirst()
    return row && usageOf(row)
  }

  async put(records: readonly KeyUsageRecord[]): Promise<void> {
    if (records.length === 0) return
    await this.#db.transaction().execute(async transaction => {
      // One by one: of two records of one key in one statement, PostgreSQL would refuse the second.
      for (const row of records.map(usageRow)) {
        await transaction.insertInto('key_usages').values(row)
          .onConflict(conflict => conflict.columns(['region', 'key_id']).doUpdateSet(row).where('key_usages.used_at', '<=', row.used_at))
          .execute()
      }
    })
  }
}

function usageRow({ region, keyId, operation, usedAt, eventId, requestId }: KeyUsageRecord): KeyUsageRow {
  return { region, key_id: keyId, operation, used_at: usedAt, event_id: eventId, request_id: requestId }
}

function usageOf({ region, key_id, operation, used_at, event_id, request_id }: KeyUsageRow): KeyUsageRecord {
  return { region, keyId: key_id, operation, usedAt: used_at, eventId: event_id, requestId: request_id }
}
