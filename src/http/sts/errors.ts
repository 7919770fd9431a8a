import type { ErrorCode } from '../../domain/errors.js'

/** `code` as the Query protocol has it, mostly without `Exception`. */
export interface StsError { readonly code: string, readonly status: number }

function error(code: string, status = 400): StsError {
  return { code, status }
}

const internal = error('InternalFailure', 500)
/** What the HSM is the matter of; clients try it again. */
const unavailable = error('ServiceUnavailable', 503)
/** Of the other APIs: nothing in STS is refused so. What is, is a fault of ours. */
const never = internal

/** Codes and statuses as STS has them (STS API Reference, Errors of each operation and Common Errors). */
export const stsErrors: Readonly<Record<ErrorCode, StsError>> = {
  AccessDeniedException: error('AccessDenied', 403),
  ExpiredIdentityTokenException: error('ExpiredTokenException'),
  ExpiredTokenException: error('ExpiredToken', 403),
  IDPCommunicationErrorException: error('IDPCommunicationError'),
  IDPRejectedClaimException: error('IDPRejectedClaim', 403),
  IncompleteSignatureException: error('IncompleteSignature'),
  InvalidIdentityTokenException: error('InvalidIdentityToken'),
  InvalidSignatureException: error('SignatureDoesNotMatch', 403),
  KMSInternalException: internal,
  KeyUnavailableException: unavailable,
  MalformedPolicyDocumentException: error('MalformedPolicyDocument'),
  MissingAuthenticationTokenException: error('MissingAuthenticationToken', 403),
  NotAuthorizedException: error('NotAuthorized'),
  PackedPolicyTooLargeException: error('PackedPolicyTooLarge'),
  RequestEntityTooLargeException: error('RequestEntityTooLarge', 413),
  SerializationException: error('MalformedInput'),
  ThrottlingException: error('Throttling'),
  UnknownOperationException: error('InvalidAction'),
  UnrecognizedClientException: error('InvalidClientTokenId', 403),
  UnsupportedOperationException: error('UnsupportedOperation'),
  ValidationException: error('ValidationError'),
  ApprovalRequiredException: error('ApprovalRequired'),

  AlreadyExistsException: never,
  CloudHsmClusterInUseException: never,
  CloudHsmClusterInvalidConfigurationException: never,
  CloudHsmClusterNotActiveException: never,
  CloudHsmClusterNotFoundException: never,
  CloudHsmClusterNotRelatedException: never,
  ConflictException: never,
  CustomKeyStoreHasCMKsException: never,
  CustomKeyStoreInvalidStateException: never,
  CustomKeyStoreNameInUseException: never,
  CustomKeyStoreNotFoundException: never,
  DeleteConflictException: never,
  DependencyTimeoutException: unavailable,
  DisabledException: never,
  DryRunOperationException: never,
  EntityAlreadyExistsException: never,
  ExpiredImportTokenException: never,
  IncorrectKeyException: never,
  IncorrectKeyMaterialException: never,
  IncorrectTrustAnchorException: never,
  InvalidAliasNameException: never,
  InvalidArnException: never,
  InvalidCiphertextException: never,
  InvalidGrantIdException: never,
  InvalidGrantTokenException: never,
  InvalidImportTokenException: never,
  InvalidKeyUsageException: never,
  InvalidMarkerException: never,
  KMSInvalidMacException: never,
  KMSInvalidSignatureException: never,
  KMSInvalidStateException: never,
  LimitExceededException: never,
  NoSuchEntityException: never,
  NotFoundException: never,
  TagException: never,
  XksKeyAlreadyInUseException: never,
  XksKeyInvalidConfigurationException: never,
  XksKeyNotFoundException: never,
  XksProxyIncorrectAuthenticationCredentialException: never,
  XksProxyInvalidConfigurationException: never,
  XksProxyInvalidResponseException: never,
  XksProxyUriEndpointInUseException: never,
  XksProxyUriInUseException: never,
  XksProxyUriUnreachableException: never,
  XksProxyVpcEndpointServiceInUseException: never,
  XksProxyVpcEndpointServiceInvalidConfigurationException: never,
  XksProxyVpcEndpointServiceNotFoundException: never,
}
