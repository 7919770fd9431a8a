import { sql, type Kysely, type Transaction } from 'kysely'
import { choicesOfGrant, type Slot } from '../../domain/grant-slots.js'
import { slotMax, type Grant, type GrantConstraints, type GrantFilter, type Grants } from '../../ports/grants.js'
import type { AuthenticatedRows } from './rows.js'
import type { GrantRow, Tables } from './schema.js'

/** What makes two grants the same. */
const contentColumns = [
  'region', 'key_id', 'name', 'grantee_principal', 'grantee_service_principal', 'retiring_principal', 'retiring_service_principal',
  'issuing_account', 'operations', 'constraints', 'grantee_id', 'retiring_id',
] as const satisfies readonly (keyof GrantRow)[]

export class SqlGrants implements Grants {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(region: string, keyId: string, grantId: string): Promise<Grant | undefined> {
    const row = await this.#db.selectFrom('grants').selectAll()
      .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '=', grantId)
      .executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('grants', row)
    return grantOf(row)
  }

  /** Told by the database: a key may have 50,000 grants of one name, and the MAC of each would cost a call of the HSM. */
  async twin(grant: Omit<Grant, 'grantId'>): Promise<Grant | undefined> {
    const content = grantColumns({ ...grant, grantId: '' })
    const row = await this.#db.selectFrom('grants').selectAll()
      .where(eb => eb.and(contentColumns.map(name => content[name] === null ? eb(name, 'is', null) : eb(name, '=', content[name]))))
      .orderBy('grant_id').limit(1)
      .executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('grants', row)
    return grantOf(row)
  }

  async insert(grant: Grant): Promise<boolean> {
    const row = await this.#rows.sign('grants', grantColumns(grant))
    return this.#db.transaction().execute(async transaction => {
      const choices = choicesOfGrant(grant)
      const counts = await slotCounts(transaction, grant, choices)
      const slots = choices.flatMap(of => of.length < 2 ? of : [of.reduce((best, one) => counts(one) < counts(best) ? one : best)])
      if (slots.some(slot => !slot.exact && counts(slot) >= slotMax)) return false
      await transaction.insertInto('grants').values(row).execute()
      const { region, key_id, grant_id } = row
      const names = new Set(slots.map(({ name }) => name))
      if (names.size > 0) {
        await transaction.insertInto('grant_slots').values([...names].map(slot => ({ region, key_id, slot, grant_id }))).execute()
      }
      return true
    })
  }

  async remove(region: string, keyId: string, grantId: string): Promise<boolean> {
    return this.#db.transaction().execute(async transaction => {
      await transaction.deleteFrom('grant_slots')
        .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '=', grantId).execute()
      const { numDeletedRows } = await transaction.deleteFrom('grants')
        .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '=', grantId).executeTakeFirst()
      return numDeletedRows === 1n
    })
  }

  async removeAllOf(region: string, keyId: string): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      for (const table of ['grant_slots', 'grants'] as const) {
        await transaction.deleteFrom(table).where('region', '=', region).where('key_id', '=', keyId).execute()
      }
    })
  }

  /** The names of their slots begin with them, and a blank. */
  async holding(region: string, keyId: string, holders: readonly string[]): Promise<ReadonlySet<string>> {
    if (holders.length === 0) return new Set()
    const asked = sql.join(holders.map(holder => sql`(${holder}, ${`${holder} `}, ${`${holder}!`})`))
    const { rows } = await sql<{ readonly holder: string }>`
      with asked(holder, first, beyond) as (values ${asked})
      select holder from asked where exists (
        select 1 from grant_slots
        where region = ${region} and key_id = ${keyId} and slot >= asked.first and slot < asked.beyond
      )`.execute(this.#db)
    return new Set(rows.map(({ holder }) => holder))
  }

  /** Most are empty: one query for all of them says which are not. */
  async inSlots(region: string, keyId: string, slots: readonly Slot[]): Promise<readonly (readonly Grant[])[]> {
    if (slots.length === 0) return []
    const firsts = await this.#firstInEach(region, keyId, slots)
    const found: (readonly Grant[])[] = []
    for (const { name, exact } of slots) {
      const first = firsts.get(name)
      if (first === undefined) found.push([])
      else found.push(await (exact ? this.#unverified(region, keyId, first) : this.#allInSlot(region, keyId, name)))
    }
    return found
  }

  /** The id of the first grant in each slot that has any. */
  async #firstInEach(region: string, keyId: string, slots: readonly Slot[]): Promise<ReadonlyMap<string, string>> {
    const names = sql.join(slots.map(({ name }) => sql`(${name})`))
    const { rows } = await sql<{ readonly slot: string, readonly first: string | null }>`
      with wanted(slot) as (values ${names})
      select wanted.slot, (
        select min(grant_id) from grant_slots
        where region = ${region} and key_id = ${keyId} and grant_slots.slot = wanted.slot
      ) as first from wanted`.execute(this.#db)
    return new Map(rows.flatMap(({ slot, first }) => first === null ? [] : [[slot, first]]))
  }

  async #unverified(region: string, keyId: string, grantId: string): Promise<readonly Grant[]> {
    const rows = await this.#db.selectFrom('grants').selectAll()
      .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '=', grantId)
      .execute()
    return rows.map(grantOf)
  }

  async #allInSlot(region: string, keyId: string, slot: string): Promise<readonly Grant[]> {
    const rows = await this.#db.selectFrom('grant_slots as place')
      .innerJoin('grants', join => join.onRef('grants.region', '=', 'place.region').onRef('grants.key_id', '=', 'place.key_id')
        .onRef('grants.grant_id', '=', 'place.grant_id'))
      .selectAll('grants')
      .where('place.region', '=', region).where('place.key_id', '=', keyId).where('place.slot', '=', slot)
      .orderBy('place.grant_id').limit(slotMax)
      .execute()
    return rows.map(grantOf)
  }

  async count(region: string, keyId: string): Promise<number> {
    const { count } = await this.#db.selectFrom('grants').select(({ fn }) => fn.countAll().as('count'))
      .where('region', '=', region).where('key_id', '=', keyId).executeTakeFirstOrThrow()
    return Number(count)
  }

  async any(region: string, keyId: string): Promise<boolean> {
    const row = await this.#db.selectFrom('grants').select('grant_id')
      .where('region', '=', region).where('key_id', '=', keyId).limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  async list(region: string, keyId: string, filter: GrantFilter, after: string | undefined, limit: number): Promise<readonly Grant[]> {
    const { grantId, granteePrincipal, granteeServicePrincipal } = filter
    return this.#verified(await this.#db.selectFrom('grants').selectAll()
      .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '>', after ?? '')
      .$if(grantId !== undefined, query => query.where('grant_id', '=', grantId ?? ''))
      .$if(granteePrincipal !== undefined, query => query.where('grantee_principal', '=', granteePrincipal ?? ''))
      .$if(granteeServicePrincipal !== undefined, query => query.where('grantee_service_principal', '=', granteeServicePrincipal ?? ''))
      .orderBy('grant_id').limit(limit)
      .execute())
  }

  async listRetirable(
    region: string, by: { readonly principal?: string, readonly servicePrincipal?: string }, after: string | undefined, limit: number,
  ): Promise<readonly Grant[]> {
    const { principal, servicePrincipal } = by
    // Nobody in particular may retire nothing, rather than everything.
    if (principal === undefined && servicePrincipal === undefined) return []
    return this.#verified(await this.#db.selectFrom('grants').selectAll()
      .where('region', '=', region).where('grant_id', '>', after ?? '')
      .$if(principal !== undefined, query => query.where('retiring_principal', '=', principal ?? ''))
      .$if(servicePrincipal !== undefined, query => query.where('retiring_service_principal', '=', servicePrincipal ?? ''))
      .orderBy('grant_id').limit(limit)
      .execute())
  }

  async #verified(rows: readonly GrantRow[]): Promise<readonly Grant[]> {
    await this.#rows.verifyAll('grants', rows)
    return rows.map(grantOf)
  }
}

