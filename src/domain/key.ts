import type { KeySpec, KeyUsage } from './key-spec.js'
import type { MaterialKind } from './material.js'

/**
 * `Creating`, `Destroying` and `Destroyed` are ours: a key in one of them is never listed, described or used. The others are the states of
 * the KMS developer guide (Key states of AWS KMS keys). Its `Unavailable` is not stored: it follows from the custom key store.
 */
export type KeyState =
  | 'Creating' | 'Enabled' | 'Disabled' | 'PendingImport' | 'PendingDeletion' | 'PendingReplicaDeletion' | 'Destroying' | 'Destroyed'

export type Origin = 'AWS_KMS' | 'EXTERNAL' | 'AWS_CLOUDHSM'

export interface Tag { readonly TagKey: string, readonly TagValue: string }

export interface RotationSchedule { readonly periodInDays: number, readonly nextRotation: number }

/** KMS developer guide, Quotas: KMS keys of an account in one Region. Those that the service made for itself it makes all the same. */
export const keysPerAccountMax = 100_000

/** A KMS key: a container of versions. Times are milliseconds since the epoch. */
export interface Key {
  readonly keyId: string
  readonly region: string
  readonly accountId: string
  readonly arn: string
  readonly createdAt: number
  readonly description: string
  readonly keySpec: KeySpec
  readonly keyUsage: KeyUsage
  readonly origin: Origin
  /** `AWS`: made by the service under `alias/aws/…`, and changed by nobody else. */
  readonly manager: 'CUSTOMER' | 'AWS'
  /** Name of the configured token that holds its material. */
  readonly keyStore: string
  /** Origin AWS_CLOUDHSM only. */
  readonly customKeyStoreId?: string
  /** Multi-Region keys only: the same key id in several regions. The one in `primaryRegion` is the primary, the others are its replicas. */
  readonly multiRegion?: { readonly primaryRegion: string }
  readonly state: KeyState
  /** Only while PendingDeletion. */
  readonly deletionDate?: number
  /** Only while PendingReplicaDeletion: how long the wait will be once the last replica is gone. */
  readonly pendingWindowInDays?: number
  /** 0 before the first material of an EXTERNAL key was imported. */
  readonly currentVersion: number
  readonly schedule?: RotationSchedule
  readonly onDemandRotations: number
  readonly policy: string
  /** Unique ids of the users and roles that the policy names, as they were when it was set; undefined: it was set before they were kept. */
  readonly policyBindings?: Readonly<Record<string, string>>
  readonly tags: readonly Tag[]
  /** Counts writes: a write names the revision it was decided on, and fails if another came first. */
  readonly revision: number
}

/**
 * `creating` and `destroying` are the half-way marks that the reconciler finishes or undoes after a crash. `absent`: imported material that
 * was deleted or has expired; the same may be imported again.
 */
export type KeyVersionState = 'creating' | 'ready' | 'absent' | 'destroying' | 'destroyed'

export interface Rotation { readonly date: number, readonly type: 'AUTOMATIC' | 'ON_DEMAND' }

/** Of a version whose material came from outside. */
export interface Import {
  /** Where it was unwrapped: inside the HSM, or in this process, where its bytes were overwritten at once. */
  readonly way: 'hsm' | 'process'
  /** Milliseconds since the epoch; undefined: KEY_MATERIAL_DOES_NOT_EXPIRE. */
  readonly validTo?: number
  readonly description?: string
}

/**
 * One backing key of a KMS key. Version numbers start at 1 and are never used twice. An imported one that is newer than the key's current
 * version waits for RotateKeyOnDemand.
 */
export interface KeyVersion {
  readonly keyId: string
  readonly region: string
  readonly version: number
  readonly state: KeyVersionState
  readonly kind: MaterialKind
  /** 64 hex digits, as the API shows it. */
  readonly keyMaterialId: string
  readonly createdAt: number
  /** How the version came about; absent for the first. */
  readonly rotation?: Rotation
  readonly import?: Import
  readonly evidence: readonly Evidence[]
  /** The process that is creating or destroying it (a random id for every start). */
  readonly owner: string
}

/**
 * What an HSM object says of itself, read back after creation: CKA_ names without the prefix, in lower case. The proof that
 * the key was made inside and cannot leave.
 */
export interface Evidence {
  readonly object: string
  readonly readAt: number
  readonly attributes: Readonly<Record<string, boolean | number | string>>
}

/** A key with its versions by number: everything that one call needs to know of it. */
export interface KeyView {
  readonly key: Key
  readonly versions: ReadonlyMap<number, KeyVersion>
}
