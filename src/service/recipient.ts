import { KmsError } from '../domain/errors.js'

/** Attested recipients need a trusted attestation root, which cannot be configured yet: refused, never ignored. */
export function refuseRecipient({ Recipient: recipient }: { readonly Recipient?: object }): void {
  if (recipient) throw new KmsError('UnsupportedOperationException', 'Recipient is not supported: no attestation root is configured.')
}
