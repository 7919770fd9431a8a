import type { StructureOf } from '../api/shape.js'
import type { keyMetadata as shape } from '../api/structures.js'
import { usageRow, type Algorithm, type KeyUsage } from '../domain/key-spec.js'
import { keyArn } from '../domain/key-ref.js'
import { visibleState } from '../domain/key-state.js'
import type { Key, KeyView } from '../domain/key.js'
import type { Services } from './services.js'

export type KeyMetadata = StructureOf<typeof shape>

/** A key as CreateKey and DescribeKey show it (KMS API Reference, KeyMetadata). Not for keys that the API must not show. */
export async function keyMetadata(view: KeyView, services: Services): Promise<KeyMetadata> {
  const { key } = view
  const state = visibleState(key, services.customKeyStores.isConnected(key))
  return {
    AWSAccountId: key.accountId,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: new Date(key.createdAt),
    Enabled: state === 'Enabled',
    Description: key.description,
    KeyUsage: key.keyUsage,
    KeyState: state,
    ...key.deletionDate !== undefined && { DeletionDate: new Date(key.deletionDate) },
    ...key.pendingWindowInDays !== undefined && { PendingDeletionWindowInDays: key.pendingWindowInDays },
    Origin: key.origin,
    KeyManager: key.manager,
    // Values that the deprecated member never had are put there all the same: clients compare the two.
    CustomerMasterKeySpec: key.keySpec as NonNullable<KeyMetadata['CustomerMasterKeySpec']>,
    KeySpec: key.keySpec,
    ...algorithmsOf(key),
    MultiRegion: key.multiRegion !== undefined,
    ...await multiRegionOf(key, services),
    ...materialOf(view),
    ...customKeyStoreOf(key, services),
  }
}

const listNames = {
  ENCRYPT_DECRYPT: 'EncryptionAlgorithms', SIGN_VERIFY: 'SigningAlgorithms', GENERATE_VERIFY_MAC: 'MacAlgorithms',
  KEY_AGREEMENT: 'KeyAgreementAlgorithms', ENCAPSULATE_DECAPSULATE: 'EncapsulationAlgorithms',
} as const satisfies Record<KeyUsage, string>

type AlgorithmLists = Pick<KeyMetadata, (typeof listNames)[KeyUsage]>

/** The one list of algorithms that fits the usage of a key, under its name in KeyMetadata and GetPublicKey. */
export function algorithmsOf({ keySpec, keyUsage }: Pick<Key, 'keySpec' | 'keyUsage'>): AlgorithmLists {
  const lists: Partial<Record<(typeof listNames)[KeyUsage], readonly Algorithm[]>> = {
    [listNames[keyUsage]]: usageRow(keySpec, keyUsage)?.algorithms ?? [],
  }
  return lists as AlgorithmLists
}

async function multiRegionOf({ keyId, region, accountId, multiRegion }: Key, { store }: Services): Promise<Partial<KeyMetadata>> {
  if (!multiRegion) return {}
  const { primaryRegion } = multiRegion
  const named = (of: string) => ({ Arn: keyArn({ region: of, accountId }, keyId), Region: of })
  const replicas = (await store.keys.regionsOf(keyId)).filter(other => other !== primaryRegion)
  return {
    MultiRegionConfiguration: {
      MultiRegionKeyType: region === primaryRegion ? 'PRIMARY' : 'REPLICA',
      PrimaryKey: named(primaryRegion),
      ReplicaKeys: replicas.map(named),
    },
  }
}

/** Of symmetric keys only; in a custom key store AWS KMS does not show it. Expiry is the earliest among the materials that are there. */
function materialOf({ key, versions }: KeyView): Partial<KeyMetadata> {
  const current = versions.get(key.currentVersion)
  const shown = key.keySpec === 'SYMMETRIC_DEFAULT' && key.customKeyStoreId === undefined && current !== undefined
  const imported = [...versions.values()].filter(({ state, version }) => state === 'ready' && version <= key.currentVersion)
    .flatMap(version => version.import ?? [])
  const times = imported.flatMap(({ validTo }) => validTo ?? [])
  return {
    ...shown && { CurrentKeyMaterialId: current.keyMaterialId },
    ...current?.state === 'ready' && current.import && {
      ExpirationModel: times.length > 0 ? 'KEY_MATERIAL_EXPIRES' as const : 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const,
      ...times.length > 0 && { ValidTo: new Date(Math.min(...times)) },
    },
  }
}

function customKeyStoreOf({ customKeyStoreId }: Key, { customKeyStores }: Services): Partial<KeyMetadata> {
  if (customKeyStoreId === undefined) return {}
  const clusterId = customKeyStores.get(customKeyStoreId)?.clusterId
  return { CustomKeyStoreId: customKeyStoreId, ...clusterId !== undefined && { CloudHsmClusterId: clusterId } }
}
