import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { assumeRoleWithWebIdentity } from '../../../src/api/sts.js'
import type { Input } from '../../../src/api/shape.js'
import { signatureAlgorithms } from '../../../src/domain/web-identity.js'
import { otherAccountId } from '../../support/callers.js'
import { jwt, keySet, newPair } from '../../support/identity-provider.js'
import { refused } from '../../support/refusal.js'
import { newRole, sessionCaller, trusting, trustingProvider, trustPolicy } from '../../support/roles.js'
import { removeDirectory, temporaryDirectory } from '../../support/server.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'

type In = Partial<Input<typeof assumeRoleWithWebIdentity>>

const idp = 'https://idp.example/realm'
const otherIdp = 'https://other.example'
const provider = `arn:aws:iam::${accountId}:oidc-provider/idp.example/realm`
const arnOf = (name: string, account = accountId) => `arn:aws:iam::${account}:role/${name}`
const notAuthorized = 'Not authorized to perform sts:AssumeRoleWithWebIdentity'

describe('AssumeRoleWithWebIdentity', () => {
  const on = serviceSuite()
  const [pair, otherPair] = [newPair('P-256', 'one'), newPair('P-256', 'theirs')]
  let directory: string

  beforeEach(() => {
    directory = temporaryDirectory()
    const file = (name: string, of: typeof pair) => {
      writeFileSync(join(directory, name), keySet(of))
      return { file: join(directory, name) }
    }
    const common = { audiences: ['claviger', 'second'], algorithms: signatureAlgorithms }
    on.restart({
      issuers: [
        { ...common, issuer: idp, keys: file('one', pair) },
        { ...common, issuer: otherIdp, keys: file('other', otherPair), accounts: [otherAccountId] },
      ],
    })
  })
  afterEach(() => removeDirectory(directory))

  function token(more: object = {}, by = pair): string {
    const seconds = Math.floor(on.clock.now() / 1000)
    const claims = { iss: idp, aud: 'claviger', sub: 'job:1', iat: seconds, exp: seconds + 300, ...more }
    return jwt({ claims, algorithm: 'ES256', by })
  }

  const assume = (input: In = {}) => call(on.services, assumeRoleWithWebIdentity,
    { RoleArn: arnOf('worker'), RoleSessionName: 'me', WebIdentityToken: token(), ...input })
  const trusts = (more: object = {}) => newRole(on.services, 'worker', { trustPolicy: trustPolicy(trustingProvider(provider, more)) })
  const when = (operator: string, of: object) => ({ Condition: { [operator]: of } })

  it('answers credentials, the session, and what the token says', async () => {
    await trusts()
    const answer = await assume({ WebIdentityToken: token({ aud: ['second', 'claviger'] }), DurationSeconds: 900 })
    expect(answer).to.deep.include({
      SubjectFromWebIdentityToken: 'job:1', Audience: 'second', Provider: provider,
      AssumedRoleUser: { AssumedRoleId: 'AROAWORKER:me', Arn: `arn:aws:sts::${accountId}:assumed-role/worker/me` },
    })
    const caller = await sessionCaller(on.services, answer)
    expect(caller.type).to.equal('AssumedRole')
    expect(caller.session).to.deep.equal({
      name: 'me', issuedAt: on.clock.now(), expiresAt: on.clock.now() + 900_000, provider, origin: caller.session?.origin,
    })
  })

  it('remembers who it is about: the same for every audience and role, another for every subject', async () => {
    await trusts()
    const originOf = async (claims: object) =>
      (await sessionCaller(on.services, await assume({ WebIdentityToken: token(claims) }))).session?.origin
    const origin = await originOf({})
    expect(origin).to.match(/^[\w+/]{43}=$/)
    expect(await originOf({ aud: ['second', 'claviger'] })).to.equal(origin)
    expect(await originOf({ sub: 'job:2' })).to.not.equal(origin)
  })

  const conditions: readonly (readonly [what: string, object, object, allowed: boolean])[] = [
    ['the subject', when('StringEquals', { 'idp.example/realm:sub': 'job:1' }), {}, true],
    ['another subject', when('StringEquals', { 'idp.example/realm:sub': 'job:2' }), {}, false],
    ['subjects like it', when('StringLike', { 'idp.example/realm:sub': 'job:*' }), {}, true],
    ['the audience', when('StringEquals', { 'idp.example/realm:aud': 'claviger' }), {}, true],
    ['another audience', when('StringEquals', { 'idp.example/realm:aud': 'second' }), {}, false],
    ['any audience', when('ForAnyValue:StringEquals', { 'idp.example/realm:aud': 'second' }), { aud: ['claviger', 'second'] }, true],
    ['the client', when('StringEquals', { 'IDP.example/realm:AZP': 'app' }), { azp: 'app' }, true],
    ['a client that it does not name', when('StringEquals', { 'idp.example/realm:azp': 'app' }), {}, false],
    ['how it was authenticated', when('ForAnyValue:StringEquals', { 'idp.example/realm:amr': 'otp' }), { amr: ['pwd', 'otp'] }, true],
    ['a claim of its own', when('StringEquals', { 'idp.example/realm:repository': 'a/b' }), { repository: 'a/b' }, true],
    ['the same claim of another provider', when('StringEquals', { 'other.example:sub': 'job:1' }), {}, false],
    ['the name of the session', when('StringEquals', { 'sts:RoleSessionName': 'me' }), {}, true],
    ['the provider', when('StringEquals', { 'aws:FederatedProvider': provider }), {}, true],
    ['a principal that there is not', when('StringLike', { 'aws:PrincipalArn': '*' }), {}, false],
    ['an external id in the token', when('StringEquals', { 'sts:ExternalId': 'x' }), { 'externalid': 'x', 'sts:externalid': 'x' }, false],
  ]
  for (const [what, condition, claims, allowed] of conditions) {
    it(`${allowed ? 'is allowed' : 'is refused'} by a condition on ${what}`, async () => {
      await trusts(condition)
      if (allowed) expect(await assume({ WebIdentityToken: token(claims) })).to.have.property('Credentials')
      else expect((await refused(assume({ WebIdentityToken: token(claims) }), 'AccessDeniedException')).message).to.equal(notAuthorized)
    })
  }

  const others: readonly (readonly [string, object])[] = [
    ['another provider of the account', trustingProvider(`arn:aws:iam::${accountId}:oidc-provider/other.example`)],
    ['the provider of another account', trustingProvider(`arn:aws:iam::${otherAccountId}:oidc-provider/idp.example/realm`)],
    ['the provider with a slash more', trustingProvider(`${provider}/`)],
    ['its account', trusting({ AWS: accountId }, { Action: 'sts:*' })],
    ['the provider, but for AssumeRole', trusting({ Federated: provider })],
  ]
  for (const [what, statement] of others) {
    it(`is refused where the role trusts ${what}`, async () => {
      await newRole(on.services, 'worker', { trustPolicy: trustPolicy(statement) })
      expect((await refused(assume(), 'AccessDeniedException')).message).to.equal(notAuthorized)
    })
  }

  it('says the same of a role that does not exist', async () => {
    for (const RoleArn of [arnOf('nothing'), arnOf('nothing', otherAccountId)]) {
      expect((await refused(assume({ RoleArn }), 'AccessDeniedException')).message).to.equal(notAuthorized)
    }
  })

  it('knows an issuer in its accounts only', async () => {
    const foreign = arnOf('foreign', otherAccountId)
    const theirs = `arn:aws:iam::${otherAccountId}:oidc-provider/other.example`
    await newRole(on.services, 'foreign', { accountId: otherAccountId, trustPolicy: trustPolicy(trustingProvider(theirs)) })
    await newRole(on.services, 'worker', {
      trustPolicy: trustPolicy(trustingProvider(theirs), trustingProvider(`arn:aws:iam::${accountId}:oidc-provider/other.example`)),
    })
    const WebIdentityToken = token({ iss: otherIdp }, otherPair)
    expect(await assume({ RoleArn: foreign, WebIdentityToken })).to.have.property('Provider', theirs)
    const { message } = await refused(assume({ WebIdentityToken }), 'InvalidIdentityTokenException')
    expect(message).to.equal(`No OpenIDConnect provider found in your account for ${otherIdp}`)
    await refused(assume({ WebIdentityToken: token({ iss: 'https://stranger.example' }) }), 'InvalidIdentityTokenException')
  })

  it('is refused with the key of another issuer', async () => {
    await trusts()
    for (const by of [otherPair, { ...otherPair, kid: 'one' }]) {
      await refused(assume({ WebIdentityToken: token({}, by) }), 'InvalidIdentityTokenException')
    }
  })

  it('goes by the clock of the service', async () => {
    await trusts()
    const WebIdentityToken = token()
    on.clock.advance(299_999)
    expect(await assume({ WebIdentityToken })).to.have.property('Credentials')
    on.clock.advance(1)
    await refused(assume({ WebIdentityToken }), 'ExpiredIdentityTokenException')
    await refused(assume({ WebIdentityToken: token({ nbf: Math.floor(on.clock.now() / 1000) + 120 }) }), 'IDPRejectedClaimException')
  })

  const tags = 'https://aws.amazon.com/tags'
  const sourceIdentity = 'https://aws.amazon.com/source_identity'

  it('has the tags and the source identity that the provider wants', async () => {
    await trusts()
    const WebIdentityToken = token({
      [tags]: { principal_tags: { team: ['red'], site: ['x'] }, transitive_tag_keys: ['team'] }, [sourceIdentity]: 'anne',
    })
    const answer = await assume({ WebIdentityToken })
    expect(answer.SourceIdentity).to.equal('anne')
    const caller = await sessionCaller(on.services, answer)
    expect(caller.tags).to.deep.equal([{ key: 'team', value: 'red' }, { key: 'site', value: 'x' }])
    expect(caller.session).to.deep.include({ transitiveTagKeys: ['team'], sourceIdentity: 'anne' })
  })

  it('needs leave of the role for them', async () => {
    await trusts({ Action: 'sts:AssumeRoleWithWebIdentity' })
    expect(await assume()).to.have.property('Credentials')
    const tagged = token({ [tags]: { principal_tags: { team: ['red'] } } })
    expect((await refused(assume({ WebIdentityToken: tagged }), 'AccessDeniedException')).message)
      .to.equal('Not authorized to perform sts:TagSession')
    const named = token({ [sourceIdentity]: 'anne' })
    expect((await refused(assume({ WebIdentityToken: named }), 'AccessDeniedException')).message)
      .to.equal('Not authorized to perform sts:SetSourceIdentity')
  })

  const badTags: readonly unknown[] = [
    'red', 1, null, [], { principal_tags: 'red' }, { principal_tags: { team: [] } }, { principal_tags: { team: ['red', 'blue'] } },
    { principal_tags: { team: [1] } }, { principal_tags: { team: { a: 'b' } } }, { principal_tags: { '': ['x'] } },
    { principal_tags: { 'a<b': ['x'] } }, { principal_tags: { ['k'.repeat(129)]: ['x'] } }, { principal_tags: { k: ['x'.repeat(257)] } },
    { principal_tags: { team: ['red'] }, transitive_tag_keys: 'team' }, { principal_tags: { team: ['red'] }, transitive_tag_keys: [1] },
    { principal_tags: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`k${at}`, ['x']])) },
  ]
  for (const claim of badTags) {
    it(`is refused with ${JSON.stringify(claim).slice(0, 60)} for tags`, async () => {
      await trusts()
      await refused(assume({ WebIdentityToken: token({ [tags]: claim }) }), 'IDPRejectedClaimException')
    })
  }

  it('is refused with a source identity that cannot be one', async () => {
    await trusts()
    for (const name of ['x', 'a b', 1, ['anne']]) {
      await refused(assume({ WebIdentityToken: token({ [sourceIdentity]: name }) }), 'IDPRejectedClaimException')
    }
  })

  it('is refused with a ProviderId', async () => {
    await trusts()
    expect((await refused(assume({ ProviderId: 'www.amazon.com' }), 'ValidationException')).message).to.contain('ProviderId')
  })

  it('says in the audit log who it was, and never the token', async () => {
    await trusts()
    const WebIdentityToken = token()
    await assume({ WebIdentityToken })
    await refused(assume({ WebIdentityToken, RoleArn: arnOf('nothing') }), 'AccessDeniedException')
    const forged = token({}, otherPair)
    await refused(assume({ WebIdentityToken: forged }), 'InvalidIdentityTokenException')
    const [good, denied, invalid] = on.audit.events
    const userIdentity = {
      type: 'WebIdentityUser', principalId: `${provider}:claviger:job:1`, userName: 'job:1', identityProvider: provider,
    }
    expect(good).to.deep.include({ eventSource: 'sts.amazonaws.com', eventName: 'AssumeRoleWithWebIdentity', userIdentity })
    expect(good?.additionalEventData).to.have.nested.property('authorization[0].by', 'resource policy')
    expect(denied).to.deep.include({ errorCode: 'AccessDeniedException', userIdentity })
    expect(invalid).to.deep.include({ errorCode: 'InvalidIdentityTokenException', eventName: 'AssumeRoleWithWebIdentity' })
    const text = JSON.stringify(on.audit.events)
    for (const secret of [...WebIdentityToken.split('.'), ...forged.split('.').slice(1)]) expect(text).not.to.contain(secret)
  })
})
