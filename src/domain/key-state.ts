import { KmsError } from './errors.js'
import type { Key, KeyState, KeyView } from './key.js'

/** A row of the state table (KMS developer guide, Key states): which operations ask the same of a key's state. */
export type StateRule = 'use' | 'read' | 'change' | 'rotate' | 'cancel-deletion'

type VisibleState = 'Enabled' | 'Disabled' | 'PendingDeletion'
type Outcome = 'ok' | 'disabled' | 'pending-deletion' | 'not-pending-deletion'

const table: Readonly<Record<StateRule, Readonly<Record<VisibleState, Outcome>>>> = {
  'use': { Enabled: 'ok', Disabled: 'disabled', PendingDeletion: 'pending-deletion' },
  'rotate': { Enabled: 'ok', Disabled: 'disabled', PendingDeletion: 'pending-deletion' },
  'change': { Enabled: 'ok', Disabled: 'ok', PendingDeletion: 'pending-deletion' },
  'read': { Enabled: 'ok', Disabled: 'ok', PendingDeletion: 'ok' },
  'cancel-deletion': { Enabled: 'not-pending-deletion', Disabled: 'not-pending-deletion', PendingDeletion: 'ok' },
}

declare const usable: unique symbol
/** A key whose state was found good for what the operation does with it. Only `checkState` makes one. */
export type UsableKey = KeyView & { readonly [usable]: true }

/** Whether the API shows the key at all: a half-made or destroyed key is as if it did not exist. */
export function isVisible(state: KeyState): state is VisibleState {
  return state === 'Enabled' || state === 'Disabled' || state === 'PendingDeletion'
}

export function checkState(view: KeyView, rule: StateRule): UsableKey {
  const { key } = view
  if (!isVisible(key.state)) throw notFound(key)
  const outcome = table[rule][key.state]
  if (outcome === 'disabled') throw new KmsError('DisabledException', `${key.arn} is disabled.`)
  if (outcome !== 'ok') throw new KmsError('KMSInvalidStateException', `${key.arn} is ${outcome.replaceAll('-', ' ')}.`)
  return view as UsableKey
}

export function notFound(key: Pick<Key, 'arn'>): KmsError {
  return new KmsError('NotFoundException', `Key '${key.arn}' does not exist`)
}
