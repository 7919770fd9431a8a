import * as api from '../../api/iam/decisions.js'
import type { Output } from '../../api/shape.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { identityQuotas, sessionSeconds, type Role, type User } from '../../domain/identity.js'
import { aliasArn, keyArn, parseKeyRef, type Scope } from '../../domain/key-ref.js'
import type { Key } from '../../domain/key.js'
import { compilePolicyText } from '../../domain/policy/compile.js'
import type { Question, Reason } from '../../domain/policy/decide.js'
import { explain, type StatementTrace } from '../../domain/policy/explain.js'
import { documentCharacters } from '../../domain/policy/size.js'
import { parsePrincipal, type PrincipalRef } from '../../domain/principal.js'
import { Access } from '../authorization/access.js'
import { resourceTags } from '../authorization/facts.js'
import type { DecisionRecord } from '../call-record.js'
import { callerOfRole, callerOfUser } from '../identities/callers.js'
import type { Principal } from '../identities/directory.js'
import { onAccount, type Call, type Operation, type Permission } from '../operation.js'
import type { Services } from '../services.js'
import { explainedCall, type ExplainedCall, type ExplainInput } from './explained-call.js'
import { mayKnow, noSuchEntity, on } from './subjects.js'
import { checkAccount } from './turns.js'

type Explained = Output<typeof api.explainDecision>

/** Statements that one answer shows. */
const statementsMax = 1_000
/** Of a role that is named without a session. */
const sessionName = 'explain'

type Explainable = PrincipalRef & { readonly kind: 'user' | 'role' | 'session' }

/**
 * Asks what decides real calls about one that is not made: nothing is done, and nothing is recorded but the question. Of a key whose policy
 * the asker may not read no more is shown than its policy would show to the one who is asked about, by making the call.
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
    checkGiven(asked, { region, accountId: caller.accountId })
    const { facts } = call.access
    const decisions: DecisionRecord[] = []
    const access = new Access({
      caller, region, time: facts.time, given: asked.given, operation: asked.operation ?? explainDecision, input: asked.input,
      // No managed key is made for a question.
      dryRun: true, measurements: undefined,
      origin: { requestId: call.requestId, sourceIp: '', userAgent: '', secureTransport: facts.origin.secureTransport },
    }, services, { resource: () => {}, decided: decision => void decisions.push(decision) })
    return asked.need ? onKey(call, { access, caller, decisions }, asked.need, services)
      : onNothing(access, decisions, permissionOf(input, asked, await resourceOf(input, caller, services)))
  },
})

function principalOf({ PrincipalArn: arn }: Pick<ExplainInput, 'PrincipalArn'>): Explainable {
  const ref = parsePrincipal(arn)
  if (ref?.kind === 'user' || ref?.kind === 'role' || ref?.kind === 'session') return ref
  throw new KmsError('ValidationException', 'PrincipalArn must be the ARN of a user, of a role or of a session of a role.')
}

/** Of a foreign key a real call shows what its policy says to what is true; to what could be true it shows to nobody. */
function checkGiven({ need, given }: ExplainedCall, scope: Scope): void {
  if (!need || given.size === 0 || parseKeyRef(need.ref, scope).accountId === scope.accountId) return
  throw new KmsError('ValidationException', 'Condition keys can be given for keys of the account of the principal only.')
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

function isUser(principal: Principal): principal is Principal & { readonly entity: User } {
  return principal.entity.kind === 'user'
}

function isRole(principal: Principal): principal is Principal & { readonly entity: Role } {
  return principal.entity.kind === 'role'
}

function sessionPolicy(text: string) {
  const compiled = compilePolicyText(text, { name: 'session policy', kind: 'limit' })
  const { sessionPolicyCharacters: max } = identityQuotas
  if (documentCharacters(text) <= max) return compiled
  throw new KmsError('LimitExceededException', `A session policy can have at most ${max} characters beside white space`)
}

interface Asking { readonly access: Access, readonly caller: Caller, readonly decisions: readonly DecisionRecord[] }

async function onKey(
  call: Call<ExplainInput>, { access, caller, decisions }: Asking, need: NonNullable<ExplainedCall['need']>, services: Services,
): Promise<Explained> {
  const refusal = await refusalOf(async () => { await access.requireKeys([need]) })
  const found = await questionOf(() => access.questionOn(need))
  const own = found?.key.accountId === caller.accountId ? found : undefined
  const isReadable = own !== undefined && await mayRead(call, own.key, services)
  // Of a key of another account nothing is taken but the name: neither whether there is such a key, nor what it is like.
  const question = own ?? access.questionOf({ action: need.action, resource: namedArn(need.ref, access) })
  return {
    ...verdictOf(decisions.at(-1)?.reason, refusal, isReadable ? 'all' : own ? 'own side' : 'outcome'),
    ...shown(explain(question).filter(({ by }) => isReadable || by !== 'resource policy')),
    KeyPolicyShown: isReadable,
  }
}

/** The ARN that the text stands for, whether or not there is such a key; the text itself if it cannot be one. */
function namedArn(text: string, { facts: { region, caller: { accountId } } }: Access): string {
  try {
    const ref = parseKeyRef(text, { region, accountId })
    const scope = { region, accountId: ref.accountId }
    return ref.kind === 'key' ? keyArn(scope, ref.keyId) : aliasArn(scope, ref.name)
  } catch (error) {
    if (error instanceof KmsError) return text
    throw error
  }
}

/** Who may read the policy of a key learns nothing from its statements. */
async function mayRead({ access, caller }: Call, key: Key, { keyPolicies }: Services): Promise<boolean> {
  return key.accountId === caller.accountId && access.wouldAllow(key, 'kms:GetKeyPolicy', keyPolicies.of(key))
}

/** undefined: the call would not get as far as to be asked about. */
async function questionOf<Q extends Question>(ask: () => Promise<Q>): Promise<Q | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof KmsError) return undefined
    throw error
  }
}

