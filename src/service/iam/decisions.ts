import * as api from '../../api/iam/decisions.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { identityQuotas, sessionSeconds } from '../../domain/identity.js'
import { compilePolicyText } from '../../domain/policy/compile.js'
import { explain } from '../../domain/policy/explain.js'
import { documentCharacters } from '../../domain/policy/size.js'
import { parsePrincipal, type PrincipalRef } from '../../domain/principal.js'
import { Access, type Asked } from '../authorization/access.js'
import type { DecisionRecord } from '../call-record.js'
import { callerOfRole, callerOfUser } from '../identities/callers.js'
import { isRole, isUser } from '../identities/directory.js'
import { onAccount, type Operation, type Permission } from '../operation.js'
import type { Services } from '../services.js'
import { approvalOf } from './explained-approval.js'
import { refusalOf, shown, verdictOf, type Explained, type Thought } from './explained-answer.js'
import { explainedCall, type ExplainedCall, type ExplainInput } from './explained-call.js'
import { onKey } from './explained-key.js'
import { onRole, sessionName } from './explained-role.js'
import { mayKnow, noSuchEntity, on, toldOf } from './subjects.js'
import { checkAccount } from './turns.js'

type Explainable = PrincipalRef & { readonly kind: 'user' | 'role' | 'session' }

/**
 * Asks what decides real calls about one that is not made: nothing is done, and nothing is recorded but the question. Of a key or a
 * role whose policy the asker may not read no more is shown than it would show to the one who is asked about, by making the call.
 */
export const explainDecision: Operation = onAccount(api.explainDecision, {
  service: 'iam',
  readOnly: true,
  check(input) {
    const { accountId } = principalOf(input)
    if (input.AccountId !== undefined && input.AccountId !== accountId) {
      throw new KmsError('ValidationException', `${input.PrincipalArn} is not of account ${input.AccountId}.`)
    }
    explainedCall(input)
  },
  permissions: (input, scope, asking) => on<ExplainInput>(subjectOf, () => ['iam:SimulatePrincipalPolicy'])(
    { ...input, AccountId: principalOf(input).accountId }, scope, asking),
  async run(call, services) {
    const { input, scope } = call
    const region = input.Region ?? scope.region
    if (!services.regions.includes(region)) throw new KmsError('ValidationException', `Region ${region} is not served here.`)
    await checkAccount(principalOf(input).accountId, services)
    const caller = await callerOf(input, services)
    const asked = explainedCall(input)
    const { action, need, role, given } = asked
    const { facts } = call.access
    const about = thought({
      caller, region, time: facts.time, given, operation: asked.operation ?? explainDecision, input: asked.input,
      origin: { requestId: call.requestId, sourceIp: '', userAgent: '', secureTransport: facts.origin.secureTransport },
    }, services)
    // What they might see by calls of their own, which are real in all but that they are not made.
    const asker = thought({ ...facts, region, operation: explainDecision, input: {} }, services)
    const explained = need ? await onKey({ need, given, about, asker }, services)
      : role !== undefined ? await onRole({ action, arn: role, given, about, asker }, services)
        : await onNothing(about, permissionOf(input, asked, await resourceOf(input, caller, services)))
    if (explained.EvalDecision !== 'allowed') return explained
    return { ...explained, ...approvalOf(asked, { caller, region, resource: input.ResourceArn }, services) }
  },
})

/** A call that is not made: it leaves nothing behind, no managed key and no record. */
function thought(asked: Omit<Asked, 'dryRun' | 'measurements'>, services: Services): Thought {
  let last: DecisionRecord | undefined
  const access = new Access(
    { ...asked, dryRun: true, measurements: undefined }, services, { resource: () => {}, decided: decision => { last = decision } })
  return { access, caller: asked.caller, reason: () => last?.reason }
}

function principalOf({ PrincipalArn: arn }: Pick<ExplainInput, 'PrincipalArn'>): Explainable {
  const ref = parsePrincipal(arn)
  if (ref?.kind === 'user' || ref?.kind === 'role' || ref?.kind === 'session') return ref
  throw new KmsError('ValidationException', 'PrincipalArn must be the ARN of a user, of a role or of a session of a role.')
}

function subjectOf(input: ExplainInput) {
  const ref = principalOf(input)
  return ref.kind === 'session' ? { kind: 'role', name: ref.role } as const : { kind: ref.kind, name: ref.name, path: ref.path }
}

/** As its calls would be known. */
async function callerOf(input: ExplainInput, { identities, clock }: Services): Promise<Caller> {
  const ref = principalOf(input)
  const role = ref.kind === 'session' ? await identities.entity(ref.accountId, 'role', ref.role) : undefined
  const principal = role ? await identities.principalOf(role) : await identities.principal(input.PrincipalArn)
  if (!principal) throw noSuchEntity(ref.kind === 'user' ? 'user' : 'role', ref.kind === 'session' ? ref.role : ref.name)
  if (isUser(principal)) {
    if (input.SessionPolicy !== undefined) throw new KmsError('ValidationException', 'Only sessions of roles have session policies.')
    return callerOfUser(principal, '')
  }
  if (!isRole(principal)) throw new Error('a principal is a user or a role')
  const now = clock.now()
  return callerOfRole(principal, {
    name: ref.kind === 'session' ? ref.session : sessionName, issuedAt: now, expiresAt: now + sessionSeconds.default * 1000,
    ...input.SessionPolicy !== undefined && { policies: [sessionPolicy(input.SessionPolicy)] },
  })
}

function sessionPolicy(text: string) {
  const compiled = compilePolicyText(text, { name: 'session policy', kind: 'limit' })
  const { sessionPolicyCharacters: max } = identityQuotas
  if (documentCharacters(text) <= max) return compiled
  throw new KmsError('LimitExceededException', `A session policy can have at most ${max} characters beside white space`)
}

function permissionOf({ ResourceArn: resource = '*' }: ExplainInput, { action }: ExplainedCall, more: Partial<Permission>): Permission {
  return { action, resource, ...more }
}

/** What policies are told of a user or a role that is asked for, as they are in the administration of identities (subjects.ts). */
async function resourceOf({ ResourceArn: arn }: ExplainInput, caller: Caller, services: Services): Promise<Partial<Permission>> {
  const [, accountId] = /^arn:aws:iam::([0-9]{12}):/.exec(arn ?? '') ?? []
  if (arn === undefined || accountId === undefined) return {}
  const entity = mayKnow(accountId, { caller, services }) ? (await services.identities.principal(arn))?.entity : undefined
  return toldOf(accountId, entity)
}

async function onNothing({ access, reason }: Thought, permission: Permission): Promise<Explained> {
  const refusal = await refusalOf(async () => access.requirePermission(permission))
  return { ...verdictOf(reason(), refusal, 'all'), ...shown(explain(access.questionOf(permission))) }
}
