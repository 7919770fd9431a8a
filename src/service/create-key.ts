import * as api from '../api/keys.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { newKeyId, newMultiRegionKeyId } from '../domain/key-id.js'
import { keyArn, type Scope } from '../domain/key-ref.js'
import { keySpecs, type KeySpecRow, type KeyUsage } from '../domain/key-spec.js'
import { isVisible, notFound } from '../domain/key-state.js'
import type { Key, KeyView } from '../domain/key.js'
import { defaultPolicy } from '../domain/policy/default-policy.js'
import { parsePolicy } from '../domain/policy/parse.js'
import { newKeyPolicy } from './authorization/new-policy.js'
import { connectedStore, customKeyStore } from './custom-key-stores/states.js'
import { keyMetadata } from './key-metadata.js'
import { checkKeyQuota } from './key-quota.js'
import { onAccount, type Call } from './operation.js'
import type { Services } from './services.js'
import { checkTags } from './tags.js'

const keyIdBytes = 16
const wrappingSizes = [2048, 3072, 4096] as const

type CreateKeyInput = Input<typeof api.createKey>

/** What happens to a new key before anything is written, and what becomes of it when its version is there. */
export interface Making { readonly begin?: (draft: Key) => Promise<Key>, readonly finish?: (key: Key) => Key }

/** What a key that is made by nobody's call may say for itself; the rest is as CreateKey has it by default. */
export type NewKey = Pick<Key, 'keySpec' | 'keyUsage' | 'origin'> & Partial<Key>

export const createKey = onAccount(api.createKey, {
  check(input) {
    checkKind(input)
    checkTags(input.Tags ?? [])
    if (input.Policy !== undefined) parsePolicy(input.Policy, 'key')
  },
  permissions: input => [
    { action: 'kms:CreateKey', resource: '*' }, ...(input.Tags ?? []).length > 0 ? [{ action: 'kms:TagResource', resource: '*' }] : [],
  ],
  async run(call, services) {
    const { Policy: policy, BypassPolicyLockoutSafetyCheck: bypass = false } = call.input
    await checkKeyQuota(call.scope, services)
    const view = await makeKey(call.scope, ofInput(call, services), services, {
      begin: async draft => policy === undefined ? draft : { ...draft, ...await newKeyPolicy(policy, draft, call, services, bypass) },
      finish(key) {
        // It may have been deleted before there was a row that would have kept it.
        if (key.customKeyStoreId !== undefined) customKeyStore(key.customKeyStoreId, key, services)
        return enabled(key)
      },
    })
    const current = view.versions.get(view.key.currentVersion)
    if (current) call.used(view.key, current)
    return { KeyMetadata: await keyMetadata(view, services) }
  },
  retry: {
    outcome: ({ KeyMetadata }) => KeyMetadata?.KeyId ?? '',
    async answer(keyId, { scope }, services) {
      const view = await services.directory.key(scope.region, keyId)
      if (!view || !isVisible(view.key.state)) throw notFound({ arn: keyArn(scope, keyId) })
      return { KeyMetadata: await keyMetadata(view, services) }
    },
  },
})

/**
 * Makes a key and, unless its material is to be imported, its first version. Throws UnsupportedOperationException, with nothing written, if
 * the key store has not got what such a key needs.
 */
export async function makeKey(scope: Scope, asked: NewKey, services: Services, { begin, finish = enabled }: Making = {}): Promise<KeyView> {
  const { keyVersions, store } = services
  const drafted = await draftKey(scope, asked, services)
  const draft = begin ? await begin(drafted) : drafted
  const kind = keyVersions.kindFor(draft)
  if (draft.origin !== 'EXTERNAL') {
    return keyVersions.make(draft, async () => {
      const first = keyVersions.draft(draft, draft.currentVersion)
      await store.keys.insert(draft, [first])
      return first
    }, finish)
  }
  // A pair of objects cannot be cut out of the one that a client brings.
  const takesImports = wrappingSizes.some(bits => services.keyStores.get(draft.keyStore).kinds.has(`rsa-${bits}-wrapping`))
  if (kind === 'cbc-hmac' || !takesImports) throw unsupported('Origin EXTERNAL with the HSM of this key store')
  await store.keys.insert(draft, [])
  services.directory.forgetKey(draft.region, draft.keyId)
  return { key: draft, versions: new Map() }
}