function grantColumns(grant: Grant): Omit<GrantRow, 'mac'> {
  return {
    region: grant.region,
    key_id: grant.keyId,
    grant_id: grant.grantId,
    name: grant.name ?? null,
    created_at: grant.createdAt,
    grantee_principal: grant.granteePrincipal ?? null,
    grantee_service_principal: grant.granteeServicePrincipal ?? null,
    retiring_principal: grant.retiringPrincipal ?? null,
    retiring_service_principal: grant.retiringServicePrincipal ?? null,
    issuing_account: grant.issuingAccount,
    operations: JSON.stringify(grant.operations),
    constraints: grant.constraints ? JSON.stringify(grant.constraints) : null,
    grantee_id: grant.granteeId ?? null,
    retiring_id: grant.retiringId ?? null,
  }
}

/** How many grants stand in each of the slots whose grants must all be looked at. */
async function slotCounts(
  db: Transaction<Tables>, { region, keyId }: Grant, choices: readonly (readonly Slot[])[],
): Promise<(slot: Slot) => number> {
  const counts = new Map<string, number>()
  for (const { name } of choices.flat().filter(({ exact }) => !exact)) {
    if (counts.has(name)) continue
    const rows = await db.selectFrom('grant_slots').select('grant_id')
      .where('region', '=', region).where('key_id', '=', keyId).where('slot', '=', name).limit(slotMax)
      .execute()
    counts.set(name, rows.length)
  }
  return ({ name }) => counts.get(name) ?? 0
}

function grantOf(row: GrantRow): Grant {
  return {
    region: row.region,
    keyId: row.key_id,
    grantId: row.grant_id,
    ...(row.name !== null && { name: row.name }),
    createdAt: row.created_at,
    ...(row.grantee_principal !== null && { granteePrincipal: row.grantee_principal }),
    ...(row.grantee_service_principal !== null && { granteeServicePrincipal: row.grantee_service_principal }),
    ...(row.retiring_principal !== null && { retiringPrincipal: row.retiring_principal }),
    ...(row.retiring_service_principal !== null && { retiringServicePrincipal: row.retiring_service_principal }),
    issuingAccount: row.issuing_account,
    operations: JSON.parse(row.operations) as readonly string[],
    ...(row.constraints !== null && { constraints: JSON.parse(row.constraints) as GrantConstraints }),
    ...(row.grantee_id !== null && { granteeId: row.grantee_id }),
    ...(row.retiring_id !== null && { retiringId: row.retiring_id }),
  }
}
