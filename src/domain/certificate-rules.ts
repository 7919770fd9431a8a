import { isHostName, isSpiffeId, type ClientCertificate } from './client-certificate.js'
import { isSameName, parseName, type DistinguishedName } from './distinguished-name.js'

/** Which client certificate is whom. */
export interface CertificateRule {
  readonly name: string
  readonly match: { readonly by: MatchedBy, readonly pattern: string }
  readonly principal: CertificatePrincipal
  /** Of the calls that it lets in; without it, the home region. */
  readonly region?: string
}

export type MatchedBy = 'spiffe' | 'dns' | 'subject'

/** ARN of a user or role, name of a service. */
export interface CertificatePrincipal { readonly kind: 'user' | 'role' | 'service', readonly name: string }

export interface FittingRule {
  readonly rule: CertificateRule
  /** What a session may be called after; several where the certificate has several names that fit. */
  readonly names: readonly string[]
}

/** The names of a certificate that fit; none if it does not. */
type Matcher = (certificate: ClientCertificate) => readonly string[]

/** What a pattern has to be, in words; and the matcher of one that is. */
const matchers: Readonly<Record<MatchedBy, { readonly form: string, readonly of: (pattern: string) => Matcher | undefined }>> = {
  spiffe: { form: 'a SPIFFE id, whose last path part may be *', of: spiffeMatcher },
  dns: { form: 'a host name in small letters, whose first label may be *', of: dnsMatcher },
  subject: { form: 'a distinguished name as it stands in the certificate, such as CN=backup,O=Example', of: subjectMatcher },
}

/** What is wrong with a pattern, as the end of a sentence; undefined if nothing is. */
export function patternFault({ match: { by, pattern }, principal }: Pick<CertificateRule, 'match' | 'principal'>): string | undefined {
  if (!matchers[by].of(pattern)) return `must be ${matchers[by].form}`
  const names = by === 'subject' ? commonNames(parseName(pattern) ?? []) : []
  return by === 'subject' && principal.kind === 'role' && names.length !== 1 ? 'needs one CN, after which the session is called' : undefined
}

/** Looked at in their order: the first that fits decides. */
export class CertificateRules {
  readonly #rules: readonly { readonly rule: CertificateRule, readonly matcher: Matcher }[]

  /** The patterns must be without fault. */
  constructor(rules: readonly CertificateRule[]) {
    this.#rules = rules.map(rule => {
      const matcher = matchers[rule.match.by].of(rule.match.pattern)
      if (!matcher) throw new TypeError(`the rule ${rule.name} has no pattern`)
      return { rule, matcher }
    })
  }

  find(certificate: ClientCertificate): FittingRule | undefined {
    for (const { rule, matcher } of this.#rules) {
      const names = matcher(certificate)
      if (names.length > 0) return { rule, names }
    }
    return undefined
  }
}

/** `*` stands for one part of the path. */
function spiffeMatcher(pattern: string): Matcher | undefined {
  const hasWildcard = pattern.endsWith('/*')
  if (!isSpiffeId(hasWildcard ? `${pattern.slice(0, -1)}x` : pattern)) return undefined
  const prefix = pattern.slice(0, pattern.lastIndexOf('/') + 1)
  return ({ spiffeId = '' }) => {
    const [before, last] = splitAfter(spiffeId, '/')
    return hasWildcard ? (before === prefix ? [last] : []) : spiffeId === pattern ? [last] : []
  }
}

/** `*` stands for one label. */
function dnsMatcher(pattern: string): Matcher | undefined {
  const hasWildcard = pattern.startsWith('*.')
  if (!isHostName(hasWildcard ? pattern.slice(2) : pattern)) return undefined
  return ({ dnsNames }) => dnsNames.filter(name => hasWildcard ? name.slice(name.indexOf('.')) === pattern.slice(1) : name === pattern)
}

function subjectMatcher(pattern: string): Matcher | undefined {
  const wanted = parseName(pattern)
  // A name without a CN fits, too: for what is not called after it.
  return wanted && (({ subject }) => subject && isSameName(subject, wanted) ? [commonNames(wanted)[0] ?? ''] : [])
}

function commonNames(name: DistinguishedName): readonly string[] {
  return name.flat().filter(({ type }) => type === 'CN').map(({ value }) => value)
}

function splitAfter(text: string, mark: string): readonly [string, string] {
  const end = text.lastIndexOf(mark) + 1
  return [text.slice(0, end), text.slice(end)]
}

const sessionNameMax = 64

/** As AssumeRole takes it: `[\w+=,.@-]{2,64}`. */
export function sessionNameOf(name: string): string {
  return name.replace(/[^\w+=,.@-]/g, '-').slice(0, sessionNameMax).padEnd(2, '-')
}
