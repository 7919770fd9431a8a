import type { ErrorCode } from '../../domain/errors.js'

interface Answer {
  readonly status: number
  /** The live service spells the member with a capital for one error only; clients take both. */
  readonly message: 'message' | 'Message'
}

const client: Answer = { status: 400, message: 'message' }
const server: Answer = { status: 500, message: 'message' }

/**
 * Error to answer. On the wire every fault of the client is 400 and every fault of the server 500 (KMS API Reference, Errors of
 * each operation), whatever status the service's Smithy model gives; SDKs retry by it.
 */
export const answers: Readonly<Record<ErrorCode, Answer>> = {
  AlreadyExistsException: client,
  CloudHsmClusterInUseException: client,
  CloudHsmClusterInvalidConfigurationException: client,
  CloudHsmClusterNotActiveException: client,
  CloudHsmClusterNotFoundException: client,
  CloudHsmClusterNotRelatedException: client,
  ConflictException: client,
  CustomKeyStoreHasCMKsException: client,
  CustomKeyStoreInvalidStateException: client,
  CustomKeyStoreNameInUseException: client,
  CustomKeyStoreNotFoundException: client,
  DependencyTimeoutException: server,
  DisabledException: client,
  DryRunOperationException: client,
  ExpiredImportTokenException: client,
  IncorrectKeyException: client,
  IncorrectKeyMaterialException: client,
  IncorrectTrustAnchorException: client,
  InvalidAliasNameException: client,
  InvalidArnException: client,
  InvalidCiphertextException: client,
  InvalidGrantIdException: client,
  InvalidGrantTokenException: client,
  InvalidImportTokenException: client,
  InvalidKeyUsageException: client,
  InvalidMarkerException: client,
  KMSInternalException: server,
  KMSInvalidMacException: client,
  KMSInvalidSignatureException: client,
  KMSInvalidStateException: client,
  KeyUnavailableException: server,
  LimitExceededException: client,
  MalformedPolicyDocumentException: client,
  NotFoundException: client,
  TagException: client,
  UnsupportedOperationException: client,
  XksKeyAlreadyInUseException: client,
  XksKeyInvalidConfigurationException: client,
  XksKeyNotFoundException: client,
  XksProxyIncorrectAuthenticationCredentialException: client,
  XksProxyInvalidConfigurationException: client,
  XksProxyInvalidResponseException: client,
  XksProxyUriEndpointInUseException: client,
  XksProxyUriInUseException: client,
  XksProxyUriUnreachableException: client,
  XksProxyVpcEndpointServiceInUseException: client,
  XksProxyVpcEndpointServiceInvalidConfigurationException: client,
  XksProxyVpcEndpointServiceNotFoundException: client,
  AccessDeniedException: { status: 400, message: 'Message' },
  ExpiredTokenException: client,
  IncompleteSignatureException: client,
  InvalidSignatureException: client,
  MissingAuthenticationTokenException: client,
  NotAuthorizedException: client,
  RequestEntityTooLargeException: { status: 413, message: 'message' },
  SerializationException: client,
  ThrottlingException: client,
  UnknownOperationException: client,
  UnrecognizedClientException: client,
  ValidationException: client,
  IDPCommunicationErrorException: client,
  IDPRejectedClaimException: client,
  InvalidIdentityTokenException: client,
  PackedPolicyTooLargeException: client,
  ExpiredIdentityTokenException: client,
  DeleteConflictException: client,
  EntityAlreadyExistsException: client,
  NoSuchEntityException: client,
  ApprovalRequiredException: client,
}

/** The body of an error. An empty message is left out, as the live service does. */
export function errorBody(code: ErrorCode, message: string): string {
  return JSON.stringify(message === '' ? { __type: code } : { __type: code, [answers[code].message]: message })
}
