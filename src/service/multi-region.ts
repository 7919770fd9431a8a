import * as api from '../api/multi-region.js'
import type { Input } from '../api/shape.js'
import { KmsError } from '../domain/errors.js'
import { keyArn } from '../domain/key-ref.js'
import { checkState, isVisible, notFound } from '../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import { isReplica, isSynchronised, relatedKeysMax } from '../domain/multi-region.js'
import { defaultPolicy } from '../domain/policy/default-policy.js'
import { parsePolicy } from '../domain/policy/parse.js'
import type { KeyName } from '../ports/keys.js'
import { newKeyPolicy } from './authorization/new-policy.js'
import type { Change } from './directory.js'
import { fitsPrimary } from './key-fit.js'
import { keyMetadata } from './key-metadata.js'
import { checkKeyQuota } from './key-quota.js'
import { nothingAgain, onKey } from './operation.js'
import type { Services } from './services.js'
import { checkTags } from './tags.js'

type ReplicateKeyInput = Input<typeof api.replicateKey>

export const replicateKey = onKey(api.replicateKey, {
  state: 'replicate',
  key: input => input.KeyId,
  fits: fitsPrimary,
  check(input) {
    checkTags(input.Tags ?? [])
    if (input.Policy !== undefined) parsePolicy(input.Policy, 'key')
  },
  permissions: ({ ReplicaRegion: region, Tags: tags = [] }) => [
    { action: 'kms:CreateKey', resource: '*', region },
    ...tags.length > 0 ? [{ action: 'kms:TagResource', resource: '*', region }] : [],
  ],
  async run(call, services) {
    const { key: { key: primary }, input } = call
    checkRegion(input.ReplicaRegion, 'ReplicaRegion', primary, services)
    await checkKeyQuota({ accountId: primary.accountId, region: input.ReplicaRegion }, services)
    const { Policy: text = defaultPolicy(primary.accountId), BypassPolicyLockoutSafetyCheck: bypass = false } = input
    const named = { ...primary, region: input.ReplicaRegion, arn: keyArn({ ...primary, region: input.ReplicaRegion }, primary.keyId) }
    const policy = await newKeyPolicy(text, named, call, services, bypass || input.Policy === undefined)
    return described(await services.keyVersions.whenIdle(primary, () => replicate(primary, input, policy, services)), services)
  },
  retry: {
    outcome: ({ ReplicaKeyMetadata }) => ReplicaKeyMetadata?.Arn ?? '',
    async answer(arn, { keys: [primary], input }, services) {
      const replica = primary && await services.directory.key(input.ReplicaRegion, primary.key.keyId)
      if (!replica || !isVisible(replica.key.state)) throw notFound({ arn })
      return described(replica, services)
    },
  },
})

export const updatePrimaryRegion = onKey(api.updatePrimaryRegion, {
  state: 'update-primary',
  key: input => input.KeyId,
  fits: fitsPrimary,
  async run({ key: { key: primary }, input: { PrimaryRegion: region }, access }, services) {
    checkRegion(region, 'PrimaryRegion', primary, services)
    const replica = await services.directory.key(region, primary.keyId)
    // Whether there is one is told by what follows, to who may do this to both.
    if (replica && isVisible(replica.key.state)) await access.requireKey(replica.key, 'kms:UpdatePrimaryRegion')
    await services.keyVersions.whenIdle(primary, async () => {
      await services.directory.changeAll(primary.region, primary.keyId, (view, relatives) => movedTo(region, view, relatives))
    })
  },
  retry: nothingAgain,
})

/** The key that holds the schedule of rotations: of a replica its primary. */
export async function scheduleOf({ key }: KeyView, { directory }: Services): Promise<Pick<Key, 'schedule' | 'state'>> {
  if (!key.multiRegion || !isReplica(key)) return key
  return (await directory.key(key.multiRegion.primaryRegion, key.keyId))?.key ?? key
}

function checkRegion(region: string, member: string, primary: Key, { regions }: Services): void {
  if (region === primary.region) throw new KmsError('ValidationException', `${member} must be another Region than that of the primary key.`)
  if (!regions.includes(region)) throw new KmsError('ValidationException', `${member} ${region} is not a Region of this service. `
      + `Its Regions are ${regions.join(', ')}: the setting regions, or CLAVIGER_REGIONS.`)
}

async function described(replica: KeyView, services: Services) {
  const { policy, tags } = replica.key
  return { ReplicaKeyMetadata: await keyMetadata(replica, services), ReplicaPolicy: policy, ReplicaTags: tags }
}

/**
 * First a row that nobody sees, so that the primary is not deleted under it; then, with the primary as it is by then, the whole key. What
 * a crash leaves in between has no material of its own: the reconciler removes it.
 */
