import { KmsError } from './errors.js'
import type { Key, KeyState, KeyView } from './key.js'

/**
 * A row of the state table (KMS developer guide, Key states): operations that ask the same of a key's state have one name here. `use`
 * stands for every cryptographic operation but GenerateDataKeyPair; `change` for what is written about a key, such as tags.
 */
export type StateRule =
  | 'use' | 'use-for-pair' | 'public-key' | 'grant' | 'read' | 'put-policy' | 'change' | 'enable'
  | 'schedule-rotation' | 'rotation-status' | 'rotations'
  | 'rotate' | 'import' | 'delete-material' | 'schedule-deletion' | 'cancel-deletion' | 'replicate' | 'update-primary'

/** `Unavailable` is not stored: the custom key store of the key is disconnected. */
export type VisibleState = 'Enabled' | 'Disabled' | 'PendingImport' | 'PendingDeletion' | 'PendingReplicaDeletion' | 'Unavailable'

type Outcome = 'ok' | 'disabled' | 'pending deletion' | 'pending import' | 'unavailable' | 'not pending deletion' | 'unsupported'

type Row = Readonly<Record<Exclude<VisibleState, 'PendingReplicaDeletion'>, Outcome>>

function row(
  Enabled: Outcome, Disabled: Outcome, PendingDeletion: Outcome, PendingImport: Outcome, Unavailable: Outcome,
): Row {
  return { Enabled, Disabled, PendingDeletion, PendingImport, Unavailable }
}

const table: Readonly<Record<StateRule, Row>> = {
  'use': row('ok', 'disabled', 'pending deletion', 'pending import', 'unavailable'),
  'use-for-pair': row('ok', 'disabled', 'pending deletion', 'pending import', 'unsupported'),
  'public-key': row('ok', 'ok', 'pending deletion', 'ok', 'unavailable'),
  'grant': row('ok', 'disabled', 'pending deletion', 'pending import', 'ok'),
  'read': row('ok', 'ok', 'ok', 'ok', 'ok'),
  'put-policy': row('ok', 'ok', 'ok', 'ok', 'ok'),
  'change': row('ok', 'ok', 'pending deletion', 'ok', 'ok'),
  'enable': row('ok', 'ok', 'pending deletion', 'pending import', 'ok'),
  'schedule-rotation': row('ok', 'disabled', 'pending deletion', 'unsupported', 'unsupported'),
  'rotation-status': row('ok', 'ok', 'ok', 'unsupported', 'unsupported'),
  'rotations': row('ok', 'ok', 'ok', 'ok', 'unsupported'),
  'rotate': row('ok', 'disabled', 'pending deletion', 'pending import', 'unsupported'),
  'import': row('ok', 'ok', 'pending deletion', 'ok', 'unsupported'),
  'delete-material': row('ok', 'ok', 'ok', 'ok', 'unsupported'),
  'schedule-deletion': row('ok', 'ok', 'pending deletion', 'ok', 'ok'),
  'cancel-deletion': row(
    'not pending deletion', 'not pending deletion', 'ok', 'not pending deletion', 'not pending deletion',
  ),
  'replicate': row('ok', 'disabled', 'pending deletion', 'pending import', 'unavailable'),
  'update-primary': row('ok', 'disabled', 'pending deletion', 'pending import', 'unavailable'),
}

/** What may be done with a key that the service manages (`alias/aws/…`): users use and read it, and change nothing of it. */
const rulesForManagedKeys: ReadonlySet<StateRule> = new Set([
  'use', 'use-for-pair', 'public-key', 'grant', 'read', 'rotation-status', 'rotations',
])

declare const usable: unique symbol
/** A key whose state was found good for what the operation does with it. Only `checkState` makes one. */
export type UsableKey = KeyView & { readonly [usable]: true }

export const visibleStates = ['Enabled', 'Disabled', 'PendingImport', 'PendingDeletion', 'PendingReplicaDeletion'] as const

/** Whether the API shows the key at all: a half-made or destroyed key is as if it did not exist. */
export function isVisible(state: KeyState): state is (typeof visibleStates)[number] {
  return visibleStates.some(visible => visible === state)
}

export function isPendingDeletion(state: KeyState): boolean {
  return state === 'PendingDeletion' || state === 'PendingReplicaDeletion'
}

/** As DescribeKey shows it: `storeConnected` is false while the custom key store of the key is disconnected. Not for invisible keys. */
export function visibleState({ state }: Pick<Key, 'state'>, storeConnected: boolean): VisibleState {
  if (!isVisible(state)) throw new TypeError('the key is not visible')
  return storeConnected || isPendingDeletion(state) ? state : 'Unavailable'
}

export function checkState(view: KeyView, rule: StateRule, storeConnected = true): UsableKey {
  const { key } = view
  if (!isVisible(key.state)) throw notFound(key)
  const state = visibleState(key, storeConnected)
  const outcome = table[rule][state === 'PendingReplicaDeletion' ? 'PendingDeletion' : state]
  if (outcome === 'disabled') throw new KmsError('DisabledException', `${key.arn} is disabled.`)
  if (outcome === 'unsupported') throw new KmsError('UnsupportedOperationException', `${key.arn} does not support this operation.`)
  if (outcome !== 'ok') throw new KmsError('KMSInvalidStateException', `${key.arn} is ${outcome}.`)
  return view as UsableKey
}

/** Throws unless a user may do this with the key, whatever the policies say. */
export function checkManager({ manager, arn }: Key, rule: StateRule, caller: { readonly arn: string }, action: string): void {
  if (manager === 'CUSTOMER' || rulesForManagedKeys.has(rule)) return
  throw new KmsError('AccessDeniedException', `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${arn} because no `
    + `resource-based policy allows the ${action} action`)
}

export function notFound(key: Pick<Key, 'arn'>): KmsError {
  return new KmsError('NotFoundException', `Key '${key.arn}' does not exist`)
}
