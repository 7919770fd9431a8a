import type { Kysely } from 'kysely'
import type { Grant, GrantConstraints, GrantFilter, Grants } from '../../ports/grants.js'
import type { AuthenticatedRows } from './rows.js'
import type { GrantRow, Tables } from './schema.js'

/** What makes two grants the same. */
const contentColumns = [
  'region', 'key_id', 'name', 'grantee_principal', 'grantee_service_principal', 'retiring_principal', 'retiring_service_principal',
  'issuing_account', 'operations', 'constraints',
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

  async insert(grant: Grant): Promise<void> {
    await this.#db.insertInto('grants').values(await this.#rows.sign('grants', grantColumns(grant))).execute()
  }

  async remove(region: string, keyId: string, grantId: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db.deleteFrom('grants')
      .where('region', '=', region).where('key_id', '=', keyId).where('grant_id', '=', grantId)
      .executeTakeFirst()
    return numDeletedRows === 1n
  }

  async removeAllOf(region: string, keyId: string): Promise<void> {
    await this.#db.deleteFrom('grants').where('region', '=', region).where('key_id', '=', keyId).execute()
  }

  async count(region: string, keyId: string): Promise<number> {
    const { count } = await this.#db.selectFrom('grants').select(({ fn }) => fn.countAll().as('count'))
      .where('region', '=', region).where('key_id', '=', keyId).executeTakeFirstOrThrow()
    return Number(count)
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
  }
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
  }
}
