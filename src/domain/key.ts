import type { KeySpec, KeyUsage } from './key-spec.js'
import type { Suite } from './material.js'

/**
 * `Creating` and `Destroying` are ours: a key in either is never listed, described or used. The others are the states of
 * the KMS developer guide (Key states of AWS KMS keys).
 */
export type KeyState = 'Creating' | 'Enabled' | 'Disabled' | 'PendingDeletion' | 'Destroying' | 'Destroyed'

export interface Tag { readonly TagKey: string, readonly TagValue: string }

export interface RotationSchedule { readonly periodInDays: number, readonly nextRotation: number }

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
  readonly origin: 'AWS_KMS'
  readonly keyStore: string
  readonly state: KeyState
  /** Only while PendingDeletion. */
  readonly deletionDate?: number
  readonly currentVersion: number
  readonly schedule?: RotationSchedule
  readonly onDemandRotations: number
  readonly policy: string
  readonly tags: readonly Tag[]
  /** Counts writes: a write names the revision it was decided on, and fails if another came first. */
  readonly revision: number
}

/** `creating` and `destroying` are the half-way marks that the reconciler finishes or undoes after a crash. */
export type KeyVersionState = 'creating' | 'ready' | 'destroying' | 'destroyed'

export interface Rotation { readonly date: number, readonly type: 'AUTOMATIC' | 'ON_DEMAND' }

/** One backing key of a KMS key. Version numbers start at 1 and are never used twice. */
export interface KeyVersion {
  readonly keyId: string
  readonly region: string
  readonly version: number
  readonly state: KeyVersionState
  readonly suite: Suite
  /** 64 hex digits, as the API shows it. */
  readonly keyMaterialId: string
  readonly createdAt: number
  /** How the version came about; absent for the first. */
  readonly rotation?: Rotation
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
