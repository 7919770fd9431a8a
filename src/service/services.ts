import type { AuditEvents } from '../ports/audit-events.js'
import type { AuditLog } from '../ports/audit-log.js'
import type { Clock } from '../ports/clock.js'
import type { Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'
import type { Store } from '../ports/store.js'
import type { AccessKeyUsages } from './access-key-usage.js'
import type { DualControl } from './approvals/dual-control.js'
import type { KeyPolicies } from './authorization/key-policies.js'
import type { BackingKeys } from './backing-keys.js'
import type { CapacityWatch } from './capacity.js'
import type { CustomKeyStoreRegistry } from './custom-key-stores/registry.js'
import type { Directory } from './directory.js'
import type { GrantIndex } from './grants/index.js'
import type { GrantTokens } from './grants/tokens.js'
import type { IdentityDirectory } from './identities/directory.js'
import type { ImportTokens } from './imports/tokens.js'
import type { InvocationMemory } from './invocations.js'
import type { KeyPairs } from './key-pairs/key-pairs.js'
import type { KeyVersions } from './key-versions.js'
import type { LastUsage } from './last-usage.js'
import type { Pages } from './paging.js'
import type { Recipients } from './recipients.js'
import type { StsServices } from './sts/sts-services.js'
import type { Admission } from './throttle/admission.js'
import type { Turns } from './turns.js'

/** What operations work with. Made once, in compose.ts. */
export interface Services {
  /** Of the installation: its administrators look after the other accounts, and the tokens are its own. */
  readonly accountId: string
  /** The regions that this server serves; the first is its home. */
  readonly regions: readonly string[]
  /** The store of the roots. Keys are in the one that they name. */
  readonly hsm: Hsm
  readonly keyStores: KeyStores
  readonly capacity: CapacityWatch
  readonly store: Store
  readonly directory: Directory
  readonly identities: IdentityDirectory
  readonly keyPolicies: KeyPolicies
  readonly backingKeys: BackingKeys
  readonly keyVersions: KeyVersions
  readonly keyPairs: KeyPairs
  readonly customKeyStores: CustomKeyStoreRegistry
  readonly pages: Pages
  readonly recipients: Recipients
  readonly grantTokens: GrantTokens
  readonly grantIndex: GrantIndex
  readonly importTokens: ImportTokens
  readonly sts: StsServices
  readonly lastUsage: LastUsage
  readonly accessKeyUsages: AccessKeyUsages
  readonly invocations: InvocationMemory
  readonly turns: Turns
  readonly admission: Admission
  readonly dualControl: DualControl
  readonly audit: AuditLog
  readonly auditEvents: AuditEvents
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
