import type { Kysely } from 'kysely'
import { IntegrityError, StaleWriteError } from '../../ports/keys.js'
import type { AuthenticatedRows } from './rows.js'
import type { SealBudgetRow, Tables } from './schema.js'

/** Of reservations that collide one always succeeds, so this many may run at once without one of them giving up. */
const reservationAttemptsMax = 64

type VersionName = Pick<SealBudgetRow, 'region' | 'key_id' | 'version'>

/** How many seals of each version have been handed out (ports/keys.ts). */
export class SealBudgets {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async reserved(name: VersionName): Promise<number> {
    return (await this.#load(name)).reserved
  }

  /** Compare-and-swap on the total, which only grows, so that no transaction waits for the HSM. */
  async reserve(name: VersionName, count: number, cap: number): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError('a reservation is at least one seal')
    for (let attempt = 0; attempt < reservationAttemptsMax; attempt++) {
      const { reserved } = await this.#load(name)
      const granted = Math.min(count, cap - reserved)
      if (granted < 1) return 0
      if (await this.#replace(name, reserved, reserved + granted)) return granted
    }
    throw new StaleWriteError(`no seals reserved in ${reservationAttemptsMax} attempts: too many reservations at once`)
  }

  /** A version without its row could be given a whole new budget by deleting that row, so it has none. */
  async #load({ region, key_id, version }: VersionName): Promise<SealBudgetRow> {
    const row = await this.#db.selectFrom('seal_budgets').selectAll()
      .where('region', '=', region).where('key_id', '=', key_id).where('version', '=', version)
      .executeTakeFirst()
    if (!row) throw new IntegrityError(`there is no row of seal_budgets for ${JSON.stringify(`${region} ${key_id} ${version}`)}`)
    await this.#rows.verify('seal_budgets', row)
    return row
  }

  async #replace({ region, key_id, version }: VersionName, reserved: number, next: number): Promise<boolean> {
    const row = await this.#rows.sign('seal_budgets', { region, key_id, version, reserved: next })
    const { numUpdatedRows } = await this.#db.updateTable('seal_budgets').set({ reserved: row.reserved, mac: row.mac })
      .where('region', '=', region).where('key_id', '=', key_id).where('version', '=', version)
      .where('reserved', '=', reserved)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }
}