function enabled(key: Key): Key {
  return { ...key, state: 'Enabled' }
}

async function draftKey(scope: Scope, asked: NewKey, { keyStores, clock }: Services): Promise<Key> {
  const external = asked.origin === 'EXTERNAL'
  const keyStore = asked.keyStore ?? keyStores.ofRegion(scope.region) ?? keyStores.forNewKeys
  const random = await keyStores.get(keyStore).random(keyIdBytes)
  const keyId = asked.multiRegion ? newMultiRegionKeyId(random) : newKeyId(random)
  return {
    description: '',
    manager: 'CUSTOMER',
    onDemandRotations: 0,
    policy: defaultPolicy(scope.accountId),
    policyBindings: {},
    tags: [],
    ...asked,
    ...scope,
    keyId,
    arn: keyArn(scope, keyId),
    createdAt: clock.now(),
    keyStore,
    // There is nothing half-made about a key that has no material yet.
    state: external ? 'PendingImport' : 'Creating',
    currentVersion: external ? 0 : 1,
    revision: 1,
  }
}

function ofInput({ input, scope }: Call<CreateKeyInput>, services: Services): NewKey {
  const { row, usage } = checkKind(input)
  return {
    keySpec: row.spec,
    keyUsage: usage,
    origin: input.Origin === 'EXTERNAL' ? 'EXTERNAL' : 'AWS_KMS',
    description: input.Description,
    tags: input.Tags ?? [],
    ...input.MultiRegion && { multiRegion: { primaryRegion: scope.region } },
    ...input.CustomKeyStoreId !== undefined && { origin: 'AWS_CLOUDHSM', ...inStore(input.CustomKeyStoreId, scope, services) },
  }
}

function inStore(id: string, scope: Scope, services: Services): Pick<Key, 'keyStore'> & Partial<Key> {
  return { keyStore: connectedStore(id, scope, services).keyStore, customKeyStoreId: id }
}

/** What kind of key is asked for; throws unless there can be such a key. */
function checkKind(input: CreateKeyInput): { readonly row: KeySpecRow, readonly usage: KeyUsage } {
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT'
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined) {
    throw invalid('You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.')
  }
  if (spec !== 'SYMMETRIC_DEFAULT' && input.KeyUsage === undefined) {
    throw invalid('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.')
  }
  const row = keySpecs.get(spec)
  if (!row || row.usages.length === 0) throw unsupported(`KeySpec ${spec}`)
  const usage = input.KeyUsage ?? 'ENCRYPT_DECRYPT'
  if (!row.usages.some(known => known.usage === usage)) throw invalid(`KeyUsage ${usage} is not compatible with KeySpec ${spec}`)
  checkOrigin(input, row)
  if (input.MultiRegion && !row.multiRegion) throw unsupported(`MultiRegion with KeySpec ${spec}`)
  return { row, usage }
}

function checkOrigin(input: CreateKeyInput, row: KeySpecRow): void {
  const { Origin: origin, CustomKeyStoreId: store, XksKeyId: xksKey, MultiRegion: multiRegion } = input
  if (origin === 'EXTERNAL_KEY_STORE') throw unsupported('Origin EXTERNAL_KEY_STORE')
  if (xksKey !== undefined) throw unsupported('XksKeyId')
  if (origin === 'AWS_CLOUDHSM' && store === undefined) throw invalid('You must specify a CustomKeyStoreId with Origin AWS_CLOUDHSM.')
  if (origin !== 'AWS_CLOUDHSM' && store !== undefined) throw invalid(`CustomKeyStoreId is not compatible with Origin ${origin}.`)
  if (store !== undefined && row.spec !== 'SYMMETRIC_DEFAULT') throw unsupported(`KeySpec ${row.spec} in a custom key store`)
  if (store !== undefined && multiRegion) throw unsupported('MultiRegion in a custom key store')
  if (origin === 'EXTERNAL' && !row.importable) throw unsupported(`Origin EXTERNAL with KeySpec ${row.spec}`)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}

function unsupported(what: string): KmsError {
  return new KmsError('UnsupportedOperationException', `${what} is not supported.`)
}