async function replicate(
  primary: Key, input: ReplicateKeyInput, policy: Pick<Key, 'policy' | 'policyBindings'>, services: Services,
): Promise<KeyView> {
  const { store, directory, keyVersions } = services
  const name = { region: input.ReplicaRegion, keyId: primary.keyId }
  const arn = keyArn({ ...primary, region: name.region }, name.keyId)
  if ((await store.keys.regionsOf(name.keyId)).includes(name.region)) throw alreadyExists(arn)
  // With those that are gone: they have sealed, too, and only a replica in the same place goes on counting where they ended.
  const regions = new Set([...await store.keys.regionsOf(name.keyId, 'everywhere'), name.region])
  if (regions.size > relatedKeysMax) {
    throw new KmsError('LimitExceededException', `A multi-Region key can have at most ${relatedKeysMax} related keys, past ones included.`)
  }
  const draft: Key = {
    ...primary,
    ...name,
    arn,
    keyStore: keyStoreOf(name.region, primary, services),
    createdAt: services.clock.now(),
    description: input.Description,
    ...policy,
    tags: input.Tags ?? [],
    state: 'Creating',
    onDemandRotations: 0,
    revision: 1,
  }
  await begin(withoutSchedule(draft), services)
  try {
    await directory.changeAll(primary.region, primary.keyId, (view, relatives) => finished(name, view, relatives))
  } catch (error) {
    await keyVersions.removeUnfinished(name).catch(undoError => {
      services.log.error('a half-made replica is left to the reconciler', { ...name, error: undoError })
    })
    throw error
  }
  const replica = await store.keys.get(name.region, name.keyId)
  if (!replica) throw notFound({ arn })
  return replica
}

/** Material that was made in one HSM does not leave it, and cannot be in that of another region; imported material is given to each. */
function keyStoreOf(region: string, { arn, origin, keyStore }: Key, { keyStores }: Services): string {
  const wanted = keyStores.ofRegion(region) ?? keyStore
  if (wanted === keyStore || origin === 'EXTERNAL') return wanted
  throw new KmsError('UnsupportedOperationException', `${arn} cannot be replicated to ${region}: the keys of that Region are in another `
    + 'HSM, and the key material cannot leave the one that made it. A key with imported key material (Origin EXTERNAL) can be in both.')
}

function withoutSchedule({ schedule: _, ...key }: Key): Key {
  return key
}

/** In a region that had a replica before, the tombstone comes back to life: it knows how often its versions have sealed. */
async function begin(draft: Key, { store, directory }: Services): Promise<void> {
  const tombstone = await store.keys.get(draft.region, draft.keyId)
  if (!tombstone) await store.keys.insert(draft, [])
  else {
    await directory.change(draft.region, draft.keyId, ({ key: { state, revision } }) => {
      if (state !== 'Destroyed') throw alreadyExists(draft.arn)
      return { key: { ...draft, revision } }
    })
  }
  directory.forgetKey(draft.region, draft.keyId)
}

function finished(name: KeyName, view: KeyView, relatives: readonly KeyView[]): readonly [Change, Change] {
  const { key: primary, versions } = checkState(view, 'replicate')
  fitsPrimary(primary)
  const replica = relatives.find(({ key }) => key.region === name.region)
  if (replica?.key.state !== 'Creating') throw new Error(`the replica of ${name.keyId} that was begun is not there`)
  const whole = [...versions.values()].filter(({ state }) => state === 'ready' || state === 'absent')
  return [
    { key: primary },
    {
      key: { ...replica.key, state: primary.origin === 'EXTERNAL' ? 'PendingImport' : 'Enabled', currentVersion: primary.currentVersion },
      versions: whole.map(version => ofReplica(version, primary, name)),
    },
  ]
}

/** The replica uses the primary's objects. Imported material each of them is given by itself. */
function ofReplica(version: KeyVersion, { origin }: Key, { region }: KeyName): KeyVersion {
  return origin === 'EXTERNAL' ? { ...version, region, state: 'absent', evidence: [] } : { ...version, region }
}

/** Every relative is told in the same write, and the schedule goes with the primary. */
function movedTo(region: string, view: KeyView, relatives: readonly KeyView[]): readonly [Change, ...Change[]] {
  const { key: old, versions } = checkState(view, 'update-primary')
  fitsPrimary(old)
  const found = relatives.find(({ key }) => key.region === region && isVisible(key.state))
  if (!found) throw notFound({ arn: keyArn({ ...old, region }, old.keyId) })
  checkState(found, 'update-primary')
  if ([...versions.values()].some(({ state }) => state === 'creating')) {
    throw new KmsError('KMSInvalidStateException', `${old.arn} is updating.`)
  }
  const multiRegion = { primaryRegion: region }
  const { schedule, onDemandRotations } = old
  return [
    { key: { ...withoutSchedule(old), multiRegion } },
    ...relatives.filter(({ key }) => isSynchronised(key)).map(({ key }) => ({
      key: key.region === region ? { ...key, multiRegion, onDemandRotations, ...schedule && { schedule } } : { ...key, multiRegion },
    })),
  ]
}

function alreadyExists(arn: string): KmsError {
  return new KmsError('AlreadyExistsException', `${arn} already exists.`)
}
