import { verify, X509Certificate } from 'node:crypto'
import { encode } from 'cborg'
import { AttestationError, checkAge, type AttestationDocument } from '../../domain/attestation.js'
import type { Attestation } from '../../ports/attestation.js'
import { verifiedSigner } from './certificates.js'
import { parseDocument, type SignedDocument } from './document.js'

const pemPattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** All certificates in a PEM text. Throws if there is none, or one cannot be read. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const texts = pem.match(pemPattern) ?? []
  if (texts.length === 0) throw new Error('there is no certificate in it')
  return texts.map(text => new X509Certificate(text))
}

/** Verifies documents of AWS Nitro under these roots: those of AWS, or of whoever imitates Nitro. */
export function nitroAttestation(roots: readonly X509Certificate[]): Attestation {
  return {
    verify(bytes, now) {
      try {
        return verified(bytes, roots, now)
      } catch (error) {
        if (error instanceof AttestationError) throw error
        // OpenSSL cannot work with a key that somebody else's certificate holds.
        throw new AttestationError('it cannot be verified', { cause: error })
      }
    },
  }
}

function verified(bytes: Uint8Array, roots: readonly X509Certificate[], now: number): AttestationDocument {
  const signed = parseDocument(bytes)
  const signer = verifiedSigner(signed.cabundle, signed.certificate, roots, now)
  if (!isSigned(signed, signer)) throw new AttestationError('its signature is wrong')
  checkAge(signed.document, now)
  return signed.document
}

/** ES384 over Sig_structure, without external data (RFC 9052 section 4.4; RFC 9053 section 2.1: r‖s). */
function isSigned({ protectedHeader, payload, signature }: SignedDocument, { publicKey }: X509Certificate): boolean {
  const structure = encode(['Signature1', protectedHeader, new Uint8Array(), payload])
  return verify('sha384', structure, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}
