/** What an attestation document of AWS Nitro says, after it was verified (aws-nitro-enclaves-nsm-api, attestation_process.md). */
export interface AttestationDocument {
  readonly moduleId: string
  /** When it was made, in milliseconds since the epoch. */
  readonly timestamp: number
  /** The locked platform configuration registers by index; 0 is the digest of the enclave's image. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>
  /** SubjectPublicKeyInfo, as the enclave gave it; nobody has vouched for its form. */
  readonly publicKey: Uint8Array | undefined
}

/** The document is not to be trusted. The message says why, in words that the caller may read. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
}

/**
 * How old a document may be, and how far ahead of our clock. AWS KMS is said to take documents of the last five minutes; it documents no
 * number, and what it allows for a clock that runs fast is not known.
 */
export const attestationAgeMsMax = 5 * 60_000

export function checkAge({ timestamp }: Pick<AttestationDocument, 'timestamp'>, now: number): void {
  if (timestamp < now - attestationAgeMsMax) throw new AttestationError('it has expired')
  if (timestamp > now + attestationAgeMsMax) throw new AttestationError('it is from the future')
}

/** As CloudTrail shows them for a call with a Recipient (KMS developer guide, Monitoring requests for Nitro enclaves). */
export function recordableFacts({ moduleId, pcrs }: AttestationDocument): Readonly<Record<string, string>> {
  const registers = [...pcrs].sort(([one], [other]) => one - other).map(([index, value]) => {
    const name = index === 0 ? 'attestationDocumentEnclaveImageDigest' : `attestationDocumentEnclavePCR${index}`
    return [name, Buffer.from(value).toString('hex')] as const
  })
  return { attestationDocumentModuleId: moduleId, ...Object.fromEntries(registers) }
}
