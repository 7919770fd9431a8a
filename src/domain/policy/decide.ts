import type { Caller } from '../caller.js'
import { applies, type CompiledPolicy, type CompiledStatement } from './compile.js'
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

/**
 * May the caller do it, as far as policies decide (key-policy rules of the KMS developer guide, Policy evaluation; IAM User Guide, Policy
 * evaluation logic)? Whoever asks must not go on when the answer is no. Pure, and bounded in work: a question that takes too many steps is
 * answered no.
 */
export function decideByPolicies(question: Question): PolicyOutcome {
  try {
    return evaluate(question)
  } catch (error) {
    if (!(error instanceof TooMuchWork)) throw error
    return { allowed: false, reason: { verdict: 'deny', by: 'service' }, own: undefined }
  }
}

function evaluate({ caller, request, resource }: Question): PolicyOutcome {
  const denied = explicitDeny(caller, request, resource?.policy)
  if (denied) return { allowed: false, reason: denied, own: undefined }
  const parts = new Parts(caller, request)
  if (!resource) return byIdentityAlone(parts)
  const isOwn = caller.accountId === resource.accountId
  const reason = isOwn ? inOwnAccount(parts, resource.policy) : fromElsewhere(parts, resource.policy)
  return { allowed: reason.verdict === 'allow', reason, own: parts }
}

function explicitDeny(caller: Caller, request: PolicyRequest, resourcePolicy: CompiledPolicy | undefined): Reason | undefined {
  return (resourcePolicy && denyIn('resource policy', [resourcePolicy], caller, request))
    ?? denyIn('identity policy', caller.policies, caller, request)
    ?? (caller.boundary && denyIn('permissions boundary', [caller.boundary], caller, request))
    ?? (caller.session?.policies && denyIn('session policy', caller.session.policies, caller, request))
}

function denyIn(by: Decider, policies: readonly CompiledPolicy[], caller: Caller, request: PolicyRequest): Reason | undefined {
  const statement = find('Deny', policies, caller, request)
  return statement && { verdict: 'deny', by, policy: statement.policy, statement: statement.name }
}

function find(
  effect: 'Allow' | 'Deny', policies: readonly CompiledPolicy[], caller: Caller, request: PolicyRequest,
): CompiledStatement | undefined {
  for (const { statements } of policies) {
    for (const statement of statements) {
      if (statement.effect === effect && applies(statement, caller, request) !== undefined) return statement
    }
  }
  return undefined
}

/** What the policies of the caller say, each looked at when it is first asked for. */
class Parts implements OwnPolicies {
  readonly caller: Caller
  readonly request: PolicyRequest
  #identity: CompiledStatement | undefined | null = null
  #limit: Reason | undefined | null = null

  constructor(caller: Caller, request: PolicyRequest) {
    this.caller = caller
    this.request = request
  }

  allow(): boolean {
    return this.identity() !== undefined
  }

  /** The statement by which its own account allows it. */
  identity(): CompiledStatement | undefined {
    if (this.#identity === null) this.#identity = find('Allow', this.caller.policies, this.caller, this.request)
    return this.#identity
  }

  /** What holds the caller back, however much else allows: boundary and session policies only limit. */
  limit(): Reason | undefined {
    if (this.#limit === null) this.#limit = this.#findLimit()
    return this.#limit
  }

  #findLimit(): Reason | undefined {
    const { caller, request } = this
    if (caller.boundary && !find('Allow', [caller.boundary], caller, request)) return { verdict: 'no', by: 'permissions boundary' }
    const session = caller.session?.policies
    return session && !find('Allow', session, caller, request) ? { verdict: 'no', by: 'session policy' } : undefined
  }
}

/** No key and no role: the policies of the identity, and what limits them. */
function byIdentityAlone(parts: Parts): PolicyOutcome {
  const statement = parts.identity()
  const reason = !statement ? nothing('identity policy') : parts.limit() ?? allowedBy('identity policy', statement)
  return { allowed: reason.verdict === 'allow', reason, own: undefined }
}

/**
 * A statement that names the caller allows by itself; one that names the account leaves it to the policies of the account. Limits do not
 * hold back whoever is named as user or session.
 */
function inOwnAccount(parts: Parts, policy: CompiledPolicy): Reason {
  const { caller, request } = parts
  let delegating: CompiledStatement | undefined
  let heldBack: Reason | undefined
  for (const statement of policy.statements) {
    if (statement.effect !== 'Allow') continue
    const naming = applies(statement, caller, request)
    if (naming === undefined) continue
    if (naming === 'account' && caller.type !== 'Account') delegating ??= statement
    else if (naming === 'user' || naming === 'session' || naming === 'service' || !parts.limit()) {
      return allowedBy('resource policy', statement)
    } else {
      heldBack ??= parts.limit()
    }
  }
  if (!delegating) return heldBack ?? nothing('resource policy')
  const identity = parts.identity()
  if (!identity) return heldBack ?? nothing('identity policy')
  return parts.limit() ?? { ...allowedBy('resource policy', delegating), and: { policy: identity.policy, statement: identity.name } }
}

/** Both sides must agree: the policy of the resource, and the policies of the account that the caller is of. A service has no account. */
function fromElsewhere(parts: Parts, policy: CompiledPolicy): Reason {
  const { caller, request } = parts
  const admitting = find('Allow', [policy], caller, request)
  if (!admitting) return nothing('resource policy')
  if (caller.type === 'Service' || caller.type === 'WebIdentity') return allowedBy('resource policy', admitting)
  const identity = parts.identity()
  if (!identity) return nothing('identity policy')
  return parts.limit() ?? { ...allowedBy('resource policy', admitting), and: { policy: identity.policy, statement: identity.name } }
}

function allowedBy(by: Decider, { policy, name }: CompiledStatement): Reason {
  return { verdict: 'allow', by, policy, statement: name }
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
