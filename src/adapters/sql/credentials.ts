import type { Kysely } from 'kysely'
import type { AccessKey, AccessKeyUsage, Credentials } from '../../ports/credentials.js'
import type { AuthenticatedRows } from './rows.js'
import type { AccessKeyRow, AccessKeyUsageRow, Tables } from './schema.js'

export class SqlCredentials implements Credentials {
  readonly #db: Kysely<Tables>
  readonly #rows: AuthenticatedRows

  constructor(db: Kysely<Tables>, rows: AuthenticatedRows) {
    this.#db = db
    this.#rows = rows
  }

  async get(accessKeyId: string): Promise<AccessKey | undefined> {
    const row = await this.#db.selectFrom('access_keys').selectAll().where('access_key_id', '=', accessKeyId).executeTakeFirst()
    if (!row) return undefined
    await this.#rows.verify('access_keys', row)
    return accessKeyOf(row)
  }

  async put(accessKey: AccessKey): Promise<void> {
    const row = await this.#rows.sign('access_keys', accessKeyColumns(accessKey))
    await this.#db.insertInto('access_keys').values(row)
      .onConflict(conflict => conflict.column('access_key_id').doUpdateSet(row))
      .execute()
  }

  async remove(accessKeyId: string): Promise<boolean> {
    await this.#db.deleteFrom('access_key_usages').where('access_key_id', '=', accessKeyId).execute()
    const { numDeletedRows } = await this.#db.deleteFrom('access_keys').where('access_key_id', '=', accessKeyId).executeTakeFirst()
    return numDeletedRows === 1n
  }

  async ofPrincipal(principalArn: string): Promise<readonly AccessKey[]> {
    return this.#verified(await this.#db.selectFrom('access_keys').selectAll()
      .where('principal_arn', '=', principalArn).orderBy('access_key_id').execute())
  }

  async withoutPrincipal(): Promise<readonly AccessKey[]> {
    return this.#verified(await this.#db.selectFrom('access_keys').selectAll().where('principal_id', 'is', null).execute())
  }

  async putUsages(usages: readonly AccessKeyUsage[]): Promise<void> {
    if (usages.length === 0) return
    await this.#db.transaction().execute(async transaction => {
      for (const row of usages.map(usageRow)) {
        await transaction.insertInto('access_key_usages').values(row)
          .onConflict(conflict => conflict.column('access_key_id').doUpdateSet(row).where('access_key_usages.used_at', '<=', row.used_at))
          .execute()
      }
    })
  }

  async usage(accessKeyId: string): Promise<AccessKeyUsage | undefined> {
    const row = await this.#db.selectFrom('access_key_usages').selectAll().where('access_key_id', '=', accessKeyId).executeTakeFirst()
    return row && { accessKeyId: row.access_key_id, usedAt: row.used_at, region: row.region, service: row.service }
  }

  async #verified(rows: readonly AccessKeyRow[]): Promise<readonly AccessKey[]> {
    await this.#rows.verifyAll('access_keys', rows)
    return rows.map(accessKeyOf)
  }
}

function usageRow({ accessKeyId, usedAt, region, service }: AccessKeyUsage): AccessKeyUsageRow {
  return { access_key_id: accessKeyId, used_at: usedAt, region, service }
}

function accessKeyColumns(accessKey: AccessKey): Omit<AccessKeyRow, 'mac'> {
  return {
    access_key_id: accessKey.accessKeyId,
    principal_arn: accessKey.principalArn,
    account_id: accessKey.accountId,
    administrator: 0,
    principal_id: accessKey.principalId ?? null,
    active: Number(accessKey.active),
    created_at: accessKey.createdAt,
    secret_root_version: accessKey.secret.rootVersion,
    secret_iv: accessKey.secret.iv,
    secret_ciphertext: accessKey.secret.ciphertext,
  }
}

function accessKeyOf(row: AccessKeyRow): AccessKey {
  return {
    accessKeyId: row.access_key_id,
    principalArn: row.principal_arn,
    ...row.principal_id !== null && { principalId: row.principal_id },
    accountId: row.account_id,
    active: row.active === 1,
    createdAt: row.created_at,
    secret: {
      rootVersion: row.secret_root_version,
      iv: Uint8Array.from(row.secret_iv),
      ciphertext: Uint8Array.from(row.secret_ciphertext),
    },
  }
}
