import { contextTag, DerError, DerReader, derTags } from './der.js'

/*
 * What Node does not tell of certificates and revocation lists (RFC 5280 sections 4.1 and 5.1), read strictly. Whether a signature is good
 * and a chain complete is OpenSSL's business.
 */

export interface CertificateParts {
  /** Object identifier. */
  readonly signatureAlgorithm: string
  /** Name, DER. */
  readonly subject: Uint8Array
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>
}

export interface Extension { readonly critical: boolean, readonly value: Uint8Array }

/** Of a certificate in DER. Throws DerError. */
export function certificateParts(bytes: Uint8Array): CertificateParts {
  const outer = DerReader.only(bytes)
  const tbs = outer.enter()
  const signatureAlgorithm = outer.enter().oid()
  tbs.readOptional(contextTag(0))
  tbs.unsigned()
  // Algorithm, issuer, validity.
  for (let skipped = 0; skipped < 3; skipped++) tbs.read(derTags.sequence)
  const subject = tbs.readWhole(derTags.sequence)
  tbs.read(derTags.sequence)
  for (const unique of [1, 2]) tbs.readOptional(contextTag(unique, 'primitive'))
  const content = tbs.readOptional(contextTag(3))
  return { signatureAlgorithm, subject, extensions: content ? extensionsIn(DerReader.only(content)) : new Map() }
}

function extensionsIn(reader: DerReader): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>()
  while (!reader.done) {
    const extension = reader.enter()
    const oid = extension.oid()
    if (extensions.has(oid)) throw new DerError('a certificate has an extension twice')
    const critical = extension.readOptional(derTags.boolean)?.[0] === 0xff
    extensions.set(oid, { critical, value: extension.octetString() })
  }
  return extensions
}

const utcTime = 0x17
const generalizedTime = 0x18

/** When a revocation list (DER) is to be replaced by a newer one: from then on nobody believes it; undefined if it does not say. */
export function nextUpdateOf(crl: Uint8Array): number | undefined {
  const tbs = DerReader.only(crl).enter()
  if (tbs.tag === derTags.integer) tbs.unsigned()
  // Algorithm and issuer.
  for (let skipped = 0; skipped < 2; skipped++) tbs.read(derTags.sequence)
  time(tbs)
  return tbs.tag === utcTime || tbs.tag === generalizedTime ? time(tbs) : undefined
}

/** UTCTime or GeneralizedTime, to the second and in UTC (RFC 5280 section 4.1.2.5). */
function time(reader: DerReader): number {
  const isUtc = reader.tag === utcTime
  const text = Buffer.from(reader.read(isUtc ? utcTime : generalizedTime)).toString('latin1')
  const [, year = '', month, day, hour, minute, second] = (isUtc ? /^(\d{2})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
    : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(text) ?? []
  const century = isUtc ? (Number(year) < 50 ? '20' : '19') : ''
  const value = Date.parse(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(value)) throw new DerError('a time is not one')
  return value
}
