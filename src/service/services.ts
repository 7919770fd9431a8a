import type { AuditLog } from '../ports/audit-log.js'
import type { Clock } from '../ports/clock.js'
import type { Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'
import type { Store } from '../ports/store.js'
import type { BackingKeys } from './backing-keys.js'
import type { CapacityWatch } from './capacity.js'
import type { Directory } from './directory.js'
import type { Pages } from './paging.js'

/** What operations work with. Made once, in compose.ts. */
export interface Services {
  readonly accountId: string
  /** The store of the roots. Keys are in the one that they name. */
  readonly hsm: Hsm
  readonly keyStores: KeyStores
  readonly capacity: CapacityWatch
  readonly store: Store
  readonly directory: Directory
  readonly backingKeys: BackingKeys
  readonly pages: Pages
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  readonly limits: Limits
}

export interface Limits {
  /** RotateKeyOnDemand per key (KMS developer guide, Quotas). */
  readonly onDemandRotationsMax: number
  /** Seals under one version (SP 800-38D section 8.3: 2^32 with random IVs). */
  readonly sealsPerVersionMax: number
}
