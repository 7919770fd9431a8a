import type { Caller, CallerType } from '../caller.js'
import { applies, type CompiledPolicy, type CompiledStatement } from './compile.js'
import { statementName, type Statement } from './document.js'
import type { Naming } from './principals.js'
import type { PolicyRequest } from './request.js'
import { TooMuchWork } from './work.js'

/** Which kind of policy, or what in its place, has decided. */
export type Decider = 'resource policy' | 'identity policy' | 'permissions boundary' | 'session policy' | 'grant' | 'service'

/** Why a call is allowed or refused. */
export interface Reason {
  /** `no` refuses what nothing of that kind allows. */
  readonly verdict: 'allow' | 'deny' | 'no'
  readonly by: Decider
  /** The policy by its name; of a grant its id. */
  readonly policy?: string
  readonly statement?: string
  /** The second of two that only together allow: of the account that a key policy leaves the decision to. */
  readonly and?: { readonly policy: string, readonly statement: string }
}

export interface Decision { readonly allowed: boolean, readonly reason: Reason }

export interface Question {
  readonly caller: Caller
  readonly request: PolicyRequest
  /** Of the key or role that is asked for, and the account that it belongs to; undefined for what is about an account itself. */
  readonly resource: { readonly policy: CompiledPolicy, readonly accountId: string } | undefined
}

/** What the policies alone say. Where they only fail to allow, a grant still may: `decideByGrant`. */
export interface PolicyOutcome extends Decision {
  /** Of the caller by itself; undefined after an explicit Deny, and for what is about no key and no role. */
  readonly own: OwnPolicies | undefined
}

export interface OwnPolicies {
  /** Whether the policies of its account let it. */
  readonly allow: () => boolean
  /** What holds it back, however much else allows; undefined if nothing does. */
  readonly limit: () => Reason | undefined
}

/** A service belongs to no account, and whom an identity provider vouches for not yet to any. */
const ofNoAccount: ReadonlySet<CallerType> = new Set<CallerType>(['Service', 'WebIdentity'])
/** Nobody may have what cannot be decided. */
const undecided: Reason = { verdict: 'deny', by: 'service' }

/**
 * May the caller do it, as far as policies decide (key-policy rules of the KMS developer guide, Policy evaluation; IAM User Guide, Policy
 * evaluation logic)? Whoever asks must not go on when the answer is no. Pure, and bounded in work: a question that takes too many steps is
 * answered no.
 */
export function decideByPolicies(question: Question): PolicyOutcome {
  return unlessTooMuch(() => evaluate(question), { allowed: false, reason: undecided, own: undefined })
}

function unlessTooMuch<T>(decide: () => T, otherwise: T): T {
  try {
    return decide()
  } catch (error) {
    if (error instanceof TooMuchWork) return otherwise
    throw error
  }
}

function evaluate({ caller, request, resource }: Question): PolicyOutcome {
  const denied = explicitDeny(caller, request, resource?.policy)
  if (denied) return { allowed: false, reason: denied, own: undefined }
  const parts = new Parts(caller, request)
  if (!resource) return byIdentityAlone(parts)
  const isOwn = caller.accountId === resource.accountId && !ofNoAccount.has(caller.type)
  const reason = isOwn ? inOwnAccount(parts, resource.policy) : fromElsewhere(parts, resource.policy)
  return { allowed: reason.verdict === 'allow', reason, own: parts }
}

function explicitDeny(caller: Caller, request: PolicyRequest, resourcePolicy: CompiledPolicy | undefined): Reason | undefined {
  const { policies, boundary, session } = caller
  return (resourcePolicy && denyIn('resource policy', resourcePolicy, caller, request))
    ?? denyInAny('identity policy', policies, caller, request)
    ?? (boundary && denyIn('permissions boundary', boundary, caller, request))
    ?? (session?.policies && denyInAny('session policy', session.policies, caller, request))
}

function denyInAny(by: Decider, policies: readonly CompiledPolicy[], caller: Caller, request: PolicyRequest): Reason | undefined {
  for (const policy of policies) {
    const reason = denyIn(by, policy, caller, request)
    if (reason) return reason
  }
  return undefined
}

function denyIn(by: Decider, policy: CompiledPolicy, caller: Caller, request: PolicyRequest): Reason | undefined {
  const statement = find('Deny', policy, caller, request)
  return statement && { verdict: 'deny', by, policy: statement.policy, statement: statementName(statement) }
}

function find(
  effect: Statement['effect'], policy: CompiledPolicy, caller: Caller, request: PolicyRequest,
): CompiledStatement | undefined {
  for (const statement of policy.about(request.action, request.work)[effect]) {
    if (applies(statement, caller, request) !== undefined) return statement
  }
  return undefined
}

function allowIn(policies: readonly CompiledPolicy[], caller: Caller, request: PolicyRequest): CompiledStatement | undefined {
  for (const policy of policies) {
    const statement = find('Allow', policy, caller, request)
    if (statement) return statement
  }
  return undefined
}

