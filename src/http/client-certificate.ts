import type { TLSSocket } from 'node:tls'
import { clientCertificate, type ClientCertificate } from '../domain/client-certificate.js'
import type { Identity } from '../service/perform.js'

/** A certificate as it came with a connection, read once for all its requests. */
export interface PresentedCertificate {
  readonly certificate: ClientCertificate
  /** Why TLS does not vouch for it; undefined if it does. */
  readonly distrust?: string
}

export interface CertificateLookup {
  /** Who it is, for which Region. Throws UnrecognizedClientException, and says in the log why, if it is nobody. */
  identify(certificate: ClientCertificate): Promise<Identity>
  /** Throws, as `identify` does, for one that must not be believed. */
  refuse(certificate: ClientCertificate, why: string): never
}

interface Asking {
  readonly target: string
  readonly headers: ReadonlyMap<string, string>
  readonly certificate?: PresentedCertificate | undefined
}

/**
 * The certificate that the client has shown, whether or not it is good. That there is one must be asked for by itself: to Node a resumed
 * session of TLS 1.3 without a certificate is authorized.
 */
export function presentedBy(socket: TLSSocket): PresentedCertificate | undefined {
  const x509 = socket.getPeerX509Certificate()
  if (!x509) return undefined
  const certificate = clientCertificate(x509)
  // Said to be an Error, and is its code.
  return socket.authorized ? { certificate } : { certificate, distrust: String(socket.authorizationError) }
}

/** Whoever puts a signature into a request, however it is written, is judged by it and by nothing else. */
const signatureInQuery = /(?:^|&)x-amz-/i
/** With these a browser tells that a page sends the request, for which nobody need have been asked; no page can leave them out. */
const ofPages = ['origin', 'sec-fetch-site'] as const

/** The certificate that has to say who calls; undefined where that is for a signature, or for nobody. */
export function decidingCertificate({ target, headers, certificate }: Asking): PresentedCertificate | undefined {
  const isSigned = headers.has('authorization') || headers.has('x-amz-security-token') || signatureInQuery.test(queryOf(target))
  return isSigned ? undefined : certificate
}

function queryOf(target: string): string {
  const question = target.indexOf('?')
  if (question < 0) return ''
  return target.slice(question + 1).replace(/%[0-9a-f]{2}/gi, code => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
}

/** Throws UnrecognizedClientException. */
export function identityOf(
  { certificate, distrust }: PresentedCertificate, headers: ReadonlyMap<string, string>, lookup: CertificateLookup,
): Promise<Identity> {
  if (distrust !== undefined) return lookup.refuse(certificate, distrust)
  if (ofPages.some(name => headers.has(name))) return lookup.refuse(certificate, 'the request was made by a page in a browser')
  return lookup.identify(certificate)
}
