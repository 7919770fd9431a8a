import * as api from '../api/key-stores.js'
import type { Input } from '../api/shape.js'
import { certificateOf, customKeyStoreIdBytes, newCustomKeyStoreId } from '../domain/custom-key-store.js'
import { KmsError } from '../domain/errors.js'
import type { Scope } from '../domain/key-ref.js'
import type { CustomKeyStore } from '../ports/custom-key-stores.js'
import type { Cluster } from './custom-key-stores/registry.js'
import { connectionOf, customKeyStore, requireState } from './custom-key-stores/states.js'
import { onAccount } from './operation.js'
import type { Services } from './services.js'

/** Of an account in a region (KMS developer guide, Quotas). */
const storesMax = 10
/** Changes come one after the other: each rests on what the one before has left. */
const turns = 'custom key stores'

type Stated = Input<typeof api.createCustomKeyStore> | Input<typeof api.updateCustomKeyStore>

/**
 * The password is asked for because the API asks for it, and then it is forgotten: the PIN comes from the configuration, and a wrong one
 * that was tried could lock the token.
 */
export const createCustomKeyStore = onAccount(api.createCustomKeyStore, {
  check(input) {
    if (input.CustomKeyStoreType === 'EXTERNAL_KEY_STORE') {
      throw new KmsError('UnsupportedOperationException', 'External key stores are not supported: CustomKeyStoreType must be AWS_CLOUDHSM.')
    }
    refuseXksMembers(input)
    for (const member of ['CloudHsmClusterId', 'TrustAnchorCertificate', 'KeyStorePassword'] as const) {
      if (input[member] === undefined) throw invalid(`${member} is required for a custom key store of type AWS_CLOUDHSM.`)
    }
  },
  run: ({ input, scope }, services) => services.turns.take(turns, async () => {
    const { CustomKeyStoreName: name, CloudHsmClusterId: clusterId = '', TrustAnchorCertificate: certificate = '' } = input
    const { customKeyStores, hsm, clock } = services
    if (customKeyStores.list(scope).length >= storesMax) {
      throw new KmsError('LimitExceededException', `An account has at most ${storesMax} custom key stores in a region.`)
    }
    refuseTakenName(name, scope, services)
    const { keyStore, trustAnchor } = await freeCluster(clusterId, scope, services)
    checkTrustAnchor(certificate, trustAnchor)
    const made: CustomKeyStore = {
      id: newCustomKeyStoreId(await hsm.random(customKeyStoreIdBytes)),
      ...scope, name, keyStore, clusterId, trustAnchorCertificate: certificate, createdAt: clock.now(), connected: false,
    }
    if (!await services.store.customKeyStores.insert(made)) throw inUse(clusterId)
    await customKeyStores.load()
    // Waited for, so that the store can be connected by the next call.
    await logOut(made, services)
    return { CustomKeyStoreId: made.id }
  }),
  retry: { outcome: ({ CustomKeyStoreId: id }) => id ?? '', answer: async id => ({ CustomKeyStoreId: id }) },
})

export const updateCustomKeyStore = onAccount(api.updateCustomKeyStore, {
  check(input) {
    refuseXksMembers(input)
    const { NewCustomKeyStoreName: name, KeyStorePassword: password, CloudHsmClusterId: clusterId } = input
    if ([name, password, clusterId].every(member => member === undefined)) throw invalid('At least one setting to change is required.')
  },
  run: ({ input, scope }, services) => services.turns.take(turns, async () => {
    const { NewCustomKeyStoreName: name, KeyStorePassword: password, CloudHsmClusterId: clusterId } = input
    const store = customKeyStore(input.CustomKeyStoreId, scope, services)
    const onlyNamed = password === undefined && clusterId === undefined
    requireState(store, onlyNamed ? ['DISCONNECTED', 'CONNECTED'] : ['DISCONNECTED'], services)
    if (name !== undefined && name !== store.name) refuseTakenName(name, scope, services)
    if (clusterId !== undefined) requireSameToken(clusterId, store, scope, services)
    await write({ ...store, name: name ?? store.name, clusterId: clusterId ?? store.clusterId }, services)
    return {}
  }),
})

/** The token is then again what it was before it was claimed: a configured key store, and open. */
export const deleteCustomKeyStore = onAccount(api.deleteCustomKeyStore, {
  run: ({ input, scope }, services) => services.turns.take(turns, async () => {
    const store = customKeyStore(input.CustomKeyStoreId, scope, services)
    const { id, keyStore } = store
    requireState(store, ['DISCONNECTED'], services)
    if (await keysIn(keyStore, services) > 0) {
      throw new KmsError('CustomKeyStoreHasCMKsException', `Custom key store ${id} has KMS keys, or keys that are pending deletion.`)
    }
    await services.store.customKeyStores.remove(id)
    await services.customKeyStores.load()
    services.keyStores.connect(keyStore)
    return {}
  }),
})