/** What the policies of the caller say, each looked at when it is first asked for. */
class Parts implements OwnPolicies {
  readonly caller: Caller
  readonly request: PolicyRequest
  #identity: CompiledStatement | undefined | null = null
  #boundary: Reason | undefined | null = null
  #session: Reason | undefined | null = null

  constructor(caller: Caller, request: PolicyRequest) {
    this.caller = caller
    this.request = request
  }

  allow(): boolean {
    return unlessTooMuch(() => this.identity() !== undefined, false)
  }

  limit(): Reason | undefined {
    return unlessTooMuch(() => this.limitOn('account'), undecided)
  }

  /** The statement by which its own account allows it. */
  identity(): CompiledStatement | undefined {
    if (this.#identity === null) this.#identity = allowIn(this.caller.policies, this.caller, this.request)
    return this.#identity
  }

  /**
   * What holds back a caller who is named like this: boundary and session policies only limit. A boundary does not hold back the user or
   * session that is named itself, nor do session policies such a session (IAM User Guide, Policy evaluation within a single account).
   */
  limitOn(naming: Naming | 'identity'): Reason | undefined {
    if (naming === 'session' || naming === 'service') return undefined
    return (naming === 'user' ? undefined : this.#byBoundary()) ?? this.#bySession()
  }

  #byBoundary(): Reason | undefined {
    const { caller: { boundary }, caller, request } = this
    if (this.#boundary === null) {
      this.#boundary = boundary && !find('Allow', boundary, caller, request) ? nothing('permissions boundary') : undefined
    }
    return this.#boundary
  }

  #bySession(): Reason | undefined {
    const { caller: { session }, caller, request } = this
    if (this.#session === null) {
      this.#session = session?.policies && !allowIn(session.policies, caller, request) ? nothing('session policy') : undefined
    }
    return this.#session
  }
}

/** No key and no role: the policies of the identity, and what limits them. */
function byIdentityAlone(parts: Parts): PolicyOutcome {
  const statement = parts.identity()
  const reason = !statement ? nothing('identity policy') : parts.limitOn('identity') ?? allowedBy('identity policy', statement)
  return { allowed: reason.verdict === 'allow', reason, own: undefined }
}

/** A statement that names the caller allows by itself; one that names the account leaves it to the policies of the account. */
function inOwnAccount(parts: Parts, policy: CompiledPolicy): Reason {
  const { caller, request } = parts
  let delegating: CompiledStatement | undefined
  let heldBack: Reason | undefined
  for (const statement of policy.about(request.action, request.work).Allow) {
    const naming = applies(statement, caller, request)
    if (naming === undefined) continue
    if (naming === 'account' && caller.type !== 'Account') delegating ??= statement
    else {
      const limit = parts.limitOn(naming)
      if (!limit) return allowedBy('resource policy', statement)
      heldBack ??= limit
    }
  }
  if (!delegating) return heldBack ?? nothing('resource policy')
  return parts.identity() ? withAccount(parts, delegating) : heldBack ?? nothing('identity policy')
}

/**
 * Both sides must agree: the policy of the resource, and the policies of the account that the caller is of, if it is of one. Of whom an
 * identity provider vouches for, the policy must name the provider: it is not enough to be anybody.
 */
function fromElsewhere(parts: Parts, policy: CompiledPolicy): Reason {
  const { caller, request } = parts
  for (const statement of policy.about(request.action, request.work).Allow) {
    const naming = applies(statement, caller, request)
    if (naming === undefined || (caller.type === 'WebIdentity' && naming !== 'provider')) continue
    return ofNoAccount.has(caller.type) ? allowedBy('resource policy', statement) : withAccount(parts, statement)
  }
  return nothing('resource policy')
}

/** What a statement allows to which the account of the caller must agree. */
function withAccount(parts: Parts, admitting: CompiledStatement): Reason {
  const identity = parts.identity()
  if (!identity) return nothing('identity policy')
  const limit = parts.limitOn('account')
  if (limit) return limit
  const and = { policy: identity.policy, statement: statementName(identity) }
  return { verdict: 'allow', by: 'resource policy', policy: admitting.policy, statement: statementName(admitting), and }
}

function allowedBy(by: Decider, statement: CompiledStatement): Reason {
  return { verdict: 'allow', by, policy: statement.policy, statement: statementName(statement) }
}

function nothing(by: Decider): Reason {
  return { verdict: 'no', by }
}

/** What a grant that fits (domain/grant.ts) adds to what the policies said. It gives way to every Deny and to the limits of the caller. */
export function decideByGrant(outcome: PolicyOutcome, grant: { readonly grantId: string, readonly ofAccount: boolean }): Decision {
  const { own, allowed } = outcome
  if (allowed || !own) return outcome
  const limit = own.limit()
  if (limit) return { allowed: false, reason: limit }
  // A grant to an account is for those whom the account lets use it.
  if (grant.ofAccount && !own.allow()) return { allowed: false, reason: nothing('identity policy') }
  return { allowed: true, reason: { verdict: 'allow', by: 'grant', policy: grant.grantId } }
}
