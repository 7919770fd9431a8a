// Every enumeration of the KMS API, values as the service spells them (AWS KMS API Reference, data types).

export const algorithmSpec = [
  'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'RSAES_PKCS1_V1_5', 'RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256', 'SM2PKE',
] as const
export const connectionErrorCodeType = [
  'CLUSTER_NOT_FOUND', 'INSUFFICIENT_CLOUDHSM_HSMS', 'INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET', 'INTERNAL_ERROR', 'INVALID_CREDENTIALS', 'NETWORK_ERRORS', 'SUBNET_NOT_FOUND', 'USER_LOCKED_OUT', 'USER_LOGGED_IN', 'USER_NOT_FOUND', 'XKS_PROXY_ACCESS_DENIED', 'XKS_PROXY_INVALID_CONFIGURATION', 'XKS_PROXY_INVALID_RESPONSE', 'XKS_PROXY_INVALID_TLS_CONFIGURATION', 'XKS_PROXY_NOT_REACHABLE', 'XKS_PROXY_TIMED_OUT', 'XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION', 'XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND',
] as const
export const connectionStateType = [
  'CONNECTED', 'CONNECTING', 'DISCONNECTED', 'DISCONNECTING', 'FAILED',
] as const
export const customKeyStoreType = [
  'AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE',
] as const
export const customerMasterKeySpec = [
  'ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'ECC_SECG_P256K1', 'HMAC_224', 'HMAC_256', 'HMAC_384', 'HMAC_512', 'RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2', 'SYMMETRIC_DEFAULT',
] as const
export const dataKeyPairSpec = [
  'ECC_NIST_EDWARDS25519', 'ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'ECC_SECG_P256K1', 'ML_KEM_1024', 'ML_KEM_512', 'ML_KEM_768', 'RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2',
] as const
export const dataKeySpec = [
  'AES_128', 'AES_256',
] as const
export const dryRunModifierType = [
  'IGNORE_CIPHERTEXT',
] as const
export const encapsulationAlgorithmSpec = [
  'ML_KEM',
] as const
export const encryptionAlgorithmSpec = [
  'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE', 'SYMMETRIC_DEFAULT',
] as const
export const expirationModelType = [
  'KEY_MATERIAL_DOES_NOT_EXPIRE', 'KEY_MATERIAL_EXPIRES',
] as const
export const grantOperation = [
  'CreateGrant', 'Decapsulate', 'Decrypt', 'DeriveSharedSecret', 'DescribeKey', 'Encapsulate', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext', 'GenerateDataKeyWithoutPlaintext', 'GenerateMac', 'GetPublicKey', 'ReEncryptFrom', 'ReEncryptTo', 'RetireGrant', 'Sign', 'Verify', 'VerifyMac',
] as const
export const importState = [
  'IMPORTED', 'PENDING_IMPORT',
] as const
export const importType = [
  'EXISTING_KEY_MATERIAL', 'NEW_KEY_MATERIAL',
] as const
export const includeKeyMaterial = [
  'ALL_KEY_MATERIAL', 'ROTATIONS_ONLY',
] as const
export const keyAgreementAlgorithmSpec = [
  'ECDH',
] as const
export const keyEncryptionMechanism = [
  'RSAES_OAEP_SHA_256',
] as const
export const keyLastUsageTrackingOperation = [
  'Decapsulate', 'Decrypt', 'DeriveSharedSecret', 'Encapsulate', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext', 'GenerateDataKeyWithoutPlaintext', 'GenerateMac', 'ReEncrypt', 'Sign', 'Verify', 'VerifyMac',
] as const
export const keyManagerType = [
  'AWS', 'CUSTOMER',
] as const
export const keyMaterialState = [
  'CURRENT', 'NON_CURRENT', 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION', 'PENDING_ROTATION',
] as const
export const keySpec = [
  'ECC_NIST_EDWARDS25519', 'ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'ECC_SECG_P256K1', 'HMAC_224', 'HMAC_256', 'HMAC_384', 'HMAC_512', 'ML_DSA_44', 'ML_DSA_65', 'ML_DSA_87', 'ML_KEM_1024', 'ML_KEM_512', 'ML_KEM_768', 'RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2', 'SYMMETRIC_DEFAULT',
] as const
export const keyState = [
  'Creating', 'Disabled', 'Enabled', 'PendingDeletion', 'PendingImport', 'PendingReplicaDeletion', 'Unavailable', 'Updating',
] as const
export const keyUsageType = [
  'ENCAPSULATE_DECAPSULATE', 'ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC', 'KEY_AGREEMENT', 'SIGN_VERIFY',
] as const
export const macAlgorithmSpec = [
  'HMAC_SHA_224', 'HMAC_SHA_256', 'HMAC_SHA_384', 'HMAC_SHA_512',
] as const
export const messageType = [
  'DIGEST', 'EXTERNAL_MU', 'RAW',
] as const
export const multiRegionKeyType = [
  'PRIMARY', 'REPLICA',
] as const
export const originType = [
  'AWS_CLOUDHSM', 'AWS_KMS', 'EXTERNAL', 'EXTERNAL_KEY_STORE',
] as const
export const rotationType = [
  'AUTOMATIC', 'ON_DEMAND',
] as const
export const signingAlgorithmSpec = [
  'ECDSA_SHA_256', 'ECDSA_SHA_384', 'ECDSA_SHA_512', 'ED25519_PH_SHA_512', 'ED25519_SHA_512', 'ML_DSA_SHAKE_256', 'RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512', 'RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512', 'SM2DSA',
] as const
export const wrappingKeySpec = [
  'RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2',
] as const
export const xksProxyConnectivityType = [
  'PUBLIC_ENDPOINT', 'VPC_ENDPOINT_SERVICE',
] as const
