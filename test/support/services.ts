import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { nobleMlKem } from '../../src/adapters/noble-ml-kem.js'
import { openHsm } from '../../src/adapters/pkcs11/hsm.js'
import { openSqlite } from '../../src/adapters/sql/sqlite.js'
import { identityProviders, type IssuerWithKeys } from '../../src/adapters/web-identity/identity-providers.js'
import type { Contract, Input, Members, Output } from '../../src/api/shape.js'
import { createKey } from '../../src/api/keys.js'
import type { ApprovalRule } from '../../src/domain/approval.js'
import { checkState, type UsableKey } from '../../src/domain/key-state.js'
import type { KeyView } from '../../src/domain/key.js'
import type { Attestation } from '../../src/ports/attestation.js'
import type { AuditLog } from '../../src/ports/audit-log.js'
import type { Clock } from '../../src/ports/clock.js'
import { HsmError, type Hsm } from '../../src/ports/hsm.js'
import type { KeyStores } from '../../src/ports/key-stores.js'
import type { Store } from '../../src/ports/store.js'
import { AccessKeyUsages } from '../../src/service/access-key-usage.js'
import { allOperations } from '../../src/service/all-operations.js'
import { DualControl } from '../../src/service/approvals/dual-control.js'
import { KeyPolicies } from '../../src/service/authorization/key-policies.js'
import { BackingKeys } from '../../src/service/backing-keys.js'
import { CapacityWatch } from '../../src/service/capacity.js'
import { CustomKeyStoreRegistry, type Cluster } from '../../src/service/custom-key-stores/registry.js'
import { Directory } from '../../src/service/directory.js'
import { GrantIndex } from '../../src/service/grants/index.js'
import { GrantTokens } from '../../src/service/grants/tokens.js'
import { IdentityDirectory } from '../../src/service/identities/directory.js'
import { ImportTokens } from '../../src/service/imports/tokens.js'
import { InvocationMemory } from '../../src/service/invocations.js'
import { KeyPairs } from '../../src/service/key-pairs/key-pairs.js'
import { KeyVersions } from '../../src/service/key-versions.js'
import { LastUsage } from '../../src/service/last-usage.js'
import type { Operation } from '../../src/service/operation.js'
import { Pages } from '../../src/service/paging.js'
import { performer } from '../../src/service/perform.js'
import { SessionTokens } from '../../src/service/sts/session-tokens.js'
import { TrustPolicies } from '../../src/service/sts/trust-policies.js'
import { Recipients } from '../../src/service/recipients.js'
import { firstRoots, makeMissingRoots, rowAuthenticator } from '../../src/service/roots.js'
import { recordRotation } from '../../src/service/rotate-keys.js'
import type { Services } from '../../src/service/services.js'
import { Turns } from '../../src/service/turns.js'
import { admissionWith, type AdmissionOptions } from './admission.js'
import { accountId, administrator, nobody, storeUsers } from './callers.js'
import { MovedClock } from './clock.js'
import { RecordedAudit, RecordedLog } from './recorded.js'
import { removeDirectory, temporaryDirectory } from './server.js'
import { testToken } from './softhsm.js'

/** The service below its fronts, on a real token and a real database. */

export const region = 'eu-central-1'
export { accountId, administrator, nobody }

/** The SoftHSM token of this test process with root objects in it. Whoever opens it closes it. */
export async function openTestHsm(): Promise<Hsm> {
  const hsm = await openHsm(await testToken(), new RecordedLog())
  await makeMissingRoots(hsm, firstRoots)
  return hsm
}

export interface TestStore {
  readonly store: Store
  readonly file: string
  /**
   * Another connection to the same file, as another process would have. Closed with the rest. What it writes is seen from the next turn of
   * the event loop on, as what other processes write is seen by every request that comes in after.
   */
  second(): Promise<Store>
  /** Closes, and removes the file. */
  close(): Promise<void>
}

export async function openTestStore(hsm: Hsm): Promise<TestStore> {
  const directory = temporaryDirectory()
  const file = join(directory, 'claviger.db')
  const opened: Store[] = []
  async function open(): Promise<Store> {
    const store = await openSqlite({ file, authenticator: rowAuthenticator(hsm, firstRoots.mac) })
    opened.push(store)
    return store
  }
  const store = await open()
  await storeUsers(store.identities, 'anne', 'bob')
  return {
    store,
    file,
    second: open,
    async close() {
      for (const store of opened) await store.close()
      removeDirectory(directory)
    },
  }
}

/** Key stores by name; the first holds the roots. */
export function keyStoresOf(
  stores: Readonly<Record<string, Hsm>>, forNewKeys = 'default', ofRegions: Readonly<Record<string, string>> = {},
): KeyStores {
  const names = Object.keys(stores)
  function get(name: string): Hsm {
    const hsm = stores[name]
    if (!hsm) throw new HsmError('lost', `there is no key store ${name}`)
    return hsm
  }
  return {
    get roots() { return get(names[0] ?? '') },
    forNewKeys, names, get,
    ofRegion: region => ofRegions[region],
    connect: () => {},
    disconnect: async () => {},
    connection: name => ({ state: name in stores ? 'connected' : 'absent' }),
    async close() {
      for (const name of names) await get(name).close()
    },
  }
}