export const describeCustomKeyStores = onAccount(api.describeCustomKeyStores, {
  readOnly: true,
  check({ CustomKeyStoreId: id, CustomKeyStoreName: name }) {
    if (id === undefined || name === undefined) return
    throw invalid('You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request.')
  },
  async run({ input, scope }, services) {
    const { CustomKeyStoreId: id, CustomKeyStoreName: name, Limit: limit = storesMax, Marker: marker } = input
    const listing = `DescribeCustomKeyStores ${scope.accountId} ${scope.region}`
    const after = await services.pages.after(listing, marker) ?? ''
    const named = id !== undefined || name !== undefined
    const stores = services.customKeyStores.list(scope).filter(one => named ? one.id === id || one.name === name : one.id > after)
    if (named && stores.length === 0) throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${id ?? name} does not exist`)
    const { items, end } = await services.pages.cut(listing, stores, limit, one => one.id)
    return { CustomKeyStores: items.map(one => described(one, services)), ...end }
  },
})

/** Answers at once; what becomes of it is seen by DescribeCustomKeyStores. */
export const connectCustomKeyStore = onAccount(api.connectCustomKeyStore, {
  run: ({ input, scope }, services) => services.turns.take(turns, async () => {
    const store = customKeyStore(input.CustomKeyStoreId, scope, services)
    requireState(store, ['DISCONNECTED', 'CONNECTING', 'CONNECTED'], services)
    if (!store.connected) await write({ ...store, connected: true }, services)
    services.keyStores.connect(store.keyStore)
    return {}
  }),
})

/** Answers at once, and from then on the keys are Unavailable; calls that are under way may still end well. */
export const disconnectCustomKeyStore = onAccount(api.disconnectCustomKeyStore, {
  run: ({ input, scope }, services) => services.turns.take(turns, async () => {
    const store = customKeyStore(input.CustomKeyStoreId, scope, services)
    requireState(store, ['CONNECTED', 'CONNECTING', 'FAILED'], services)
    await write({ ...store, connected: false }, services)
    void logOut(store, services)
    return {}
  }),
})

function refuseXksMembers(input: Stated): void {
  const given = Object.keys(input).find(member => member.startsWith('Xks') && input[member as keyof Stated] !== undefined)
  if (given !== undefined) throw invalid(`${given} is not valid for a custom key store of type AWS_CLOUDHSM.`)
}

function refuseTakenName(name: string, scope: Scope, { customKeyStores }: Services): void {
  if (!customKeyStores.list(scope).some(one => one.name === name)) return
  throw new KmsError('CustomKeyStoreNameInUseException', `A custom key store with the name ${name} already exists`)
}

/**
 * Tokens of other accounts are none. A token that holds keys which are in no custom key store stays theirs; so does the one that new keys
 * are made in.
 */
async function freeCluster(clusterId: string, scope: Scope, services: Services): Promise<Cluster> {
  const { customKeyStores, keyStores, regions } = services
  const cluster = ownCluster(clusterId, scope, services)
  const forNewKeys = [keyStores.forNewKeys, ...regions.map(region => keyStores.ofRegion(region))]
  if (forNewKeys.includes(cluster.keyStore)) throw unknownCluster(clusterId)
  if (customKeyStores.byKeyStore(cluster.keyStore) || await keysIn(cluster.keyStore, services) > 0) throw inUse(clusterId)
  return cluster
}

/** Those that the configuration gives to no account are of the installation's. */
function ownCluster(clusterId: string, { accountId }: Scope, services: Services): Cluster {
  const cluster = services.customKeyStores.cluster(clusterId)
  if (cluster && accountId === (cluster.accountId ?? services.accountId)) return cluster
  throw unknownCluster(clusterId)
}

function checkTrustAnchor(certificate: string, configured: string | undefined): void {
  const given = certificateOf(certificate)
  if (!given) throw new KmsError('IncorrectTrustAnchorException', 'TrustAnchorCertificate is not a certificate in PEM.')
  if (configured === undefined || certificateOf(configured)?.equals(given)) return
  throw new KmsError('IncorrectTrustAnchorException', 'TrustAnchorCertificate is not the trust anchor that is configured for this cluster.')
}

/** The id of a key store can be changed in the configuration; the token, which holds the keys, cannot. */
function requireSameToken(clusterId: string, { keyStore }: CustomKeyStore, scope: Scope, services: Services): void {
  if (ownCluster(clusterId, scope, services).keyStore === keyStore) return
  throw new KmsError('CloudHsmClusterNotRelatedException', `Cluster ${clusterId} does not hold the keys of this custom key store.`)
}

async function keysIn(keyStore: string, { store }: Services): Promise<number> {
  return (await store.keys.countByKeyStore()).get(keyStore) ?? 0
}

/** The caller has looked at everything that could be in the way. */
async function write(changed: CustomKeyStore, { store, customKeyStores }: Services): Promise<void> {
  if (!await store.customKeyStores.update(changed)) throw new Error(`the custom key store ${changed.id} could not be written`)
  await customKeyStores.load()
}

/** Never rejects: whatever goes wrong, the store is logged out as far as anybody can tell. */
async function logOut({ id, keyStore }: CustomKeyStore, { keyStores, log }: Services): Promise<void> {
  try {
    await keyStores.disconnect(keyStore)
  } catch (error) {
    log.warn('a key store was not closed in good order', { keyStore, customKeyStoreId: id, error })
  }
}

function described(store: CustomKeyStore, services: Services) {
  const { state, failure } = connectionOf(store, services)
  return {
    CustomKeyStoreId: store.id,
    CustomKeyStoreName: store.name,
    CustomKeyStoreType: 'AWS_CLOUDHSM' as const,
    CloudHsmClusterId: store.clusterId,
    TrustAnchorCertificate: store.trustAnchorCertificate,
    ConnectionState: state,
    ...failure && { ConnectionErrorCode: failure },
    CreationDate: new Date(store.createdAt),
  }
}

function unknownCluster(clusterId: string): KmsError {
  return new KmsError('CloudHsmClusterNotFoundException', `No key store that can be claimed has the cluster id ${clusterId}.`)
}

function inUse(clusterId: string): KmsError {
  return new KmsError('CloudHsmClusterInUseException',
    `Cluster ${clusterId} is in use already: by a custom key store, or by keys that are in none.`)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
