import { AttestationError, type AttestationDocument } from '../domain/attestation.js'
import { envelopeKey } from '../domain/cms.js'
import { KmsError } from '../domain/errors.js'
import type { Attestation } from '../ports/attestation.js'
import type { Clock } from '../ports/clock.js'
import type { Hsm } from '../ports/hsm.js'
import { AttestedRecipient } from './recipient.js'

/** The member `Recipient` of a request (api/structures.ts). */
interface RecipientInfo {
  readonly KeyEncryptionAlgorithm?: string
  readonly AttestationDocument?: Uint8Array
}

interface RecipientsOptions {
  /** undefined: no root is configured, and nothing can be verified. */
  readonly attestation: Attestation | undefined
  /** The content keys of envelopes come from it. */
  readonly hsm: Pick<Hsm, 'random'>
  readonly clock: Clock
}

/** Attested recipients (KMS developer guide, Cryptographic attestation support). */
export class Recipients {
  readonly #options: RecipientsOptions

  constructor(options: RecipientsOptions) {
    this.#options = options
  }

  /**
   * The recipient that a request names, if it does. Never passed over: throws UnsupportedOperationException when no root is configured, and
   * ValidationException for a document that is not to be trusted. (AWS KMS documents no error for that.)
   */
  verify(input: unknown): AttestedRecipient | undefined {
    const { Recipient: recipient } = input as { readonly Recipient?: RecipientInfo }
    if (!recipient) return undefined
    const { attestation, hsm, clock } = this.#options
    if (!attestation) throw new KmsError('UnsupportedOperationException', 'Recipient is not supported: no attestation root is configured.')
    const { AttestationDocument: bytes, KeyEncryptionAlgorithm: algorithm } = recipient
    if (!bytes) throw new KmsError('ValidationException', 'Recipient must have an AttestationDocument.')
    if (algorithm === undefined) throw new KmsError('ValidationException', 'Recipient must have a KeyEncryptionAlgorithm.')
    const document = verified(bytes, attestation, clock)
    const key = document.publicKey && envelopeKey(document.publicKey)
    if (!key) throw notValid('it has no RSA public key of 2048, 3072 or 4096 bits')
    return new AttestedRecipient(document, key, hsm)
  }
}

function verified(bytes: Uint8Array, attestation: Attestation, clock: Clock): AttestationDocument {
  try {
    return attestation.verify(bytes, clock.now())
  } catch (error) {
    if (error instanceof AttestationError) throw notValid(error.message, error)
    throw error
  }
}

function notValid(reason: string, cause?: Error): KmsError {
  return new KmsError('ValidationException', `The attestation document is not valid: ${reason}.`, { cause })
}
