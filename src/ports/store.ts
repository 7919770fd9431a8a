import type { Aliases } from './aliases.js'
import type { Approvals } from './approvals.js'
import type { Checkpoints } from './audit-log.js'
import type { Credentials } from './credentials.js'
import type { CustomKeyStores } from './custom-key-stores.js'
import type { Grants } from './grants.js'
import type { Identities } from './identities.js'
import type { Invocations } from './invocations.js'
import type { KeyUsages } from './key-usages.js'
import type { Keys } from './keys.js'

/** The metadata of one installation, over SQLite or PostgreSQL. */
export interface Store {
  readonly keys: Keys
  readonly aliases: Aliases
  readonly grants: Grants
  readonly customKeyStores: CustomKeyStores
  readonly keyUsages: KeyUsages
  readonly invocations: Invocations
  readonly identities: Identities
  readonly credentials: Credentials
  readonly approvals: Approvals
  readonly checkpoints: Checkpoints
  readonly leases: Leases
  readonly instance: InstanceRecord

  /**
   * Changes whenever another process may have changed a row since the last call: whoever caches what it read drops it then. Cheap enough
   * for every request. Own writes do not change it. Within one turn of the event loop it may stay as it is: nothing that was sent after
   * another process wrote is received before the turn ends.
   */
  generation(): number
  /** Writes and reads back a row; throws when the store cannot take writes. */
  probe(): Promise<void>
  close(): Promise<void>
}

/** What is fixed at first start, and the head. Authenticated as in ports/keys.ts. */
export interface Installation {
  readonly accountId: string
  readonly createdAt: number
  readonly roots: { readonly seal: number, readonly mac: number, readonly audit: number }
  /** Goes up for as long as the store is in use, and never down: service/rollback.ts. */
  readonly head: number
}

/** A copy of `Installation.head` that is not restored together with the store. */
export interface HeadWitness {
  /** 0 when there is none yet. */
  read(): number
  write(head: number): void
}

export interface InstanceRecord {
  get(): Promise<Installation | undefined>
  put(installation: Installation): Promise<void>
}

/** Claims on scheduled work: any number of processes, once each. */
export interface Leases {
  /** true if `owner` now holds the lease until `until`: it was free, run out at `now`, or already its own. */
  acquire(name: string, owner: string, now: number, until: number): Promise<boolean>
  release(name: string, owner: string): Promise<void>
}
