import { setTimeout as pause } from 'node:timers/promises'
import { openHsm, type Pkcs11Config } from '../../src/adapters/pkcs11/hsm.js'
import {
  connectCustomKeyStore, createCustomKeyStore, describeCustomKeyStores, disconnectCustomKeyStore,
} from '../../src/api/key-stores.js'
import { createKey } from '../../src/api/keys.js'
import { OpenedKeyStores } from '../../src/compose/key-stores.js'
import { clusterIdOf } from '../../src/domain/custom-key-store.js'
import type { Cluster } from '../../src/service/custom-key-stores/registry.js'
import { firstRoots, makeMissingRoots } from '../../src/service/roots.js'
import type { Services } from '../../src/service/services.js'
import { selfSigned } from '../http/self-signed.js'
import { MovedClock } from './clock.js'
import { RecordedAudit, RecordedLog } from './recorded.js'
import { call, openTestStore, servicesOver, type TestStore } from './services.js'

/** Longer than any of it takes on a busy machine; what is waited for ends the wait. */
const waitMsMax = 30_000

export const password = 'a password 7-32'
export const { certificate } = selfSigned()

/** Services over real tokens, which can be claimed by custom key stores. */
export interface ClaimableStores {
  readonly services: Services
  readonly keyStores: OpenedKeyStores
  readonly opened: TestStore
  readonly clock: MovedClock
  readonly audit: RecordedAudit
  readonly log: RecordedLog
  close(): Promise<void>
}

export type Tokens = Readonly<Record<string, Pkcs11Config>> & { readonly default: Pkcs11Config }

/** `names`: those of the tokens that are configured. Every token but the default can be claimed, by the cluster id of its name. */
export async function openClaimable(tokens: Tokens, clusters: readonly Cluster[] = []): Promise<ClaimableStores> {
  const [clock, audit, log] = [new MovedClock(), new RecordedAudit(), new RecordedLog()]
  const others = Object.keys(tokens).filter(name => name !== 'default')
  const keyStores = await OpenedKeyStores.open({
    roots: 'default', others, forNewKeys: 'default', log,
    open: (name, storeLog) => openHsm(tokens[name] ?? tokens.default, storeLog),
  })
  await makeMissingRoots(keyStores.roots, firstRoots)
  const opened = await openTestStore(keyStores.roots)
  const derived = others.map(keyStore => ({ keyStore, clusterId: clusterIdOf(keyStore) }))
  const services = servicesOver({
    hsm: keyStores.roots, keyStores, store: opened.store, clock, audit, log,
    clusters: [...derived.filter(({ keyStore }) => !clusters.some(other => other.keyStore === keyStore)), ...clusters],
  })
  keyStores.openOthers()
  await keyStores.tried()
  return {
    services, keyStores, opened, clock, audit, log,
    async close() {
      await opened.close()
      await keyStores.close()
    },
  }
}

/** Claims a token; answers the id. */
export async function claim(services: Services, keyStore: string, CustomKeyStoreName = keyStore): Promise<string> {
  const { CustomKeyStoreId: id = '' } = await call(services, createCustomKeyStore, {
    CustomKeyStoreName, CloudHsmClusterId: clusterIdOf(keyStore), TrustAnchorCertificate: certificate, KeyStorePassword: password,
  })
  return id
}

export async function described(services: Services, CustomKeyStoreId: string) {
  const { CustomKeyStores: [store] = [] } = await call(services, describeCustomKeyStores, { CustomKeyStoreId })
  if (!store) throw new Error(`there is no custom key store ${CustomKeyStoreId}`)
  return store
}

export async function reaches(services: Services, id: string, state: string): Promise<void> {
  const until = Date.now() + waitMsMax
  for (;;) {
    const { ConnectionState: now } = await described(services, id)
    if (now === state) return
    if (Date.now() > until) throw new Error(`${id} is ${now} and not ${state} after ${waitMsMax} ms`)
    await pause(10)
  }
}

export async function connected(services: Services, CustomKeyStoreId: string): Promise<void> {
  await call(services, connectCustomKeyStore, { CustomKeyStoreId })
  await reaches(services, CustomKeyStoreId, 'CONNECTED')
}

export async function disconnected(services: Services, CustomKeyStoreId: string): Promise<void> {
  await call(services, disconnectCustomKeyStore, { CustomKeyStoreId })
  await reaches(services, CustomKeyStoreId, 'DISCONNECTED')
}

/** Id of a new key in a custom key store. */
export async function keyIn(services: Services, CustomKeyStoreId: string): Promise<string> {
  const { KeyMetadata } = await call(services, createKey, { Origin: 'AWS_CLOUDHSM', CustomKeyStoreId })
  return KeyMetadata?.KeyId ?? ''
}
