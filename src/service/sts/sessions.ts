import { hash } from 'node:crypto'
import type { CallerSession } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import type { Role, User } from '../../domain/identity.js'
import { compilePolicyText, emptyPolicy, type CompiledPolicy } from '../../domain/policy/compile.js'
import type { Clock } from '../../ports/clock.js'
import type { Credentials } from '../../ports/credentials.js'
import type { Credential } from '../credentials.js'
import { callerOfRole, callerOfUser } from '../identities/callers.js'
import type { IdentityDirectory } from '../identities/directory.js'
import { WeightedCache } from '../weighted-cache.js'
import { callerWeight, entryWeight } from '../weights.js'
import type { OpenedSession, SessionClaims, SessionTokens } from './session-tokens.js'

/** Of opened tokens that are kept, with the policies of their callers (weights.ts): some 10,000 usual ones. */
const rememberedWeightMaxDefault = 8 * 1024 * 1024
/** Of a session that has ended: it says so. */
const endedWeight = entryWeight
export const sessionPolicyName = 'session policy'

export interface SessionsOptions {
  readonly tokens: SessionTokens
  readonly identities: IdentityDirectory
  readonly accessKeys: Pick<Credentials, 'get'>
  readonly clock: Clock
  readonly rememberedWeightMax?: number
}

/** `credential` is there unless the session has ended before its time: by a revocation, or with what it came from. */
interface Known {
  readonly accountId: string
  /** Of what the account had when it was read. */
  readonly version: number
  readonly accessKeyId: string
  readonly expiresAt: number
  readonly credential: Credential | 'revoked' | 'gone'
}

/** Who calls with session credentials. The rights, tags and boundary of the user or role are those of today, not of when it began. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #known: WeightedCache<Known>

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#known = new WeightedCache(options.rememberedWeightMax ?? rememberedWeightMaxDefault)
  }

  /**
   * The credential that the token holds, the same object for as long as nothing about it or its user or role changed; undefined if the
   * token was not made here or is of another access key, or what the session came from is gone. Throws ExpiredTokenException when its time
   * is over or it was revoked.
   */
  async lookup(accessKeyId: string, token: string | undefined): Promise<Credential | undefined> {
    if (token === undefined) return undefined
    const known = await this.#find(token)
    if (known?.accessKeyId !== accessKeyId) return undefined
    const { credential, expiresAt } = known
    if (credential === 'revoked' || this.#options.clock.now() >= expiresAt) throw expired()
    return credential === 'gone' ? undefined : credential
  }

  /** Whether `lookup` would answer from memory. */
  knows(token: string | undefined): boolean {
    return token !== undefined && this.#known.has(nameOf(token))
  }

  async #find(token: string): Promise<Known | undefined> {
    const name = nameOf(token)
    const known = this.#known.get(name)
    const version = this.#options.identities.versionOf(known?.accountId ?? '')
    return known?.version === version ? known : this.#load(token, name)
  }

  async #load(token: string, name: string): Promise<Known | undefined> {
    const { tokens, identities } = this.#options
    const opened = await tokens.open(token)
    if (!opened) return undefined
    const { accountId } = opened.claims
    const version = identities.versionOf(accountId)
    const known = {
      accountId, version, accessKeyId: opened.accessKeyId, expiresAt: opened.claims.expiresAt, credential: await this.#credentialOf(opened),
    }
    // What was read before a write must not be remembered after it.
    if (version !== identities.versionOf(accountId)) return known
    this.#known.set(name, known, typeof known.credential === 'string' ? endedWeight : callerWeight(known.credential.caller))
    return known
  }

  async #credentialOf({ accessKeyId, secret, claims }: OpenedSession): Promise<Known['credential']> {
    const { identities } = this.#options
    const entity: User | Role | undefined = await identities.entity(claims.accountId, claims.kind, claims.name)
    if (entity?.id !== claims.id || !await this.#hasSource(claims)) return 'gone'
    if (entity.sessionsRevokedAt !== undefined && claims.issuedAt <= entity.sessionsRevokedAt) return 'revoked'
    const principal = await identities.principalOf(entity)
    const session = await this.#sessionOf(claims)
    const { sessionName: name = '', tags = [] } = claims
    return {
      secret,
      caller: entity.kind === 'role'
        ? callerOfRole({ ...principal, entity }, { ...session, name }, { accessKeyId, tags })
        : callerOfUser({ ...principal, entity }, accessKeyId, session),
    }
  }

  /** Whether the access key that it was asked for with still works. */
  async #hasSource({ kind, id, sourceAccessKeyId }: SessionClaims): Promise<boolean> {
    if (kind === 'role') return true
    const accessKey = sourceAccessKeyId === undefined ? undefined : await this.#options.accessKeys.get(sourceAccessKeyId)
    return accessKey?.active === true && accessKey.principalId === id
  }

  async #sessionOf(claims: SessionClaims): Promise<CallerSession> {
    const { issuedAt, expiresAt, sourceIdentity, transitiveTagKeys, provider, origin } = claims
    const policies = await sessionPolicies(claims, this.#options.identities)
    return {
      issuedAt, expiresAt,
      ...policies && { policies },
      ...sourceIdentity !== undefined && { sourceIdentity },
      ...transitiveTagKeys && { transitiveTagKeys },
      ...provider !== undefined && { provider },
      ...origin !== undefined && { origin },
    }
  }
}

/**
 * What limits a session: its document and its managed policies together, as they are now; undefined if it has none. If a managed one
 * is gone, which may have denied something, they let nothing through. Throws MalformedPolicyDocumentException for a document that is no
 * policy.
 */
export async function sessionPolicies(
  { policy, policyArns = [] }: Pick<SessionClaims, 'policy' | 'policyArns'>, identities: IdentityDirectory,
): Promise<readonly CompiledPolicy[] | undefined> {
  if (policy === undefined && policyArns.length === 0) return undefined
  const managed = await Promise.all(policyArns.map(arn => identities.managedPolicy(arn, 'limit')))
  const own = policy === undefined ? [] : [compilePolicyText(policy, { name: sessionPolicyName, kind: 'limit' })]
  const there = managed.filter(one => one !== undefined)
  return there.length < managed.length ? [emptyPolicy(sessionPolicyName)] : [...own, ...there]
}

/** By its hash: of what is no token of ours nothing is kept, and of what is not the token itself. */
function nameOf(token: string): string {
  return hash('sha256', token, 'base64')
}

function expired(): KmsError {
  return new KmsError('ExpiredTokenException', 'The security token included in the request is expired')
}
