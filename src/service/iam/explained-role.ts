import { assumeRole } from '../../api/sts.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type Role } from '../../domain/identity.js'
import { decideByPolicies } from '../../domain/policy/decide.js'
import { explain } from '../../domain/policy/explain.js'
import type { RequestKeys } from '../../domain/policy/request.js'
import { questionOnRole } from '../authorization/role-question.js'
import type { Services } from '../services.js'
import { askedRole, roleNamed, roleOf, type Wanted } from '../sts/assumption.js'
import { refusalOf, shown, verdictOf, type Explained, type Thought } from './explained-answer.js'
import { mayKnow, toldOf } from './subjects.js'

interface Asked {
  readonly action: string
  readonly arn: string
  readonly given: RequestKeys
  readonly about: Thought
  /** A call of the one who asks, of which nothing is given. */
  readonly asker: Thought
}

/** Of the session that is thought of. */
export const sessionName = 'explain'
/** What whoever calls writes into the call as they like: so a real call shows to these, too, what a foreign trust policy says. */
const writtenByCaller: ReadonlySet<string> = new Set(['sts:externalid', 'sts:rolesessionname', 'sts:sourceidentity'])

/**
 * Whether a role could be assumed, and why: its trust policy is shown to who may get the role. To all others no more than the call would
 * tell, which is the same for one that does not exist.
 */
export async function onRole({ action, arn, given, about, asker }: Asked, services: Services): Promise<Explained> {
  const { access } = about
  const role = await roleOf(arn, services)
  const readable = role && mayGet(role, asker, services) ? role : undefined
  if (!readable) checkGiven(arn, given, about)
  const asked = askedRole(role, wantedRole(arn), about.caller, services)
  const refusal = await refusalOf(async () => access.requireRole(asked, [action]))
  const question = readable ? questionOnRole(access.facts, asked, action)
    : { ...questionOnRole(access.facts, askedRole(undefined, wantedRole(arn), about.caller, services), action), resource: undefined }
  return {
    ...verdictOf(about.reason(), refusal, readable ? 'all' : 'outcome'), ...shown(explain(question)),
    TrustPolicyShown: readable !== undefined,
  }
}

function wantedRole(arn: string): Wanted {
  return {
    action: 'sts:AssumeRole', tags: [], transitiveTagKeys: [],
    input: { RoleArn: arn, RoleSessionName: sessionName, DurationSeconds: assumeRole.input.DurationSeconds.default },
  }
}

/** As of a foreign key (explained-key.ts). */
function checkGiven(arn: string, given: RequestKeys, { caller }: Thought): void {
  if (roleNamed(arn).accountId === caller.accountId || [...given.keys()].every(key => writtenByCaller.has(key))) return
  throw new KmsError('ValidationException', 'Other condition keys than sts:ExternalId, sts:RoleSessionName and sts:SourceIdentity can be '
    + 'given for roles of the account of the principal only, and to who may get the role.')
}

/** In its own account, or in that of the installation. */
function mayGet(role: Role, { access, caller }: Thought, services: Services): boolean {
  if (!mayKnow(role.accountId, { caller, services })) return false
  const question = access.questionOf({ action: 'iam:GetRole', resource: arnOfEntity(role), ...toldOf(role.accountId, role) })
  return decideByPolicies(question).allowed
}
