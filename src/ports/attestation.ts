import type { AttestationDocument } from '../domain/attestation.js'

/** Tells true attestation documents from others, by the roots that the operator trusts. */
export interface Attestation {
  /**
   * The document, if it is one, well formed, signed by a certificate that chains to a trusted root and is valid at `now` (milliseconds
   * since the epoch), and recent. Throws AttestationError otherwise, and nothing else, whatever the bytes.
   */
  verify(document: Uint8Array, now: number): AttestationDocument
}
