import { originOf, type Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { arnOfEntity, type Role } from '../../domain/identity.js'
import { roleDenied } from '../../domain/policy/denial.js'
import { foldCase } from '../../domain/policy/fold-case.js'
import type { ContextValue, RequestKeys } from '../../domain/policy/request.js'
import { parsePrincipal, sessionArn } from '../../domain/principal.js'
import { claimKeys } from '../../domain/web-identity.js'
import type { AskedRole } from '../authorization/role-question.js'
import type { Call } from '../operation.js'
import type { Services } from '../services.js'
import type { SessionClaims } from './session-tokens.js'
import { checkTags, withInherited, type SessionTags } from './session-tags.js'
import { sessionPolicies } from './sessions.js'
import { credentialsOf, endOf } from './temporary-credentials.js'
import { trustsNobody } from './trust-policies.js'

/** The members that both ways to a role have. */
export interface RoleInput {
  readonly RoleArn: string
  readonly RoleSessionName: string
  readonly PolicyArns?: readonly { readonly arn?: string }[]
  readonly Policy?: string
  readonly DurationSeconds: number
  readonly MinimumSessionTokenSize?: number
}

/** With what only one of them has. */
export interface Wanted extends SessionTags {
  readonly action: 'sts:AssumeRole' | 'sts:AssumeRoleWithWebIdentity'
  readonly input: RoleInput
  readonly externalId?: string | undefined
  readonly sourceIdentity?: string | undefined
}

/** IAM User Guide, Role chaining. */
const chainedSecondsMax = 3_600
const builtInPolicies = 'arn:aws:iam::aws:policy/'

/** Throws ValidationException for what is no ARN of a role. */
export function roleNamed(arn: string): { readonly accountId: string, readonly name: string } {
  const ref = parsePrincipal(arn)
  if (ref?.kind !== 'role') throw new KmsError('ValidationException', 'Request ARN is invalid')
  return ref
}

/** What can be said before anything is looked up. Throws ValidationException. */
export function checkWanted({ input, ...tags }: Omit<Wanted, 'action'>): void {
  const { accountId } = roleNamed(input.RoleArn)
  checkTags(tags)
  for (const { arn } of input.PolicyArns ?? []) {
    // The policies of other accounts are nobody's business, and may change without a word.
    if ([builtInPolicies, `arn:aws:iam::${accountId}:policy/`].some(prefix => arn?.startsWith(prefix))) continue
    throw new KmsError('ValidationException', 'A session policy must be a managed policy of the account of the role.')
  }
}

/** Credentials of a role. Who may not have them learns nothing of the role, not even whether there is one. */
export async function assume(wanted: Wanted, { caller, access }: Call, services: Services) {
  const { input } = wanted
  const { sts, clock } = services
  checkCaller(caller, input)
  const tags = withInherited(wanted, caller)
  const sourceIdentity = sourceIdentityOf(wanted, caller)
  const role = await roleOf(input.RoleArn, services)
  access.requireRole(askedRole(role, { ...wanted, sourceIdentity }, caller, services), actionsOf(wanted, tags, sourceIdentity))
  // It trusts nobody, and so was refused.
  if (!role) throw roleDenied(caller, wanted.action, input.RoleArn)
  const claims = claimsOf(role, { ...wanted, ...tags, sourceIdentity }, caller, clock.now())
  await checkPolicies(claims, services)
  const session = await sts.sessionTokens.seal(claims, input.MinimumSessionTokenSize)
  return {
    ...credentialsOf(session, claims),
    AssumedRoleUser: { AssumedRoleId: `${role.id}:${input.RoleSessionName}`, Arn: sessionArn(role, input.RoleSessionName) },
    ...isPacked(claims) && { PackedPolicySize: session.packedSize },
    ...sourceIdentity !== undefined && { SourceIdentity: sourceIdentity },
  }
}

/** Whether there is anything in it that the size is told of. */
function isPacked({ policy, policyArns, tags }: SessionClaims): boolean {
  return [policy, policyArns, tags].some(part => part !== undefined)
}

function checkCaller({ type }: Caller, { DurationSeconds: seconds }: RoleInput): void {
  if (type === 'Account') throw new KmsError('AccessDeniedException', 'Roles may not be assumed by root accounts.')
  if (type === 'AssumedRole' && seconds > chainedSecondsMax) {
    throw new KmsError('ValidationException',
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining')
  }
}

/** Once it is set it goes with every role that is assumed from there on, and stays what it is. */
function sourceIdentityOf({ sourceIdentity, input }: Wanted, caller: Caller): string | undefined {
  const set = caller.session?.sourceIdentity
  if (set !== undefined && sourceIdentity !== undefined && set !== sourceIdentity) {
    throw roleDenied(caller, 'sts:SetSourceIdentity', input.RoleArn)
  }
  return set ?? sourceIdentity
}

/** Everything that the session would have needs leave of its own, also what it inherits. */
function actionsOf({ action }: Wanted, { tags }: SessionTags, sourceIdentity: string | undefined): readonly string[] {
  return [
    action, ...tags.length > 0 ? ['sts:TagSession'] : [], ...sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity'],
  ]
}

/** The role of that very ARN, its path included. Throws ValidationException. */
export async function roleOf(arn: string, { identities }: Pick<Services, 'identities'>): Promise<Role | undefined> {
  const { accountId, name } = roleNamed(arn)
  const found = await identities.entity(accountId, 'role', name)
  return found && arnOfEntity(found) === arn ? found : undefined
}

/** As policies are asked about it, for `Access.requireRole`; undefined is a role that nobody may be. */
export function askedRole(role: Role | undefined, wanted: Wanted, caller: Caller, { sts }: Pick<Services, 'sts'>): AskedRole {
  const { RoleArn: arn } = wanted.input
  return {
    arn, accountId: roleNamed(arn).accountId, tags: role?.tags ?? [],
    trust: role ? sts.trustPolicies.of(role) : trustsNobody,
    requestKeys: requestKeysOf(wanted, caller),
  }
}

/** IAM User Guide, Available keys for AWS STS. */
function requestKeysOf({ input, tags, sourceIdentity, ...wanted }: Wanted, { webIdentity }: Caller): RequestKeys {
  const keys = new Map<string, ContextValue>(webIdentity && claimKeys(webIdentity))
  keys.set('sts:rolesessionname', input.RoleSessionName)
  keys.set('sts:durationseconds', String(input.DurationSeconds))
  if (wanted.externalId !== undefined) keys.set('sts:externalid', wanted.externalId)
  if (sourceIdentity !== undefined) keys.set('sts:sourceidentity', sourceIdentity)
  if (wanted.transitiveTagKeys.length > 0) keys.set('sts:transitivetagkeys', wanted.transitiveTagKeys)
  if (tags.length > 0) keys.set('aws:tagkeys', tags.map(({ key }) => key))
  for (const { key, value } of tags) keys.set(`aws:requesttag/${foldCase(key)}`, value)
  return keys
}

/** Throws ValidationException if the role does not let sessions last that long. */
function claimsOf(role: Role, { input, tags, transitiveTagKeys, sourceIdentity }: Wanted, caller: Caller, now: number): SessionClaims {
  const { DurationSeconds: seconds, RoleSessionName: sessionName, Policy: policy, PolicyArns: policyArns = [] } = input
  if (seconds > role.maxSessionSeconds) {
    throw new KmsError('ValidationException', 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.')
  }
  const provider = caller.type === 'WebIdentity' ? caller.session?.provider : undefined
  return {
    kind: 'role', accountId: role.accountId, name: role.name, id: role.id, sessionName, issuedAt: now, expiresAt: endOf(now, seconds),
    origin: originOf(caller),
    ...policy !== undefined && { policy },
    ...policyArns.length > 0 && { policyArns: policyArns.map(({ arn = '' }) => arn) },
    ...tags.length > 0 && { tags },
    ...transitiveTagKeys.length > 0 && { transitiveTagKeys },
    ...sourceIdentity !== undefined && { sourceIdentity },
    ...provider !== undefined && { provider },
  }
}

/** Throws for a document that is no policy, and for a managed policy that does not exist. */
async function checkPolicies(claims: SessionClaims, { identities }: Services): Promise<void> {
  await sessionPolicies(claims, identities)
  for (const arn of claims.policyArns ?? []) {
    if (await identities.document(arn) === undefined) throw new KmsError('ValidationException', `The policy ${arn} does not exist.`)
  }
}
