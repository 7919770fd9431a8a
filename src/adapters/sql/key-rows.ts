import type { Import, Key, KeyVersion, Tag } from '../../domain/key.js'
import type { KeyRow, KeyVersionRow, SealBudgetRow } from './schema.js'

/*
 * Keys and versions as rows and back. A row that comes back here has been verified, so it holds what these functions wrote: that is what
 * the casts rely on.
 */

export function keyColumns(key: Key): Omit<KeyRow, 'mac'> {
  return {
    region: key.region,
    key_id: key.keyId,
    account_id: key.accountId,
    arn: key.arn,
    created_at: key.createdAt,
    description: JSON.stringify(key.description),
    key_spec: key.keySpec,
    key_usage: key.keyUsage,
    origin: key.origin,
    key_store: key.keyStore,
    state: key.state,
    deletion_date: key.deletionDate ?? null,
    current_version: key.currentVersion,
    rotation_period_days: key.schedule?.periodInDays ?? null,
    next_rotation: key.schedule?.nextRotation ?? null,
    on_demand_rotations: key.onDemandRotations,
    policy: key.policy,
    tags: JSON.stringify(key.tags.map(({ TagKey, TagValue }) => ({ TagKey, TagValue }))),
    revision: key.revision,
    manager: key.manager === 'CUSTOMER' ? null : key.manager,
    custom_key_store_id: key.customKeyStoreId ?? null,
    primary_region: key.multiRegion?.primaryRegion ?? null,
    pending_window_days: key.pendingWindowInDays ?? null,
    policy_bindings: key.policyBindings ? JSON.stringify(key.policyBindings) : null,
  }
}

export function keyOf(row: KeyRow): Key {
  return {
    region: row.region,
    keyId: row.key_id,
    accountId: row.account_id,
    arn: row.arn,
    createdAt: row.created_at,
    description: JSON.parse(row.description) as string,
    keySpec: row.key_spec as Key['keySpec'],
    keyUsage: row.key_usage as Key['keyUsage'],
    origin: row.origin as Key['origin'],
    manager: row.manager === null ? 'CUSTOMER' : row.manager as Key['manager'],
    keyStore: row.key_store,
    ...(row.custom_key_store_id !== null && { customKeyStoreId: row.custom_key_store_id }),
    ...(row.primary_region !== null && { multiRegion: { primaryRegion: row.primary_region } }),
    state: row.state as Key['state'],
    ...(row.deletion_date !== null && { deletionDate: row.deletion_date }),
    ...(row.pending_window_days !== null && { pendingWindowInDays: row.pending_window_days }),
    currentVersion: row.current_version,
    ...(row.rotation_period_days !== null && row.next_rotation !== null && {
      schedule: { periodInDays: row.rotation_period_days, nextRotation: row.next_rotation },
    }),
    onDemandRotations: row.on_demand_rotations,
    policy: row.policy,
    ...(row.policy_bindings !== null && { policyBindings: JSON.parse(row.policy_bindings) as Readonly<Record<string, string>> }),
    tags: JSON.parse(row.tags) as Tag[],
    revision: row.revision,
  }
}

export function versionColumns(version: KeyVersion): Omit<KeyVersionRow, 'mac'> {
  return {
    region: version.region,
    key_id: version.keyId,
    version: version.version,
    state: version.state,
    suite: version.kind,
    key_material_id: version.keyMaterialId,
    created_at: version.createdAt,
    rotation_date: version.rotation?.date ?? null,
    rotation_type: version.rotation?.type ?? null,
    evidence: JSON.stringify(version.evidence),
    owner: version.owner,
    import_way: version.import?.way ?? null,
    valid_to: version.import?.validTo ?? null,
    import_description: version.import?.description === undefined ? null : JSON.stringify(version.import.description),
  }
}

export function versionOf(row: KeyVersionRow): KeyVersion {
  return {
    region: row.region,
    keyId: row.key_id,
    version: row.version,
    state: row.state as KeyVersion['state'],
    kind: row.suite as KeyVersion['kind'],
    keyMaterialId: row.key_material_id,
    createdAt: row.created_at,
    ...(row.rotation_date !== null && row.rotation_type !== null && {
      rotation: { date: row.rotation_date, type: row.rotation_type as 'AUTOMATIC' | 'ON_DEMAND' },
    }),
    ...(row.import_way !== null && { import: importOf(row, row.import_way as Import['way']) }),
    evidence: JSON.parse(row.evidence) as KeyVersion['evidence'],
    owner: row.owner,
  }
}

function importOf({ valid_to, import_description }: KeyVersionRow, way: Import['way']): Import {
  return {
    way,
    ...(valid_to !== null && { validTo: valid_to }),
    ...(import_description !== null && { description: JSON.parse(import_description) as string }),
  }
}

/** Of a version that has sealed nothing yet. */
export function newSealBudget({ region, keyId, version }: KeyVersion): Omit<SealBudgetRow, 'mac'> {
  return { region, key_id: keyId, version, reserved: 0 }
}
