import type { X509Certificate } from 'node:crypto'
import { contextTag, DerReader } from './der.js'
import { readName, textOfName, type DistinguishedName } from './distinguished-name.js'
import { certificateParts } from './x509.js'

/** What a client certificate says of its owner. Whether it may be believed is another matter: TLS has found out. */
export interface ClientCertificate {
  /** undefined if it cannot be read, or if it is empty. */
  readonly subject?: DistinguishedName
  readonly spiffeId?: string
  /** In small letters, each once; none with a wildcard, and none that is no host name. */
  readonly dnsNames: readonly string[]
  /** Hex digits. */
  readonly serialNumber: string
  /** SHA-256, as OpenSSL prints it. */
  readonly fingerprint: string
  readonly notBefore: number
  readonly notAfter: number
  /** Why it is nobody's, whatever the rules say. */
  readonly fault?: string
}

const subjectAltName = '2.5.29.17'
const nameTags = { dns: contextTag(2, 'primitive'), uri: contextTag(6, 'primitive') } as const
const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const hostName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`)
/** SPIFFE-ID, sections 2.1 to 2.3; that of a workload has a path. */
const spiffeForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/
const spiffeBytesMax = 2_048
/** Of what audit log and log are told. */
const shownCharactersMax = 512
const shownNamesMax = 8

/** Never throws: a certificate that cannot be read is nobody's. */
export function clientCertificate(x509: X509Certificate): ClientCertificate {
  const { serialNumber, fingerprint256, validFrom, validTo } = x509
  const common = {
    serialNumber, fingerprint: fingerprint256, notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo), dnsNames: [],
  }
  try {
    const { subject, extensions } = certificateParts(x509.raw)
    const alternative = extensions.get(subjectAltName)
    return { ...common, ...subjectOf(subject), ...x509.ca ? { fault: 'it is the certificate of a CA' } : namesOf(alternative?.value) }
  } catch {
    return { ...common, fault: 'it cannot be read' }
  }
}

function subjectOf(der: Uint8Array): Pick<ClientCertificate, 'subject'> {
  try {
    const subject = readName(der)
    return subject.length > 0 ? { subject } : {}
  } catch {
    return {}
  }
}

/** X509-SVID, section 2: a certificate with a SPIFFE id has no other URI, or it must be refused. */
function namesOf(extension: Uint8Array | undefined): Pick<ClientCertificate, 'dnsNames' | 'spiffeId' | 'fault'> {
  if (!extension) return { dnsNames: [] }
  const { dns, uris } = alternativeNames(extension)
  const dnsNames = [...new Set(dns.map(name => name.toLowerCase()))].filter(isHostName)
  const [uri = ''] = uris
  if (!uris.some(one => /^spiffe:/i.test(one))) return { dnsNames }
  if (uris.length > 1) return { dnsNames, fault: 'it has several URIs, one of them a SPIFFE id' }
  return isSpiffeId(uri) ? { dnsNames, spiffeId: uri } : { dnsNames, fault: 'its SPIFFE id is malformed' }
}

function alternativeNames(extension: Uint8Array): { readonly dns: readonly string[], readonly uris: readonly string[] } {
  const reader = DerReader.only(extension)
  const [dns, uris]: [string[], string[]] = [[], []]
  while (!reader.done) {
    const tag = reader.tag ?? 0
    // Every byte a character: what is not ASCII fits none of the forms.
    const text = Buffer.from(reader.read(tag)).toString('latin1')
    if (tag === nameTags.dns) dns.push(text)
    else if (tag === nameTags.uri) uris.push(text)
  }
  return { dns, uris }
}

/** Small letters only, no wildcard and no dot at the end. */
export function isHostName(text: string): boolean {
  return hostName.test(text)
}

export function isSpiffeId(text: string): boolean {
  return text.length <= spiffeBytesMax && spiffeForm.test(text)
}

/** For the audit log and the log: which certificate it was, and by which rule it let somebody in. */
export function shownCertificate(
  { subject, spiffeId, dnsNames, serialNumber, fingerprint }: ClientCertificate, rule?: string,
): Readonly<Record<string, string>> {
  return {
    ...rule !== undefined && { rule },
    ...subject && { subject: textOfName(subject).slice(0, shownCharactersMax) },
    ...spiffeId !== undefined && { spiffeId: spiffeId.slice(0, shownCharactersMax) },
    ...dnsNames.length > 0 && { dnsNames: dnsNames.slice(0, shownNamesMax).join(', ') },
    serialNumber, sha256Fingerprint: fingerprint,
  }
}
