import * as api from '../api/keys.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { newKeyId } from '../domain/key-id.js'
import { keyArn } from '../domain/key-ref.js'
import { keySpecs } from '../domain/key-spec.js'
import type { Key } from '../domain/key.js'
import { defaultPolicy } from '../domain/policy/default-policy.js'
import { checkPolicyDocument } from '../domain/policy/parse.js'
import { dayMs } from '../domain/rotation.js'
import { changeKey } from './change-key.js'
import { keyMetadata } from './key-metadata.js'
import { onAccount, onKey, type Call } from './operation.js'
import type { Services } from './services.js'
import { checkTags } from './tags.js'

const keyIdBytes = 16
const listPageDefault = 100
/** KMS API Reference, ScheduleKeyDeletion; the model would let 1-365 through. */
const pendingWindowDays = { min: 7, max: 30 } as const

type CreateKeyInput = Input<typeof api.createKey>

export const createKey = onAccount(api.createKey, {
  check(input) {
    checkKind(input)
    checkTags(input.Tags ?? [])
    if (input.Policy !== undefined) checkPolicyDocument(input.Policy)
  },
  async run(call, services) {
    const draft = await draftKey(call, services)
    const { backingKeys, store } = services
    const view = await backingKeys.make(draft, async () => {
      const first = backingKeys.draft(draft, draft.currentVersion)
      await store.keys.insert(draft, first)
      return first
    }, key => ({ ...key, state: 'Enabled' }))
    const current = view.versions.get(view.key.currentVersion)
    if (current) call.used(view.key.arn, current.version, current.keyMaterialId)
    return { KeyMetadata: keyMetadata(view) }
  },
})

export const describeKey = onKey(api.describeKey, {
  readOnly: true,
  state: 'read',
  aliases: true,
  key: input => input.KeyId,
  run: async ({ key }) => ({ KeyMetadata: keyMetadata(key) }),
})

export const listKeys = onAccount(api.listKeys, {
  readOnly: true,
  async run({ input, scope }, { store, pages }) {
    const listing = `ListKeys ${scope.region}`
    const limit = input.Limit ?? listPageDefault
    const after = await pages.after(listing, input.Marker)
    const ids = await store.keys.list(scope.region, after, limit + 1)
    const { items, end } = await pages.cut(listing, ids, limit, id => id)
    return { Keys: items.map(id => ({ KeyId: id, KeyArn: keyArn(scope, id) })), ...end }
  },
})

export const enableKey = onKey(api.enableKey, {
  state: 'change',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'change', services, stored => stored.state === 'Enabled' ? stored : { ...stored, state: 'Enabled' })
  },
})

export const disableKey = onKey(api.disableKey, {
  state: 'change',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'change', services, stored => stored.state === 'Disabled' ? stored : { ...stored, state: 'Disabled' })
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
  state: 'change',
  key: input => input.KeyId,
  check({ PendingWindowInDays: days }) {
    if (days < pendingWindowDays.min || days > pendingWindowDays.max) {
      const { min, max } = pendingWindowDays
      throw new KmsError('ValidationException', `PendingWindowInDays must be between ${min} and ${max}.`)
    }
  },
  async run({ key, input }, services) {
    const deletionDate = services.clock.now() + input.PendingWindowInDays * dayMs
    const { key: { arn } } = await changeKey(key, 'change', services, stored => ({ ...stored, state: 'PendingDeletion', deletionDate }))
    return {
      KeyId: arn,
      DeletionDate: new Date(deletionDate),
      KeyState: 'PendingDeletion' as const,
      PendingWindowInDays: input.PendingWindowInDays,
    }
  },
})

export const cancelKeyDeletion = onKey(api.cancelKeyDeletion, {
  state: 'cancel-deletion',
  key: input => input.KeyId,
  async run({ key }, services) {
    await changeKey(key, 'cancel-deletion', services, ({ deletionDate: _, ...stored }) => ({ ...stored, state: 'Disabled' }))
    return { KeyId: key.key.arn }
  },
})

async function draftKey({ input, scope }: Call<CreateKeyInput>, { keyStores, clock }: Services): Promise<Key> {
  const keyStore = keyStores.forNewKeys
  const keyId = newKeyId(await keyStores.get(keyStore).random(keyIdBytes))
  return {
    ...scope,
    keyId,
    arn: keyArn(scope, keyId),
    createdAt: clock.now(),
    description: input.Description,
    keySpec: 'SYMMETRIC_DEFAULT',
    keyUsage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    keyStore,
    state: 'Creating',
    currentVersion: 1,
    onDemandRotations: 0,
    policy: input.Policy ?? defaultPolicy(scope.accountId),
    tags: input.Tags ?? [],
    revision: 1,
  }
}

/** What kind of key is asked for, and whether it can be made here. */
function checkKind(input: CreateKeyInput): void {
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT'
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined) {
    throw new KmsError('ValidationException', 'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. '
      + 'CustomerMasterKeySpec is deprecated.')
  }
  if (spec !== 'SYMMETRIC_DEFAULT' && input.KeyUsage === undefined) {
    throw new KmsError('ValidationException', 'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.')
  }
  const row = keySpecs.get(spec)
  if (!row) throw unsupported(`KeySpec ${spec}`)
  const usage = input.KeyUsage ?? 'ENCRYPT_DECRYPT'
  if (!row.usages.some(known => known === usage)) {
    throw new KmsError('ValidationException', `KeyUsage ${usage} is not compatible with KeySpec ${spec}`)
  }
  if (input.Origin !== 'AWS_KMS') throw unsupported(`Origin ${input.Origin}`)
  if (input.MultiRegion) throw unsupported('MultiRegion')
  if (input.CustomKeyStoreId !== undefined) {
    throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${input.CustomKeyStoreId} does not exist`)
  }
  if (input.XksKeyId !== undefined) throw unsupported('XksKeyId')
}

function unsupported(what: string): KmsError {
  return new KmsError('UnsupportedOperationException', `${what} is not supported.`)
}
