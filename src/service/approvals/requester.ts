import type { Requester, RequesterSession } from '../../domain/approval.js'
import { originOf, type Caller, type CallerSession } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { compilePolicyText } from '../../domain/policy/compile.js'
import { callerOfAccount, callerOfRole, callerOfUser } from '../identities/callers.js'
import { isRole, isUser, type IdentityDirectory, type Principal } from '../identities/directory.js'
import type { Services } from '../services.js'

/** What must be kept of a caller so that it can be asked later what it may do. Throws for one of whom not all can be kept. */
export async function requesterOf(caller: Caller, { identities }: Pick<Services, 'identities'>): Promise<Requester> {
  const { type, arn, principalArn, accountId, uniqueId, accessKeyId } = caller
  if (type === 'Service' || type === 'WebIdentity') throw cannotWait('a call of a service')
  const requester = { type, arn, principalArn, accountId, uniqueId, accessKeyId, origin: originOf(caller) }
  if (caller.session) return { ...requester, session: await sessionOf(caller, caller.session, identities) }
  if (type === 'AssumedRole') throw cannotWait('a call of a role without a session')
  return requester
}

async function sessionOf(caller: Caller, session: CallerSession, identities: IdentityDirectory): Promise<RequesterSession> {
  const { name = '', issuedAt, expiresAt, policies, sourceIdentity, transitiveTagKeys, provider } = session
  const ofPrincipal = (await identities.principal(caller.principalArn))?.entity.tags ?? []
  return {
    name, issuedAt, expiresAt,
    ...policies && { policies: policies.map(({ name: policy, text }) => {
      if (text === undefined) throw cannotWait('a call of a session whose policies have no text')
      return { name: policy, document: text }
    }) },
    // Those of the user or role are looked up again.
    tags: caller.tags.filter(tag => !ofPrincipal.some(one => one.key === tag.key && one.value === tag.value)),
    ...sourceIdentity !== undefined && { sourceIdentity },
    ...transitiveTagKeys && { transitiveTagKeys },
    ...provider !== undefined && { provider },
  }
}

/**
 * The requester as a caller of now, with the policies and tags of now. Throws AccessDeniedException unless it is still there: the same user
 * or role, with an access key that is still active, and a session that was not revoked. A session may have run out by itself meanwhile.
 */
export async function callerOf(requester: Requester, services: Services): Promise<Caller> {
  const { type, accountId } = requester
  const { identities } = services
  if (type === 'Account') {
    if (!await identities.account(accountId)) throw gone(requester, 'its account is gone')
    return callerOfAccount(accountId)
  }
  const principal = await identities.principal(requester.principalArn)
  if (principal?.entity.id !== requester.uniqueId) throw gone(requester, 'it is gone')
  const { session } = requester
  if (session && isRevoked(session, principal)) throw gone(requester, 'its session was revoked')
  if (isUser(principal)) {
    if (!session) await requireActive(requester, services)
    return { ...callerOfUser(principal, requester.accessKeyId), ...session && { session: restored(session) } }
  }
  if (!isRole(principal) || !session) throw gone(requester, 'it is gone')
  const { origin, accessKeyId } = requester
  return callerOfRole(principal, { ...restored(session), origin }, { accessKeyId, tags: session.tags })
}

/** Who comes by a certificate has no access key. */
async function requireActive(requester: Requester, { store }: Services): Promise<void> {
  const { accessKeyId, uniqueId } = requester
  if (accessKeyId === '') return
  const accessKey = await store.credentials.get(accessKeyId)
  if (accessKey?.active && accessKey.principalId === uniqueId) return
  throw gone(requester, 'the access key that it was signed with is not active')
}

function isRevoked({ issuedAt }: RequesterSession, { entity: { sessionsRevokedAt } }: Principal): boolean {
  return sessionsRevokedAt !== undefined && issuedAt <= sessionsRevokedAt
}

function restored({ tags: _, policies, ...session }: RequesterSession): CallerSession & { readonly name: string } {
  if (!policies) return session
  return { ...session, policies: policies.map(({ name, document }) => compilePolicyText(document, { name, kind: 'limit' })) }
}

function gone({ arn }: Requester, why: string): KmsError {
  return new KmsError('AccessDeniedException', `User: ${arn} is not authorized any more, because ${why}`)
}

function cannotWait(what: string): KmsError {
  return new KmsError('UnsupportedOperationException', `This operation needs approval, which ${what} cannot wait for.`)
}
