import type { Kysely } from 'kysely'
import type { Checkpoint } from '../../domain/audit-chain.js'
import type { Checkpoints } from '../../ports/audit-log.js'
import type { CheckpointRow, Tables } from './schema.js'

export class SqlCheckpoints implements Checkpoints {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  /** A chain only grows: one that comes late changes nothing. */
  async put(checkpoint: Checkpoint): Promise<void> {
    const row = checkpointRow(checkpoint)
    await this.#db.insertInto('checkpoints').values(row)
      .onConflict(conflict => conflict.column('chain').doUpdateSet(row).where('checkpoints.sequence', '<', row.sequence))
      .execute()
  }

  async newest(): Promise<readonly Checkpoint[]> {
    const rows = await this.#db.selectFrom('checkpoints').selectAll().orderBy('chain').execute()
    return rows.map(checkpointOf)
  }
}

function checkpointRow({ chain, sequence, head, time, rootVersion, signature }: Checkpoint): CheckpointRow {
  return { chain, sequence, head, time, root_version: rootVersion, signature }
}

function checkpointOf({ chain, sequence, head, time, root_version, signature }: CheckpointRow): Checkpoint {
  return { chain, sequence, head, time, rootVersion: root_version, signature }
}