export interface ServicesOptions {
  /** The one key store, unless `keyStores` has several. */
  readonly hsm: Hsm
  readonly keyStores?: KeyStores
  readonly store: Store
  readonly clock?: Clock
  readonly audit?: AuditLog
  readonly attestation?: Attestation
  readonly log?: RecordedLog
  readonly owner?: string
  readonly sealsPerVersionMax?: number
  readonly onDemandRotationsMax?: number
  /** What CreateCustomKeyStore can claim. */
  readonly clusters?: readonly Cluster[]
  /** Whose tokens AssumeRoleWithWebIdentity takes. */
  readonly issuers?: readonly IssuerWithKeys[]
  readonly admission?: AdmissionOptions
  /** Dual control. */
  readonly rules?: readonly ApprovalRule[]
}

/** Wired as in compose.ts. */
export function servicesOver({
  hsm, store, keyStores = keyStoresOf({ default: hsm }), clock = new MovedClock(), audit = new RecordedAudit(), log = new RecordedLog(),
  owner = randomUUID(), sealsPerVersionMax = 2 ** 32, onDemandRotationsMax = 25, attestation, clusters = [], issuers = [], admission = {},
  rules = [],
}: ServicesOptions): Services {
  const directory = new Directory(store)
  const identities = new IdentityDirectory(store)
  const keyVersions = new KeyVersions({ keyStores, store, directory, clock, log, owner })
  return {
    regions: [region, 'us-east-1'],
    accountId, keyVersions, keyStores, store, directory, audit, clock, log,
    hsm: keyStores.roots,
    capacity: new CapacityWatch(keyStores, log),
    // Empty until a test loads it.
    customKeyStores: new CustomKeyStoreRegistry(store, clusters),
    backingKeys: new BackingKeys({
      keyStores, store, directory, log, sealsPerVersionMax, versions: keyVersions,
      onSpentRotation: view => recordRotation(view, 'budget', { audit, clock }),
    }),
    pages: new Pages(keyStores.roots, firstRoots.mac),
    recipients: new Recipients({ attestation, hsm: keyStores.roots, clock }),
    identities,
    // An audit log in memory has no files to be looked into.
    auditEvents: { read: () => Promise.reject(new Error('there are no audit files here')) },
    dualControl: new DualControl({ rules, operations: allOperations, owner }),
    admission: admissionWith(admission, clock, () => identities.hasSeveralAccounts()),
    keyPolicies: new KeyPolicies(log),
    grantIndex: new GrantIndex(store),
    grantTokens: new GrantTokens(keyStores.roots, firstRoots.mac),
    importTokens: new ImportTokens(keyStores.roots, firstRoots.mac),
    sts: {
      sessionTokens: new SessionTokens(keyStores.roots, firstRoots.mac), trustPolicies: new TrustPolicies(log),
      identityProviders: identityProviders(issuers, { clock, log }),
    },
    lastUsage: new LastUsage(store.keyUsages, 0, log),
    accessKeyUsages: new AccessKeyUsages(store.credentials, log),
    invocations: new InvocationMemory(store.invocations, clock, log),
    turns: new Turns(),
    keyPairs: new KeyPairs(nobleMlKem),
    limits: { onDemandRotationsMax, sealsPerVersionMax },
  }
}

type InputOf<C extends Contract> = Partial<Input<C>>

/** Performs an operation as its caller would see it, members that have a default filled in. */
export async function call<C extends Contract>(
  services: Services, contract: C, input: NoInfer<InputOf<C>>, caller = administrator, at = region,
): Promise<Output<C>> {
  const origin = { requestId: randomUUID(), sourceIp: '127.0.0.1', userAgent: 'test', secureTransport: false }
  const { output } = await performer(services)(origin, {
    authenticate: () => ({ caller, region: at }),
    eventName: () => contract.name,
    operation: () => operationOf(contract),
    input: () => ({ ...defaultsOf(contract.input), ...input }),
  })
  return output as Output<C>
}

export function operationOf({ name }: Contract): Operation {
  const operation = allOperations.get(name)
  if (!operation) throw new Error(`${name} is not implemented`)
  return operation
}

/** A new key, enabled. */
export async function newKey(services: Services): Promise<UsableKey> {
  const { KeyMetadata } = await call(services, createKey, {}) as { KeyMetadata: { KeyId: string } }
  return keyOf(services, KeyMetadata.KeyId)
}

/** The key as it is stored now. */
export async function keyOf({ store }: Services, keyId: string): Promise<UsableKey> {
  return checkState(await storedKey(store, keyId), 'read')
}

export async function storedKey(store: Store, keyId: string, at = region): Promise<KeyView> {
  const view = await store.keys.get(at, keyId)
  if (!view) throw new Error(`there is no key ${keyId}`)
  return view
}

export function defaultsOf(members: Members): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).flatMap(([name, shape]) => 'default' in shape ? [[name, shape.default]] : []))
}
