/**
 * The tables as the query builder sees them. Only what SQLite and PostgreSQL both have: times are milliseconds since the epoch,
 * yes and no are 1 and 0, structured and free text is JSON. `mac` is the tag of rows.ts over every other column.
 */
export interface Tables {
  readonly keys: KeyRow
  readonly key_versions: KeyVersionRow
  readonly seal_budgets: SealBudgetRow
  readonly aliases: AliasRow
  readonly access_keys: AccessKeyRow
  readonly installation: InstallationRow
  readonly checkpoints: CheckpointRow
  readonly leases: LeaseRow
  readonly health: HealthRow
}

export interface KeyRow {
  readonly region: string
  readonly key_id: string
  readonly account_id: string
  readonly arn: string
  readonly created_at: number
  /**
   * A JSON string. Clients may send any characters, and JSON escapes the two kinds that a database does not give back as they
   * were: NUL (PostgreSQL refuses it) and unpaired surrogates (UTF-8 has none).
   */
  readonly description: string
  readonly key_spec: string
  readonly key_usage: string
  readonly origin: string
  readonly key_store: string
  readonly state: string
  readonly deletion_date: number | null
  readonly current_version: number
  readonly rotation_period_days: number | null
  readonly next_rotation: number | null
  readonly on_demand_rotations: number
  readonly policy: string
  /** JSON. */
  readonly tags: string
  readonly revision: number
  readonly mac: Uint8Array
}

export interface KeyVersionRow {
  readonly region: string
  readonly key_id: string
  readonly version: number
  readonly state: string
  readonly suite: string
  readonly key_material_id: string
  readonly created_at: number
  readonly rotation_date: number | null
  readonly rotation_type: string | null
  /** JSON. */
  readonly evidence: string
  readonly owner: string
  readonly mac: Uint8Array
}

/** Apart from the version, because it changes far more often and its MAC must cover little. */
export interface SealBudgetRow {
  readonly region: string
  readonly key_id: string
  readonly version: number
  readonly reserved: number
  readonly mac: Uint8Array
}

export interface AliasRow {
  readonly region: string
  readonly name: string
  readonly target_key_id: string
  readonly created_at: number
  readonly updated_at: number
  readonly mac: Uint8Array
}

export interface AccessKeyRow {
  readonly access_key_id: string
  readonly principal_arn: string
  readonly account_id: string
  readonly administrator: number
  readonly active: number
  readonly created_at: number
  readonly secret_root_version: number
  readonly secret_iv: Uint8Array
  readonly secret_ciphertext: Uint8Array
  readonly mac: Uint8Array
}

/** One row. */
export interface InstallationRow {
  readonly id: number
  readonly account_id: string
  readonly created_at: number
  readonly seal_root: number
  readonly mac_root: number
  readonly audit_root: number
  readonly head: number
  readonly mac: Uint8Array
}

/** Without a MAC: a checkpoint carries its own signature. */
export interface CheckpointRow {
  readonly chain: string
  readonly sequence: number
  readonly head: string
  readonly time: string
  readonly root_version: number
  readonly signature: string
}

/** Without a MAC: a lease says who works, not who may. */
export interface LeaseRow {
  readonly name: string
  readonly owner: string
  readonly held_until: number
}

/** One row, written by probes. */
export interface HealthRow {
  readonly id: number
  readonly value: string
}
