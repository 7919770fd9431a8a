import type { keyLastUsageTrackingOperation } from '../api/enums.js'
import * as api from '../api/keys.js'
import { KmsError } from '../domain/errors.js'
import { pendingWindowDays, reprieved } from '../domain/deletion.js'
import { keyArn } from '../domain/key-ref.js'
import { checkState, notFound, visibleState } from '../domain/key-state.js'
import type { Key } from '../domain/key.js'
import { isReplica } from '../domain/multi-region.js'
import { dayMs } from '../domain/rotation.js'
import { changeKey } from './change-key.js'
import { keyMetadata } from './key-metadata.js'
import { onAccount, onKey } from './operation.js'

const listPageDefault = 100

export const describeKey = onKey(api.describeKey, {
  readOnly: true,
  crossAccount: true,
  state: 'read',
  aliases: true,
  key: input => input.KeyId,
  run: async ({ key }, services) => ({ KeyMetadata: await keyMetadata(key, services) }),
})

export const getKeyLastUsage = onKey(api.getKeyLastUsage, {
  readOnly: true,
  state: 'read',
  key: input => input.KeyId,
  async run({ key: { key } }, { lastUsage }) {
    const last = await lastUsage.of(key)
    return {
      KeyId: key.keyId,
      KeyLastUsage: last ? {
        Operation: last.operation as (typeof keyLastUsageTrackingOperation)[number],
        Timestamp: new Date(last.usedAt),
        CloudTrailEventId: last.eventId,
        KmsRequestId: last.requestId,
      } : {},
      TrackingStartDate: new Date(Math.max(lastUsage.since, key.createdAt)),
      KeyCreationDate: new Date(key.createdAt),
    }
  },
})

export const listKeys = onAccount(api.listKeys, {
  readOnly: true,
  async run({ input, scope }, { store, pages }) {
    const listing = `ListKeys ${scope.accountId} ${scope.region}`
    const limit = input.Limit ?? listPageDefault
    const after = await pages.after(listing, input.Marker)
    const ids = await store.keys.list(scope.accountId, scope.region, after, limit + 1)
    const { items, end } = await pages.cut(listing, ids, limit, id => id)
    return { Keys: items.map(id => ({ KeyId: id, KeyArn: keyArn(scope, id) })), ...end }
  },
})

export const enableKey = onKey(api.enableKey, {
  state: 'enable',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'enable', services, stored => stored.state === 'Enabled' ? stored : { ...stored, state: 'Enabled' })
  },
})

export const disableKey = onKey(api.disableKey, {
  state: 'enable',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'enable', services, stored => stored.state === 'Disabled' ? stored : { ...stored, state: 'Disabled' })
  },
})

export const updateKeyDescription = onKey(api.updateKeyDescription, {
  state: 'change',
  key: input => input.KeyId,
  async run({ key, input }, services) {
    await changeKey(key, 'change', services, stored => ({ ...stored, description: input.Description }))
  },
})

export const scheduleKeyDeletion = onKey(api.scheduleKeyDeletion, {
  state: 'schedule-deletion',
  key: input => input.KeyId,
  check({ PendingWindowInDays: days }) {
    if (days < pendingWindowDays.min || days > pendingWindowDays.max) {
      const { min, max } = pendingWindowDays
      throw new KmsError('ValidationException', `PendingWindowInDays must be between ${min} and ${max}.`)
    }
  },
  async run({ key: { key: { region, keyId } }, input }, services) {
    const { directory, clock } = services
    const days = input.PendingWindowInDays
    const { key } = await directory.changeAll(region, keyId, (view, relatives) => {
      const { key: stored } = checkState(view, 'schedule-deletion')
      // Its relatives lean on it: the wait begins when the last of them is gone (service/delete-keys.ts).
      if (relatives.length > 0 && !isReplica(stored)) {
        return [{ key: { ...stored, state: 'PendingReplicaDeletion', pendingWindowInDays: days } }]
      }
      return [{ key: { ...stored, state: 'PendingDeletion', deletionDate: clock.now() + days * dayMs } }]
    })
    return scheduled(key, days)
  },
  retry: {
    outcome: ({ KeyId }) => KeyId ?? '',
    async answer(arn, { keys: [view], input }) {
      if (!view) throw notFound({ arn })
      return scheduled(view.key, input.PendingWindowInDays)
    },
  },
})

export const cancelKeyDeletion = onKey(api.cancelKeyDeletion, {
  state: 'cancel-deletion',
  key: input => input.KeyId,
  async run({ key: { key: { region, keyId, arn } } }, { directory }) {
    await directory.change(region, keyId, view => ({ key: reprieved(checkState(view, 'cancel-deletion')) }))
    return { KeyId: arn }
  },
  retry: { outcome: ({ KeyId }) => KeyId ?? '', answer: async arn => ({ KeyId: arn }) },
})

function scheduled(key: Key, days: number) {
  const { arn, deletionDate } = key
  return {
    KeyId: arn,
    ...deletionDate !== undefined && { DeletionDate: new Date(deletionDate) },
    // Of a retry: whatever became of the key since.
    KeyState: visibleState(key, true),
    PendingWindowInDays: days,
  }
}
