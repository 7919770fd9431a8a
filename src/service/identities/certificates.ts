import { CertificateRules, sessionNameOf, type CertificateRule, type FittingRule } from '../../domain/certificate-rules.js'
import type { Caller } from '../../domain/caller.js'
import { shownCertificate, type ClientCertificate } from '../../domain/client-certificate.js'
import { KmsError } from '../../domain/errors.js'
import type { Role } from '../../domain/identity.js'
import { parsePrincipal } from '../../domain/principal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Identity } from '../perform.js'
import { callerOfRole, callerOfService, callerOfUser } from './callers.js'
import { isRole, isUser, type IdentityDirectory, type Principal } from './directory.js'

interface Deps {
  readonly rules: readonly CertificateRule[]
  readonly homeRegion: string
  readonly identities: IdentityDirectory
  readonly clock: Clock
  readonly log: Log
}

/** Who it was found to be, while nothing about users and roles changes. */
interface Known { readonly version: number, readonly identity: Identity }

/**
 * Who has which client certificate, by the configured rules: they stand in for the secret of a user, and for the trust policy of a role.
 * Whether a certificate may be believed TLS has decided before.
 */
export class CertificateCallers {
  readonly #deps: Deps
  readonly #rules: CertificateRules
  /** A certificate is one object for as long as its connection is there. */
  readonly #known = new WeakMap<ClientCertificate, Known>()
  readonly #reported = new WeakSet<ClientCertificate>()

  constructor(deps: Deps) {
    this.#deps = deps
    this.#rules = new CertificateRules(deps.rules)
  }

  /** Throws UnrecognizedClientException, and says in the log why, if it is nobody now. */
  async identify(certificate: ClientCertificate): Promise<Identity> {
    const { clock, identities } = this.#deps
    const now = clock.now()
    // Written so that a time that cannot be read is refused.
    if (!(certificate.notBefore <= now && now <= certificate.notAfter)) return this.refuse(certificate, 'it is not valid at this time')
    const known = this.#known.get(certificate)
    const isFresh = known?.version === identities.versionOf(known?.identity.caller.accountId ?? '')
    if (known && isFresh) return known.identity
    const fitting = this.#fitting(certificate)
    const accountId = parsePrincipal(fitting.rule.principal.name)?.accountId ?? ''
    const version = identities.versionOf(accountId)
    const identity = await this.#find(certificate, fitting)
    // What was read before a write must not be remembered after it.
    if (version === identities.versionOf(accountId)) this.#known.set(certificate, { version, identity })
    return identity
  }

  /** The log is told once for every connection: somebody else's certificate costs nothing to show. */
  refuse(certificate: ClientCertificate, why: string): never {
    if (!this.#reported.has(certificate)) this.#deps.log.warn('client certificate refused', { why, ...shownCertificate(certificate) })
    this.#reported.add(certificate)
    throw new KmsError('UnrecognizedClientException', 'The security token included in the request is invalid.')
  }

  #fitting(certificate: ClientCertificate): FittingRule {
    if (certificate.fault !== undefined) return this.refuse(certificate, certificate.fault)
    return this.#rules.find(certificate) ?? this.refuse(certificate, 'no rule fits it')
  }

  async #find(certificate: ClientCertificate, fitting: FittingRule): Promise<Identity> {
    const caller = await this.#caller(certificate, fitting)
    const { name, region = this.#deps.homeRegion } = fitting.rule
    return { caller: { ...caller, certificate: shownCertificate(certificate, name) }, region }
  }

  async #caller(certificate: ClientCertificate, { rule, names }: FittingRule): Promise<Caller> {
    const { kind, name } = rule.principal
    if (kind === 'service') return callerOfService(name)
    const principal = await this.#deps.identities.principal(name)
    if (!principal) return this.refuse(certificate, `${name} of the rule ${rule.name} does not exist`)
    if (isUser(principal)) return callerOfUser(principal, '')
    return isRole(principal) ? this.#session(certificate, principal, names) : this.refuse(certificate, `${name} is neither user nor role`)
  }

  /**
   * A session is as old as its certificate, which is the token that it is known by: revoking the sessions of a role shuts out all
   * certificates that were made until then, whenever their connections began.
   */
  #session(certificate: ClientCertificate, principal: Principal & { readonly entity: Role }, names: readonly string[]): Caller {
    const [name = '', ...others] = names
    if (others.length > 0) return this.refuse(certificate, 'several of its names fit, and a session has one')
    const { notBefore: issuedAt, notAfter: expiresAt } = certificate
    const { sessionsRevokedAt = -Infinity } = principal.entity
    if (issuedAt <= sessionsRevokedAt) return this.refuse(certificate, 'the sessions of its role were revoked after it was made')
    return callerOfRole(principal, { name: sessionNameOf(name), issuedAt, expiresAt })
  }
}
