// Structures that more than one member of the KMS API refers to (AWS KMS API Reference, data types).

import {
  connectionErrorCodeType, connectionStateType, customKeyStoreType, customerMasterKeySpec, encapsulationAlgorithmSpec, encryptionAlgorithmSpec, expirationModelType, grantOperation, importState, keyAgreementAlgorithmSpec, keyEncryptionMechanism, keyLastUsageTrackingOperation, keyManagerType, keyMaterialState, keySpec, keyState, keyUsageType, macAlgorithmSpec, multiRegionKeyType, originType, rotationType, signingAlgorithmSpec, xksProxyConnectivityType,
} from './enums.js'
import type { Members } from './shape.js'

export const aliasListEntry = {
  AliasName: { type: 'string', min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
  AliasArn: { type: 'string', min: 20, max: 2048 },
  TargetKeyId: { type: 'string', min: 1, max: 2048 },
  CreationDate: { type: 'timestamp' },
  LastUpdatedDate: { type: 'timestamp' },
} as const satisfies Members

export const xksProxyConfigurationType = {
  Connectivity: { type: 'enum', values: xksProxyConnectivityType },
  AccessKeyId: { type: 'string', min: 20, max: 30, pattern: '^[A-Z2-7]+$', sensitive: true },
  UriEndpoint: { type: 'string', min: 10, max: 128, pattern: '^https://[a-zA-Z0-9.-]+$' },
  UriPath: { type: 'string', min: 10, max: 128, pattern: '^(/[a-zA-Z0-9\\/_-]+/kms/xks/v\\d{1,2})$|^(/kms/xks/v\\d{1,2})$' },
  VpcEndpointServiceName: { type: 'string', min: 20, max: 64, pattern: '^(com|eu)\\.amazonaws\\.vpce\\.([a-z]+-){2,3}\\d+\\.vpce-svc-[0-9a-z]+$' },
  VpcEndpointServiceOwner: { type: 'string', min: 12, max: 12, pattern: '[0-9]{12}' },
} as const satisfies Members

export const customKeyStoresListEntry = {
  CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
  CustomKeyStoreName: { type: 'string', min: 1, max: 256 },
  CloudHsmClusterId: { type: 'string', min: 19, max: 24, pattern: 'cluster-[2-7a-zA-Z]{11,16}' },
  TrustAnchorCertificate: { type: 'string', min: 1, max: 5000 },
  ConnectionState: { type: 'enum', values: connectionStateType },
  ConnectionErrorCode: { type: 'enum', values: connectionErrorCodeType },
  CreationDate: { type: 'timestamp' },
  CustomKeyStoreType: { type: 'enum', values: customKeyStoreType },
  XksProxyConfiguration: { type: 'structure', members: xksProxyConfigurationType },
} as const satisfies Members

export const grantConstraints = {
  EncryptionContextSubset: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
  EncryptionContextEquals: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
  SourceArn: { type: 'string', min: 20, max: 512, pattern: '^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$' },
} as const satisfies Members

export const grantListEntry = {
  KeyId: { type: 'string', min: 1, max: 2048 },
  GrantId: { type: 'string', min: 1, max: 128 },
  Name: { type: 'string', min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' },
  CreationDate: { type: 'timestamp' },
  GranteePrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
  RetiringPrincipal: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
  IssuingAccount: { type: 'string', min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' },
  Operations: { type: 'list', of: { type: 'enum', values: grantOperation } },
  Constraints: { type: 'structure', members: grantConstraints },
  GranteeServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
  RetiringServicePrincipal: { type: 'string', min: 1, max: 128, pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$' },
} as const satisfies Members

export const keyLastUsageData = {
  Operation: { type: 'enum', values: keyLastUsageTrackingOperation },
  Timestamp: { type: 'timestamp' },
  CloudTrailEventId: { type: 'string' },
  KmsRequestId: { type: 'string' },
} as const satisfies Members

export const keyListEntry = {
  KeyId: { type: 'string', min: 1, max: 2048 },
  KeyArn: { type: 'string', min: 20, max: 2048 },
} as const satisfies Members

export const multiRegionKey = {
  Arn: { type: 'string', min: 20, max: 2048 },
  Region: { type: 'string', min: 1, max: 32, pattern: '^([a-z]+-){2,3}\\d+$' },
} as const satisfies Members

export const multiRegionConfiguration = {
  MultiRegionKeyType: { type: 'enum', values: multiRegionKeyType },
  PrimaryKey: { type: 'structure', members: multiRegionKey },
  ReplicaKeys: { type: 'list', of: { type: 'structure', members: multiRegionKey } },
} as const satisfies Members

export const xksKeyConfigurationType = {
  Id: { type: 'string', min: 1, max: 128, pattern: '^[a-zA-Z0-9-_.]+$' },
} as const satisfies Members

export const keyMetadata = {
  AWSAccountId: { type: 'string' },
  KeyId: { type: 'string', required: true, min: 1, max: 2048 },
  Arn: { type: 'string', min: 20, max: 2048 },
  CreationDate: { type: 'timestamp' },
  Enabled: { type: 'boolean' },
  Description: { type: 'string', min: 0, max: 8192 },
  KeyUsage: { type: 'enum', values: keyUsageType },
  KeyState: { type: 'enum', values: keyState },
  DeletionDate: { type: 'timestamp' },
  ValidTo: { type: 'timestamp' },
  Origin: { type: 'enum', values: originType },
  CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
  CloudHsmClusterId: { type: 'string', min: 19, max: 24, pattern: 'cluster-[2-7a-zA-Z]{11,16}' },
  ExpirationModel: { type: 'enum', values: expirationModelType },
  KeyManager: { type: 'enum', values: keyManagerType },
  CustomerMasterKeySpec: { type: 'enum', values: customerMasterKeySpec },
  KeySpec: { type: 'enum', values: keySpec },
  EncryptionAlgorithms: { type: 'list', of: { type: 'enum', values: encryptionAlgorithmSpec } },
  SigningAlgorithms: { type: 'list', of: { type: 'enum', values: signingAlgorithmSpec } },
  KeyAgreementAlgorithms: { type: 'list', of: { type: 'enum', values: keyAgreementAlgorithmSpec } },
  MultiRegion: { type: 'boolean' },
  MultiRegionConfiguration: { type: 'structure', members: multiRegionConfiguration },
  PendingDeletionWindowInDays: { type: 'integer', min: 1, max: 365 },
  MacAlgorithms: { type: 'list', of: { type: 'enum', values: macAlgorithmSpec } },
  XksKeyConfiguration: { type: 'structure', members: xksKeyConfigurationType },
  CurrentKeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  EncapsulationAlgorithms: { type: 'list', of: { type: 'enum', values: encapsulationAlgorithmSpec } },
} as const satisfies Members

export const recipientInfo = {
  KeyEncryptionAlgorithm: { type: 'enum', values: keyEncryptionMechanism },
  AttestationDocument: { type: 'blob', min: 1, max: 262144 },
} as const satisfies Members

export const rotationsListEntry = {
  KeyId: { type: 'string', min: 1, max: 2048 },
  KeyMaterialId: { type: 'string', min: 64, max: 64, pattern: '^[a-f0-9]+$' },
  KeyMaterialDescription: { type: 'string', min: 0, max: 256, pattern: '^[a-zA-Z0-9:/_\\s.-]+$' },
  ImportState: { type: 'enum', values: importState },
  KeyMaterialState: { type: 'enum', values: keyMaterialState },
  ExpirationModel: { type: 'enum', values: expirationModelType },
  ValidTo: { type: 'timestamp' },
  RotationDate: { type: 'timestamp' },
  RotationType: { type: 'enum', values: rotationType },
} as const satisfies Members

export const tag = {
  TagKey: { type: 'string', required: true, min: 1, max: 128 },
  TagValue: { type: 'string', required: true, min: 0, max: 256 },
} as const satisfies Members

export const xksProxyAuthenticationCredentialType = {
  AccessKeyId: { type: 'string', required: true, min: 20, max: 30, pattern: '^[A-Z2-7]+$', sensitive: true },
  RawSecretAccessKey: { type: 'string', required: true, min: 43, max: 64, pattern: '^[a-zA-Z0-9\\/+=]+$', sensitive: true },
} as const satisfies Members