function permissionOf({ ResourceArn: resource = '*' }: ExplainInput, { action }: ExplainedCall, more: Partial<Permission>): Permission {
  return { action, resource, ...more }
}

/** What policies are told of a user or a role that is asked for, as they are in the administration of identities (subjects.ts). */
async function resourceOf({ ResourceArn: arn }: ExplainInput, caller: Caller, services: Services): Promise<Partial<Permission>> {
  const [, accountId] = /^arn:aws:iam::([0-9]{12}):/.exec(arn ?? '') ?? []
  if (arn === undefined || accountId === undefined) return {}
  const entity = mayKnow(accountId, { caller, services }) ? (await services.identities.principal(arn))?.entity : undefined
  return {
    of: { accountId, tags: resourceTags(entity?.tags ?? []) },
    ...entity?.boundary !== undefined && { keys: new Map([['iam:permissionsboundary', entity.boundary]]) },
  }
}

async function onNothing(access: Access, decisions: readonly DecisionRecord[], permission: Permission): Promise<Explained> {
  const refusal = await refusalOf(async () => access.requirePermission(permission))
  return { ...verdictOf(decisions.at(-1)?.reason, refusal, 'all'), ...shown(explain(access.questionOf(permission))) }
}

async function refusalOf(act: () => Promise<void>): Promise<KmsError | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    if (error instanceof KmsError) return error
    throw error
  }
}

const verdicts = { allow: 'allowed', deny: 'explicitDeny', no: 'implicitDeny' } as const

/**
 * What is shown of the reason: `outcome` no more than whether, because even the kind of policy that refuses tells of the others that did
 * not; `own side` not the names of what the policy of the key or a grant says.
 */
function verdictOf(reason: Reason | undefined, refusal: KmsError | undefined, show: 'all' | 'own side' | 'outcome'): Explained {
  const answered = refusal ? { ErrorCode: refusal.code, ErrorMessage: refusal.message } : {}
  if (show === 'outcome' || !reason) return { EvalDecision: refusal ? 'implicitDeny' : 'allowed', ...answered }
  const { verdict, by, policy, statement, and } = reason
  const isHidden = show === 'own side' && (by === 'resource policy' || by === 'grant')
  return {
    EvalDecision: refusal && verdict === 'allow' ? 'implicitDeny' : verdicts[verdict],
    DecidedBy: by,
    ...!isHidden && policy !== undefined && { PolicyName: policy },
    ...!isHidden && statement !== undefined && { Statement: statement },
    ...and && { AndPolicyName: and.policy, AndStatement: and.statement },
    ...answered,
  }
}

function shown(statements: readonly StatementTrace[]): Pick<Explained, 'Statements' | 'IsTruncated'> {
  return { Statements: statements.slice(0, statementsMax).map(shownStatement), IsTruncated: statements.length > statementsMax }
}

function shownStatement(statement: StatementTrace): NonNullable<Explained['Statements']>[number] {
  const { naming, missing } = statement
  return {
    PolicyType: statement.by, PolicyName: statement.policy, Statement: statement.statement, Effect: statement.effect,
    Applies: statement.applies, ActionFits: statement.action, ResourceFits: statement.resource, PrincipalFits: naming !== undefined,
    ...naming !== undefined && naming !== 'identity' && { NamesCallerAs: naming },
    Conditions: statement.conditions.map(({ operator, key, values, seen, holds }) => ({
      Operator: operator, Key: key, Values: values, Holds: holds, ...seen.length > 0 && { Seen: seen },
    })),
    ...missing.length > 0 && { MissingVariables: missing },
  }
}
