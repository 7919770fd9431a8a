/**
 * Every way a call can be refused, by the name that AWS gives it. Fronts map a code to their protocol with a
 * `Record<ErrorCode, …>`, so a new code does not compile until it is mapped. Anything thrown that is not a KmsError is an
 * internal fault: logged with its cause, answered without text.
 */
export type ErrorCode =
  // modelled by the KMS API
  | 'AlreadyExistsException' | 'CloudHsmClusterInUseException' | 'CloudHsmClusterInvalidConfigurationException'
  | 'CloudHsmClusterNotActiveException' | 'CloudHsmClusterNotFoundException' | 'CloudHsmClusterNotRelatedException'
  | 'ConflictException' | 'CustomKeyStoreHasCMKsException' | 'CustomKeyStoreInvalidStateException'
  | 'CustomKeyStoreNameInUseException' | 'CustomKeyStoreNotFoundException' | 'DependencyTimeoutException'
  | 'DisabledException' | 'DryRunOperationException' | 'ExpiredImportTokenException' | 'IncorrectKeyException'
  | 'IncorrectKeyMaterialException' | 'IncorrectTrustAnchorException' | 'InvalidAliasNameException' | 'InvalidArnException'
  | 'InvalidCiphertextException' | 'InvalidGrantIdException' | 'InvalidGrantTokenException' | 'InvalidImportTokenException'
  | 'InvalidKeyUsageException' | 'InvalidMarkerException' | 'KMSInternalException' | 'KMSInvalidMacException'
  | 'KMSInvalidSignatureException' | 'KMSInvalidStateException' | 'KeyUnavailableException' | 'LimitExceededException'
  | 'MalformedPolicyDocumentException' | 'NotFoundException' | 'TagException' | 'UnsupportedOperationException'
  | 'XksKeyAlreadyInUseException' | 'XksKeyInvalidConfigurationException' | 'XksKeyNotFoundException'
  | 'XksProxyIncorrectAuthenticationCredentialException' | 'XksProxyInvalidConfigurationException'
  | 'XksProxyInvalidResponseException' | 'XksProxyUriEndpointInUseException' | 'XksProxyUriInUseException'
  | 'XksProxyUriUnreachableException' | 'XksProxyVpcEndpointServiceInUseException'
  | 'XksProxyVpcEndpointServiceInvalidConfigurationException' | 'XksProxyVpcEndpointServiceNotFoundException'
  // answered by the front end of every AWS JSON service
  | 'AccessDeniedException' | 'ExpiredTokenException' | 'IncompleteSignatureException' | 'InvalidSignatureException'
  | 'MissingAuthenticationTokenException' | 'NotAuthorizedException' | 'RequestEntityTooLargeException'
  | 'SerializationException' | 'ThrottlingException' | 'UnknownOperationException' | 'UnrecognizedClientException'
  | 'ValidationException'
  // of STS, in its own front without their `Exception`
  | 'IDPCommunicationErrorException' | 'IDPRejectedClaimException' | 'InvalidIdentityTokenException' | 'PackedPolicyTooLargeException'
  // of STS for the token of an identity provider; AWS calls it as it calls the one of a session
  | 'ExpiredIdentityTokenException'
  // of the administration of identities, as IAM has them
  | 'DeleteConflictException' | 'EntityAlreadyExistsException' | 'NoSuchEntityException'
  // ours: the call waits for the approval of others, and has had no effect yet
  | 'ApprovalRequiredException'

/** A refusal the caller may see. The message must never hold a secret; an empty one is left out of the answer. */
export class KmsError extends Error {
  override readonly name = 'KmsError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message = '', options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** For what is refused all day long: where it was thrown tells nobody anything, and to find that out would cost more than to decide. */
export function withoutStack(code: ErrorCode, message: string): KmsError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new KmsError(code, message)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** There is too much to do already; text as AWS KMS has it. */
export function throttled(): KmsError {
  return withoutStack('ThrottlingException', 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.')
}

/** The one answer to every ciphertext that does not open, whatever the defect (architecture of the ciphertext, README). */
export function invalidCiphertext(): KmsError {
  return new KmsError('InvalidCiphertextException')
}

/** A Decrypt or ReEncrypt names a key that cannot have made the ciphertext; text as AWS KMS has it. */
export function incorrectKey(): KmsError {
  return new KmsError('IncorrectKeyException', 'The key ID in the request does not identify a CMK that can perform this operation.')
}
