import type { StructureOf } from '../api/shape.js'
import type { keyMetadata as shape } from '../api/structures.js'
import { keySpecs } from '../domain/key-spec.js'
import type { KeyView } from '../domain/key.js'

/** A key as CreateKey and DescribeKey show it (KMS API Reference, KeyMetadata). Not for keys that the API must not show. */
export function keyMetadata({ key, versions }: KeyView): StructureOf<typeof shape> {
  const current = versions.get(key.currentVersion)
  const state = key.state as 'Enabled' | 'Disabled' | 'PendingDeletion'
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
    Origin: key.origin,
    KeyManager: 'CUSTOMER',
    CustomerMasterKeySpec: key.keySpec,
    KeySpec: key.keySpec,
    EncryptionAlgorithms: keySpecs.get(key.keySpec)?.encryptionAlgorithms ?? [],
    MultiRegion: false,
    ...current && { CurrentKeyMaterialId: current.keyMaterialId },
  }
}
