import { hash } from 'node:crypto'
import { assumeRoleWithWebIdentity as contract } from '../../api/sts.js'
import type { Input } from '../../api/shape.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { issuerNamed, providerArn, unknownProvider, webIdentityOf, type WebIdentity } from '../../domain/web-identity.js'
import { onAccount } from '../operation.js'
import type { Services } from '../services.js'
import { assume, checkWanted, roleNamed, type Wanted } from './assumption.js'
import { claimedSourceIdentity, claimedTags } from './session-tags.js'

type In = Input<typeof contract>

export const assumeRoleWithWebIdentity = onAccount(contract, {
  service: 'sts',
  vouched: callerOf,
  permissions: () => [],
  check({ ProviderId: provider }) {
    if (provider !== undefined) throw new KmsError('ValidationException', 'ProviderId is for tokens of OAuth 2.0, which are not supported.')
  },
  async run(call, services) {
    const { caller: { webIdentity, session }, input } = call
    if (!webIdentity) throw new Error('nobody vouched for the caller')
    const wanted = wantedOf(input, webIdentity)
    checkWanted(wanted)
    return {
      ...await assume(wanted, call, services),
      SubjectFromWebIdentityToken: webIdentity.subject, Audience: webIdentity.audiences[0], Provider: session?.provider ?? '',
    }
  },
})

/** Whom the token speaks of, as the account of the role knows them: each account has identity providers of its own. */
async function callerOf({ RoleArn: arn, WebIdentityToken: token }: In, { sts: { identityProviders }, clock }: Services): Promise<Caller> {
  const { accountId } = roleNamed(arn)
  const name = issuerNamed(token)
  const issuer = identityProviders.issuer(name)
  if (!issuer || issuer.accounts?.includes(accountId) === false) throw unknownProvider(name)
  const webIdentity = webIdentityOf(await identityProviders.verifiedPayload(issuer, token), issuer, clock.now())
  const { issuedAt, expiresAt, subject, audiences: [audience] } = webIdentity
  const provider = providerArn(accountId, name)
  const id = [provider, audience, subject].join(':')
  return {
    type: 'WebIdentity', arn: '', principalArn: '', accountId: '', accessKeyId: '', uniqueId: id, userId: id, tags: [], policies: [],
    session: { issuedAt, expiresAt, provider, origin: personOf(webIdentity) }, webIdentity,
  }
}

/** One and the same in every account and for every audience; its length is that of a hash because it goes into the session token. */
function personOf({ issuer, subject }: WebIdentity): string {
  return hash('sha256', JSON.stringify([issuer, subject]), 'base64')
}

function wantedOf(input: In, webIdentity: WebIdentity): Wanted {
  return { action: 'sts:AssumeRoleWithWebIdentity', input, sourceIdentity: claimedSourceIdentity(webIdentity), ...claimedTags(webIdentity) }
}
