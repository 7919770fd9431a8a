import { KmsError, type ErrorCode } from '../domain/errors.js'
import { HsmError, type HsmErrorKind } from '../ports/hsm.js'

/** What a client is told when the HSM could not do its part. The message of an HsmError is for the log only, but for `material`. */
const answers: Readonly<Record<HsmErrorKind, readonly [ErrorCode, string]>> = {
  'ciphertext-invalid': ['InvalidCiphertextException', ''],
  'busy': ['ThrottlingException', 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.'],
  'lost': ['KeyUnavailableException', 'The HSM is not available at the moment. Retry the request.'],
  'capacity': ['LimitExceededException', 'The HSM has no room for another key.'],
  'missing': ['KMSInternalException', ''],
  'exists': ['KMSInternalException', ''],
  'evidence': ['KMSInternalException', ''],
  'login': ['KeyUnavailableException', 'The HSM does not accept its login.'],
  'material': ['IncorrectKeyMaterialException', ''],
  'unsupported': ['UnsupportedOperationException', 'The HSM of this key store does not support this operation.'],
  'configuration': ['KMSInternalException', ''],
}

/** The refusal that stands for whatever was thrown; the cause is kept for the log and never shown. */
export function refusalOf(error: unknown): KmsError {
  if (error instanceof KmsError) return error
  if (error instanceof HsmError && error.kind === 'material') {
    // Said only of what unwrapped well, so to the one who wrapped it: which of its rules was broken is no secret to them.
    return new KmsError('IncorrectKeyMaterialException', sentence(error.message), { cause: error })
  }
  if (error instanceof HsmError) return new KmsError(...answers[error.kind], { cause: error })
  return new KmsError('KMSInternalException', '', { cause: error })
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
