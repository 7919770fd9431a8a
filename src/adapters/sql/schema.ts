/**
 * The tables as the query builder sees them. Only what SQLite and PostgreSQL both have: times are milliseconds since the epoch,
 * yes and no are 1 and 0, structured and free text is JSON. `mac` is the tag of rows.ts over every other column.
 */
export interface Tables {
  readonly keys: KeyRow
  readonly key_versions: KeyVersionRow
  readonly seal_budgets: SealBudgetRow
  readonly aliases: AliasRow
  readonly grants: GrantRow
  readonly grant_slots: GrantSlotRow
  readonly custom_key_stores: CustomKeyStoreRow
  readonly key_usages: KeyUsageRow
  readonly invocations: InvocationRow
  readonly accounts: AccountRow
  readonly identities: IdentityRow
  readonly access_keys: AccessKeyRow
  readonly access_key_usages: AccessKeyUsageRow
  readonly approval_requests: ApprovalRequestRow
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
  /** NULL for CUSTOMER: all rows of before the column are. */
  readonly manager: string | null
  readonly custom_key_store_id: string | null
  /** Multi-Region keys only. */
  readonly primary_region: string | null
  readonly pending_window_days: number | null
  /** JSON; NULL for a policy that was set before the unique ids of its principals were kept. */
  readonly policy_bindings: string | null
  readonly mac: Uint8Array
}

export interface KeyVersionRow {
  readonly region: string
  readonly key_id: string
  readonly version: number
  readonly state: string
  /** The kind of its material. Named when suites were the only kinds; a new name would spoil the MACs. */
  readonly suite: string
  readonly key_material_id: string
  readonly created_at: number
  readonly rotation_date: number | null
  readonly rotation_type: string | null
  /** JSON. */
  readonly evidence: string
  readonly owner: string
  /** NULL for material that the HSM made. */
  readonly import_way: string | null
  readonly valid_to: number | null
  /** A JSON string. */
  readonly import_description: string | null
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
  /** NULL until the account of a row from before there were several is written to it. */
  readonly account_id: string | null
  readonly region: string
  readonly name: string
  readonly target_key_id: string
  readonly created_at: number
  readonly updated_at: number
  readonly mac: Uint8Array
}

export interface GrantRow {
  readonly region: string
  readonly key_id: string
  readonly grant_id: string
  readonly name: string | null
  readonly created_at: number
  readonly grantee_principal: string | null
  readonly grantee_service_principal: string | null
  readonly retiring_principal: string | null
  readonly retiring_service_principal: string | null
  readonly issuing_account: string
  /** JSON. */
  readonly operations: string
  /** JSON. */
  readonly constraints: string | null
  /** NULL where the principal is no user, role or session. */
  readonly grantee_id: string | null
  readonly retiring_id: string | null
  readonly mac: Uint8Array
}

/** Without a MAC: says where to look for a grant, not what it allows. */
export interface GrantSlotRow {
  readonly region: string
  readonly key_id: string
  readonly slot: string
  readonly grant_id: string
}

export interface CustomKeyStoreRow {
  readonly id: string
  /** NULL as in aliases. */
  readonly account_id: string | null
  readonly region: string
  /** A JSON string, as are `cluster_id` and the certificate: clients choose all three. */
  readonly name: string
  readonly key_store: string
  readonly cluster_id: string
  readonly trust_anchor_certificate: string
  readonly created_at: number
  readonly connected: number
  readonly mac: Uint8Array
}

/** Without a MAC: shown, and decides nothing. */
export interface KeyUsageRow {
  readonly region: string
  readonly key_id: string
  readonly operation: string
  readonly used_at: number
  readonly event_id: string
  readonly request_id: string
}

export interface InvocationRow {
  readonly caller: string
  readonly invocation_id: string
  readonly region: string
  readonly operation: string
  readonly input_hash: string
  /** A JSON string. */
  readonly outcome: string
  readonly made_at: number
  readonly mac: Uint8Array
}

export interface AccountRow {
  readonly account_id: string
  readonly name: string
  readonly created_at: number
  readonly mac: Uint8Array
}

/** Users, groups, roles and managed policies. */
export interface IdentityRow {
  readonly account_id: string
  readonly kind: string
  /** The name in small letters. */
  readonly name_key: string
  readonly name: string
  readonly path: string
  readonly id: string
  readonly created_at: number
  readonly revision: number
  /** JSON: what only some kinds have. */
  readonly content: string
  readonly mac: Uint8Array
}

export interface AccessKeyRow {
  readonly access_key_id: string
  readonly principal_arn: string
  readonly account_id: string
  /** Decided who may do everything before there were policies; 0 in every new row. */
  readonly administrator: number
  /** NULL until the unique id of the user of a row from before there were users is written to it. */
  readonly principal_id: string | null
  readonly active: number
  readonly created_at: number
  readonly secret_root_version: number
  readonly secret_iv: Uint8Array
  readonly secret_ciphertext: Uint8Array
  readonly mac: Uint8Array
}

/** Without a MAC: shown, and decides nothing. */
export interface AccessKeyUsageRow {
  readonly access_key_id: string
  readonly used_at: number
  readonly region: string
  readonly service: string
}

export interface ApprovalRequestRow {
  readonly id: string
  readonly account_id: string
  readonly rule: string
  readonly status: string
  /** Names the call while it is pending, so that it is there once. */
  readonly pending_key: string | null
  readonly created_at: number
  readonly expires_at: number
  readonly ended_at: number | null
  readonly revision: number
  /** JSON. */
  readonly content: string
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
