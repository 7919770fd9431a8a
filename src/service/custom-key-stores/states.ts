import type { StructureOf } from '../../api/shape.js'
import type { customKeyStoresListEntry } from '../../api/structures.js'
import { KmsError } from '../../domain/errors.js'
import type { Scope } from '../../domain/key-ref.js'
import type { CustomKeyStore } from '../../ports/custom-key-stores.js'
import type { HsmErrorKind } from '../../ports/hsm.js'
import type { KeyStoreConnection } from '../../ports/key-stores.js'
import type { Services } from '../services.js'

type Entry = StructureOf<typeof customKeyStoresListEntry>
type State = NonNullable<Entry['ConnectionState']>
type Failure = NonNullable<Entry['ConnectionErrorCode']>

export interface Connection { readonly state: State, readonly failure?: Failure }

/** CKR_PIN_LOCKED. */
const pinLocked = 0xa4

/** CLUSTER_NOT_FOUND: what the configuration says of the token fits nothing that is there; the log says what. */
const failures: Partial<Readonly<Record<HsmErrorKind, Failure>>> = {
  login: 'INVALID_CREDENTIALS', lost: 'NETWORK_ERRORS', busy: 'NETWORK_ERRORS', configuration: 'CLUSTER_NOT_FOUND',
}

/** The state of a custom key store: what was asked for last, and what came of it. While a token is lost it is FAILED, until it is back. */
export function connectionOf({ keyStore, connected }: CustomKeyStore, { keyStores }: Pick<Services, 'keyStores'>): Connection {
  const there = keyStores.connection(keyStore)
  if (!connected) return { state: there.state === 'disconnected' || there.state === 'absent' ? 'DISCONNECTED' : 'DISCONNECTING' }
  if (there.state === 'connected') return { state: 'CONNECTED' }
  if (there.state === 'absent') return { state: 'FAILED', failure: 'CLUSTER_NOT_FOUND' }
  return there.state === 'failed' ? { state: 'FAILED', failure: failureOf(there) } : { state: 'CONNECTING' }
}

function failureOf({ failure: { kind, returnValue } }: KeyStoreConnection & { readonly state: 'failed' }): Failure {
  return kind === 'login' && returnValue === pinLocked ? 'USER_LOCKED_OUT' : failures[kind] ?? 'INTERNAL_ERROR'
}

/** Throws CustomKeyStoreNotFoundException. */
export function customKeyStore(
  id: string, { accountId, region }: Scope, { customKeyStores }: Pick<Services, 'customKeyStores'>,
): CustomKeyStore {
  const store = customKeyStores.get(id)
  if (store?.region === region && store.accountId === accountId) return store
  throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${id} does not exist`)
}

/** Throws CustomKeyStoreInvalidStateException unless the store is in one of these states. */
export function requireState(store: CustomKeyStore, states: readonly State[], services: Pick<Services, 'keyStores'>): void {
  const { state } = connectionOf(store, services)
  if (states.includes(state)) return
  throw new KmsError('CustomKeyStoreInvalidStateException',
    `Custom key store ${store.id} is ${state}. This operation needs it to be ${states.join(' or ')}.`)
}

/** A store that keys can be made in. Throws as the two above do. */
export function connectedStore(id: string, scope: Scope, services: Pick<Services, 'customKeyStores' | 'keyStores'>): CustomKeyStore {
  const store = customKeyStore(id, scope, services)
  requireState(store, ['CONNECTED'], services)
  return store
}
