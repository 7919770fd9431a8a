import type { Kysely } from 'kysely'
import type { Leases } from '../../ports/store.js'
import type { Tables } from './schema.js'

export class SqlLeases implements Leases {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  /** One statement, so that of two claims at once the second finds the first. */
  async acquire(name: string, owner: string, now: number, until: number): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await this.#db.insertInto('leases').values({ name, owner, held_until: until })
      .onConflict(conflict => conflict.column('name').doUpdateSet({ owner, held_until: until })
        .where(eb => eb.or([eb('leases.held_until', '<=', now), eb('leases.owner', '=', owner)])))
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async release(name: string, owner: string): Promise<void> {
    await this.#db.deleteFrom('leases').where('name', '=', name).where('owner', '=', owner).execute()
  }
}
