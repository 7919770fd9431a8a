import type { Kysely } from 'kysely'
import type { AccessKey, Credentials } from '../../ports/credentials.js'
import type { AuthenticatedRows } from './rows.js'
import type { AccessKeyRow, Tables } from './schema.js'

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
}

function accessKeyColumns(accessKey: AccessKey): Omit<AccessKeyRow, 'mac'> {
  return {
    access_key_id: accessKey.accessKeyId,
    principal_arn: accessKey.principalArn,
    account_id: accessKey.accountId,
    administrator: Number(accessKey.administrator),
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
    accountId: row.account_id,
    administrator: row.administrator === 1,
    active: row.active === 1,
    createdAt: row.created_at,
    secret: {
      rootVersion: row.secret_root_version,
      iv: Uint8Array.from(row.secret_iv),
      ciphertext: Uint8Array.from(row.secret_ciphertext),
    },
  }
}
