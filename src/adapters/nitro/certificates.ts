import { X509Certificate } from 'node:crypto'
import { AttestationError } from '../../domain/attestation.js'
import { DerReader, derTags } from '../../domain/der.js'
import { certificateParts } from '../../domain/x509.js'

/** A certificate with what Node does not tell of it. */
interface Certificate extends Facts { readonly x509: X509Certificate }

interface Facts {
  readonly signatureAlgorithm: string
  readonly ca: boolean
  readonly pathLength: number | undefined
  /** Bits of KeyUsage, the first in the highest bit; undefined when there is no such extension. */
  readonly keyUsage: number | undefined
}

const extensionOids = { basicConstraints: '2.5.29.19', keyUsage: '2.5.29.15' } as const
const digitalSignature = 0x80
const keyCertSign = 0x04
/** ECDSA with SHA-256, SHA-384, SHA-512 (RFC 5758): Nitro's certificates are all of P-384. */
const signatureAlgorithms: readonly string[] = ['1.2.840.10045.4.3.2', '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.4']

/**
 * The certificate that signs documents, if the chain (root first, as Nitro bundles it) leads from a trusted root to it (RFC 5280 section 6,
 * attestation_process.md section 3.2.3; without revocation, as there). Throws AttestationError.
 */
export function verifiedSigner(
  cabundle: readonly Uint8Array[], signer: Uint8Array, roots: readonly X509Certificate[], now: number,
): X509Certificate {
  const authorities = cabundle.map(parsed)
  const [root] = authorities
  if (!root || !roots.some(trusted => trusted.raw.equals(root.x509.raw))) throw new AttestationError('its root certificate is not trusted')
  for (const [at, certificate] of authorities.entries()) {
    checkTime(certificate, now)
    checkAuthority(certificate, authorities.length - 1 - at)
    const issuer = authorities[at - 1]
    if (issuer) checkIssued(certificate, issuer)
  }
  const leaf = parsed(signer)
  checkTime(leaf, now)
  checkIssued(leaf, authorities.at(-1) ?? root)
  checkSigner(leaf)
  return leaf.x509
}

function parsed(bytes: Uint8Array): Certificate {
  try {
    const x509 = new X509Certificate(bytes)
    if (!x509.raw.equals(bytes)) throw new AttestationError('bytes follow a certificate')
    return { x509, ...factsOf(bytes) }
  } catch {
    throw new AttestationError('it has a certificate that cannot be read')
  }
}

function checkTime({ x509 }: Certificate, now: number): void {
  // Written so that a time that cannot be read is refused.
  if (!(Date.parse(x509.validFrom) <= now && now <= Date.parse(x509.validTo))) {
    throw new AttestationError('it has a certificate that is not valid now')
  }
}

/** `below`: how many authorities follow it in the chain. */
function checkAuthority({ x509, ca, pathLength, keyUsage = 0 }: Certificate, below: number): void {
  if (!ca || !x509.ca || (keyUsage & keyCertSign) === 0) throw new AttestationError('a certificate that issued another is no authority')
  if (pathLength !== undefined && pathLength < below) throw new AttestationError('its certificate chain is longer than it may be')
}

function checkIssued({ x509, signatureAlgorithm }: Certificate, { x509: issuer }: Certificate): void {
  const signed = signatureAlgorithms.includes(signatureAlgorithm) && x509.checkIssued(issuer) && x509.verify(issuer.publicKey)
  if (!signed) throw new AttestationError('its certificates do not form a chain')
}

function checkSigner({ x509, ca, pathLength, keyUsage = 0 }: Certificate): void {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey
  const signs = !ca && pathLength === undefined && (keyUsage & digitalSignature) !== 0
  if (!signs || asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'secp384r1') {
    throw new AttestationError('its certificate is not one that signs attestation documents')
  }
}

/** A critical extension that is not known is refused, as RFC 5280 section 4.2 asks. */
function factsOf(bytes: Uint8Array): Facts {
  const { signatureAlgorithm, extensions } = certificateParts(bytes)
  let facts: Facts = { signatureAlgorithm, ca: false, pathLength: undefined, keyUsage: undefined }
  for (const [oid, { critical, value }] of extensions) {
    if (oid === extensionOids.basicConstraints) facts = { ...facts, ...basicConstraints(value) }
    else if (oid === extensionOids.keyUsage) facts = { ...facts, keyUsage: keyUsageBits(value) }
    else if (critical) throw new AttestationError('a certificate has a critical extension that is not known')
  }
  return facts
}

function basicConstraints(value: Uint8Array): Pick<Facts, 'ca' | 'pathLength'> {
  const reader = DerReader.only(value, derTags.sequence)
  const ca = reader.readOptional(derTags.boolean)?.[0] === 0xff
  return { ca, pathLength: reader.done ? undefined : reader.smallNumber() }
}

/** The first eight bits; the one that follows them is of no interest here. */
function keyUsageBits(value: Uint8Array): number {
  const bits = new DerReader(value).read(derTags.bitString)
  return bits[1] ?? 0
}
