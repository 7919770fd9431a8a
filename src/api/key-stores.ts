import {
  customKeyStoreType, xksProxyConnectivityType,
} from './enums.js'
import {
  customKeyStoresListEntry, xksProxyAuthenticationCredentialType,
} from './structures.js'
import { contract } from './shape.js'

export const createCustomKeyStore = contract({
  name: 'CreateCustomKeyStore',
  input: {
    CustomKeyStoreName: { type: 'string', required: true, min: 1, max: 256 },
    CloudHsmClusterId: { type: 'string', min: 19, max: 24, pattern: 'cluster-[2-7a-zA-Z]{11,16}' },
    TrustAnchorCertificate: { type: 'string', min: 1, max: 5000 },
    KeyStorePassword: { type: 'string', min: 7, max: 32, sensitive: true },
    CustomKeyStoreType: { type: 'enum', values: customKeyStoreType, default: 'AWS_CLOUDHSM' },
    XksProxyUriEndpoint: { type: 'string', min: 10, max: 128, pattern: '^https://[a-zA-Z0-9.-]+$' },
    XksProxyUriPath: { type: 'string', min: 10, max: 128, pattern: '^(/[a-zA-Z0-9\\/_-]+/kms/xks/v\\d{1,2})$|^(/kms/xks/v\\d{1,2})$' },
    XksProxyVpcEndpointServiceName: { type: 'string', min: 20, max: 64, pattern: '^(com|eu)\\.amazonaws\\.vpce\\.([a-z]+-){2,3}\\d+\\.vpce-svc-[0-9a-z]+$' },
    XksProxyVpcEndpointServiceOwner: { type: 'string', min: 12, max: 12, pattern: '[0-9]{12}' },
    XksProxyAuthenticationCredential: { type: 'structure', members: xksProxyAuthenticationCredentialType },
    XksProxyConnectivity: { type: 'enum', values: xksProxyConnectivityType },
  },
  output: {
    CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
  },
  errors: ['CloudHsmClusterInUseException', 'CloudHsmClusterInvalidConfigurationException', 'CloudHsmClusterNotActiveException', 'CloudHsmClusterNotFoundException', 'CustomKeyStoreNameInUseException', 'IncorrectTrustAnchorException', 'KMSInternalException', 'LimitExceededException', 'XksProxyIncorrectAuthenticationCredentialException', 'XksProxyInvalidConfigurationException', 'XksProxyInvalidResponseException', 'XksProxyUriEndpointInUseException', 'XksProxyUriInUseException', 'XksProxyUriUnreachableException', 'XksProxyVpcEndpointServiceInUseException', 'XksProxyVpcEndpointServiceInvalidConfigurationException', 'XksProxyVpcEndpointServiceNotFoundException'],
})

export const updateCustomKeyStore = contract({
  name: 'UpdateCustomKeyStore',
  input: {
    CustomKeyStoreId: { type: 'string', required: true, min: 1, max: 64 },
    NewCustomKeyStoreName: { type: 'string', min: 1, max: 256 },
    KeyStorePassword: { type: 'string', min: 7, max: 32, sensitive: true },
    CloudHsmClusterId: { type: 'string', min: 19, max: 24, pattern: 'cluster-[2-7a-zA-Z]{11,16}' },
    XksProxyUriEndpoint: { type: 'string', min: 10, max: 128, pattern: '^https://[a-zA-Z0-9.-]+$' },
    XksProxyUriPath: { type: 'string', min: 10, max: 128, pattern: '^(/[a-zA-Z0-9\\/_-]+/kms/xks/v\\d{1,2})$|^(/kms/xks/v\\d{1,2})$' },
    XksProxyVpcEndpointServiceName: { type: 'string', min: 20, max: 64, pattern: '^(com|eu)\\.amazonaws\\.vpce\\.([a-z]+-){2,3}\\d+\\.vpce-svc-[0-9a-z]+$' },
    XksProxyVpcEndpointServiceOwner: { type: 'string', min: 12, max: 12, pattern: '[0-9]{12}' },
    XksProxyAuthenticationCredential: { type: 'structure', members: xksProxyAuthenticationCredentialType },
    XksProxyConnectivity: { type: 'enum', values: xksProxyConnectivityType },
  },
  output: {},
  errors: ['CloudHsmClusterInvalidConfigurationException', 'CloudHsmClusterNotActiveException', 'CloudHsmClusterNotFoundException', 'CloudHsmClusterNotRelatedException', 'CustomKeyStoreInvalidStateException', 'CustomKeyStoreNameInUseException', 'CustomKeyStoreNotFoundException', 'KMSInternalException', 'XksProxyIncorrectAuthenticationCredentialException', 'XksProxyInvalidConfigurationException', 'XksProxyInvalidResponseException', 'XksProxyUriEndpointInUseException', 'XksProxyUriInUseException', 'XksProxyUriUnreachableException', 'XksProxyVpcEndpointServiceInUseException', 'XksProxyVpcEndpointServiceInvalidConfigurationException', 'XksProxyVpcEndpointServiceNotFoundException'],
})

export const deleteCustomKeyStore = contract({
  name: 'DeleteCustomKeyStore',
  input: {
    CustomKeyStoreId: { type: 'string', required: true, min: 1, max: 64 },
  },
  output: {},
  errors: ['CustomKeyStoreHasCMKsException', 'CustomKeyStoreInvalidStateException', 'CustomKeyStoreNotFoundException', 'KMSInternalException'],
})

export const describeCustomKeyStores = contract({
  name: 'DescribeCustomKeyStores',
  input: {
    CustomKeyStoreId: { type: 'string', min: 1, max: 64 },
    CustomKeyStoreName: { type: 'string', min: 1, max: 256 },
    Limit: { type: 'integer', min: 1, max: 1000 },
    Marker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
  },
  output: {
    CustomKeyStores: { type: 'list', of: { type: 'structure', members: customKeyStoresListEntry } },
    NextMarker: { type: 'string', min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' },
    Truncated: { type: 'boolean' },
  },
  errors: ['CustomKeyStoreNotFoundException', 'InvalidMarkerException', 'KMSInternalException'],
})

export const connectCustomKeyStore = contract({
  name: 'ConnectCustomKeyStore',
  input: {
    CustomKeyStoreId: { type: 'string', required: true, min: 1, max: 64 },
  },
  output: {},
  errors: ['CloudHsmClusterInvalidConfigurationException', 'CloudHsmClusterNotActiveException', 'CustomKeyStoreInvalidStateException', 'CustomKeyStoreNotFoundException', 'KMSInternalException'],
})

export const disconnectCustomKeyStore = contract({
  name: 'DisconnectCustomKeyStore',
  input: {
    CustomKeyStoreId: { type: 'string', required: true, min: 1, max: 64 },
  },
  output: {},
  errors: ['CustomKeyStoreInvalidStateException', 'CustomKeyStoreNotFoundException', 'KMSInternalException'],
})
