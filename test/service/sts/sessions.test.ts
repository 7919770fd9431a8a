import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import { newAccessKey } from '../../../src/service/credentials.js'
import { SessionTokens, type SessionClaims } from '../../../src/service/sts/session-tokens.js'
import { Sessions } from '../../../src/service/sts/sessions.js'
import { callerWeight } from '../../../src/service/weights.js'
import { allowing, sampleUser } from '../../support/callers.js'
import { onEveryCall } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { change, newRole, remove, sampleRole } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId } from '../../support/services.js'

const hourMs = 3_600_000

describe('session credentials', () => {
  const on = serviceSuite()
  let sessions: Sessions
  let macs: number

  beforeEach(async () => {
    macs = 0
    const { identities, clock, store } = on.services
    const tokens = new SessionTokens(onEveryCall(on.hsm, method => { if (method === 'mac') macs++ }), 1)
    sessions = new Sessions({ tokens, identities, accessKeys: store.credentials, clock })
    await newRole(on.services, 'worker', { tags: [{ key: 'team', value: 'red' }, { key: 'site', value: 'x' }] })
  })

  const roleClaims = (of: Partial<SessionClaims> = {}): SessionClaims => ({
    kind: 'role', accountId, name: 'worker', id: sampleRole('worker').id, sessionName: 'me',
    issuedAt: on.clock.now(), expiresAt: on.clock.now() + hourMs, ...of,
  })

  /** Seals, and answers how it is looked up. */
  async function issued(claims: SessionClaims) {
    const { accessKeyId, sessionToken, secretAccessKey } = await on.services.sts.sessionTokens.seal(claims)
    return { accessKeyId, sessionToken, secretAccessKey, lookup: () => sessions.lookup(accessKeyId, sessionToken) }
  }

  async function userSession(active = true) {
    const anne = sampleUser('anne')
    const { accessKey } = await newAccessKey(on.hsm, on.clock, 1, anne)
    await on.store.credentials.put({ ...accessKey, active })
    on.services.identities.forget()
    const claims: SessionClaims = {
      kind: 'user', accountId, name: 'anne', id: anne.id, issuedAt: on.clock.now(), expiresAt: on.clock.now() + hourMs,
      sourceAccessKeyId: accessKey.accessKeyId,
    }
    return { ...await issued(claims), accessKey, claims }
  }

  it('of a role are those of its session', async () => {
    const { lookup, accessKeyId, secretAccessKey } = await issued(roleClaims({ sourceIdentity: 'anne', provider: 'arn:provider' }))
    const credential = await lookup()
    expect(Buffer.from(credential?.secret ?? []).toString()).to.equal(secretAccessKey)
    const roleArn = `arn:aws:iam::${accountId}:role/worker`
    const sessionArn = `arn:aws:sts::${accountId}:assumed-role/worker/me`
    expect(credential?.caller).to.deep.include({
      type: 'AssumedRole', arn: sessionArn, principalArn: roleArn, accountId, accessKeyId, uniqueId: 'AROAWORKER', userId: 'AROAWORKER:me',
    })
    expect(credential?.caller.session).to.deep.equal({
      name: 'me', issuedAt: on.clock.now(), expiresAt: on.clock.now() + hourMs, sourceIdentity: 'anne', provider: 'arn:provider',
    })
  })

  it('of a user are the user, with a session', async () => {
    const { lookup, accessKeyId } = await userSession()
    const caller = (await lookup())?.caller
    expect(caller).to.deep.include({ type: 'User', arn: `arn:aws:iam::${accountId}:user/anne`, userName: 'anne', accessKeyId })
    expect(caller?.session).to.deep.equal({ issuedAt: on.clock.now(), expiresAt: on.clock.now() + hourMs })
  })

  it('are unknown without their token, with that of another, and with none of ours', async () => {
    const [one, other] = [await issued(roleClaims()), await issued(roleClaims())]
    expect(await sessions.lookup(one.accessKeyId, undefined)).to.equal(undefined)
    expect(await sessions.lookup(one.accessKeyId, other.sessionToken)).to.equal(undefined)
    expect(await sessions.lookup(one.accessKeyId, 'token')).to.equal(undefined)
    expect(await sessions.lookup('CVASAAAAAAAAAAAAAAAA', one.sessionToken)).to.equal(undefined)
    expect(await one.lookup()).not.to.equal(undefined)
    expect(await sessions.lookup(one.accessKeyId, other.sessionToken)).to.equal(undefined)
  })

  it('are the same object from memory, and cost no MAC then', async () => {
    const { lookup } = await issued(roleClaims())
    const first = await lookup()
    const after = macs
    expect(await lookup()).to.equal(first)
    expect(macs).to.equal(after)
  })

  it('are remembered up to a weight: the one that was not used for longest is forgotten', async () => {
    const { identities, clock, store } = on.services
    const tokens = new SessionTokens(onEveryCall(on.hsm, method => { if (method === 'mac') macs++ }), 1)
    const made = await Promise.all(Array.from({ length: 3 }, () => issued(roleClaims())))
    const [first] = made
    const found = await first?.lookup()
    const weight = found ? callerWeight(found.caller) : NaN
    const few = new Sessions({ tokens, identities, accessKeys: store.credentials, clock, rememberedWeightMax: 2.5 * weight })
    const macsOf = async (at: number) => {
      const before = macs
      expect(await few.lookup(made[at]?.accessKeyId ?? '', made[at]?.sessionToken)).not.to.equal(undefined)
      return macs - before
    }
    expect([await macsOf(0), await macsOf(1), await macsOf(0), await macsOf(2)]).to.deep.equal([1, 1, 0, 1])
    expect([await macsOf(0), await macsOf(2), await macsOf(1)]).to.deep.equal([0, 0, 1])
  })

  it('end at their time, also from memory', async () => {
    const { lookup } = await issued(roleClaims())
    on.clock.advance(hourMs - 1)
    expect(await lookup()).not.to.equal(undefined)
    on.clock.advance(1)
    await refused(lookup(), 'ExpiredTokenException')
    expect((await refused(lookup(), 'ExpiredTokenException')).message).to.equal('The security token included in the request is expired')
  })

  it('end at once when those of their role are revoked, and new ones are good', async () => {
    const { lookup } = await issued(roleClaims())
    expect(await lookup()).not.to.equal(undefined)
    on.clock.advance(1)
    await change(on.services, 'role', 'worker', { sessionsRevokedAt: on.clock.now() })
    await refused(lookup(), 'ExpiredTokenException')
    await refused((await issued(roleClaims())).lookup(), 'ExpiredTokenException')
    on.clock.advance(1)
    expect(await (await issued(roleClaims())).lookup()).not.to.equal(undefined)
    await refused(lookup(), 'ExpiredTokenException')
  })

  it('end at once when those of their user are revoked', async () => {
    const { lookup } = await userSession()
    expect(await lookup()).not.to.equal(undefined)
    await change(on.services, 'user', 'anne', { sessionsRevokedAt: on.clock.now() })
    await refused(lookup(), 'ExpiredTokenException')
  })

  it('are unknown when their role is deleted, and stay it when one of the same name is made', async () => {
    const { lookup } = await issued(roleClaims())
    expect(await lookup()).not.to.equal(undefined)
    await remove(on.services, 'role', 'worker')
    expect(await lookup()).to.equal(undefined)
    await newRole(on.services, 'worker', { id: 'AROAANOTHER' })
    expect(await lookup()).to.equal(undefined)
  })

  it('are unknown when their user is deleted', async () => {
    const { lookup } = await userSession()
    await remove(on.services, 'user', 'anne')
    expect(await lookup()).to.equal(undefined)
  })

  it('are unknown when the access key that they came from is inactive, deleted or somebody else\'s', async () => {
    const { lookup, accessKey } = await userSession()
    const put = async (of: object) => {
      await on.store.credentials.put({ ...accessKey, ...of })
      on.services.identities.forget()
    }
    expect(await lookup()).not.to.equal(undefined)
    await put({ active: false })
    expect(await lookup()).to.equal(undefined)
    await put({ active: true })
    expect(await lookup()).not.to.equal(undefined)
    await put({ principalId: 'AIDAELSE' })
    expect(await lookup()).to.equal(undefined)
    await on.store.credentials.remove(accessKey.accessKeyId)
    on.services.identities.forget()
    expect(await lookup()).to.equal(undefined)
  })

  it('of a user without a source are unknown', async () => {
    const { claims } = await userSession()
    const { sourceAccessKeyId: _, ...without } = claims
    expect(await (await issued(without)).lookup()).to.equal(undefined)
  })

  it('have the policies, tags and boundary of today', async () => {
    const { lookup } = await issued(roleClaims())
    expect((await lookup())?.caller.policies).to.deep.equal([])
    await change(on.services, 'role', 'worker', {
      attachedPolicies: [administratorAccess.arn], boundary: 'arn:aws:iam::aws:policy/ClavigerAuditor', tags: [{ key: 'new', value: '1' }],
    })
    const caller = (await lookup())?.caller
    expect(caller?.policies.map(({ name }) => name)).to.deep.equal([administratorAccess.arn])
    expect(caller?.boundary?.name).to.equal('arn:aws:iam::aws:policy/ClavigerAuditor')
    expect(caller?.tags).to.deep.equal([{ key: 'new', value: '1' }])
  })

  it('have their own tags before those of their role, whatever the case of the key', async () => {
    const { lookup } = await issued(roleClaims({ tags: [{ key: 'TEAM', value: 'blue' }], transitiveTagKeys: ['TEAM'] }))
    const caller = (await lookup())?.caller
    expect(caller?.tags).to.deep.equal([{ key: 'TEAM', value: 'blue' }, { key: 'site', value: 'x' }])
    expect(caller?.session?.transitiveTagKeys).to.deep.equal(['TEAM'])
  })

  it('are limited by their document and by managed policies as they are today; one that is gone lets nothing through', async () => {
    const managed = {
      kind: 'policy', accountId, name: 'limit', path: '/', id: 'ANPALIMIT', createdAt: 0, revision: 1, description: '', updatedAt: 0,
      document: JSON.stringify(allowing('kms:Encrypt')),
    } as const
    await on.store.identities.insert(managed)
    on.services.identities.forget()
    const arn = `arn:aws:iam::${accountId}:policy/limit`
    const both = await issued(roleClaims({ policy: JSON.stringify(allowing('kms:Decrypt')), policyArns: [arn] }))
    const limits = async (of: typeof both) => (await of.lookup())?.caller.session?.policies?.map(({ name }) => name)
    expect(await limits(both)).to.deep.equal(['session policy', arn])
    const alone = await issued(roleClaims({ policyArns: [arn] }))
    await remove(on.services, 'policy', 'limit')
    const left = async (of: typeof both) => (await of.lookup())?.caller.session?.policies?.flatMap(({ statements }) => statements)
    // It may have denied something, so the document alone would be more than the session had.
    for (const of of [both, alone]) expect(await left(of)).to.deep.equal([])
    expect(await limits(await issued(roleClaims()))).to.equal(undefined)
  })

  it('follow a change by another process', async () => {
    const { lookup } = await issued(roleClaims())
    expect(await lookup()).not.to.equal(undefined)
    const other = await on.second()
    const role = await other.identities.get(accountId, 'role', 'worker')
    if (!role) throw new Error('the role is not there')
    await other.identities.update({ ...role, sessionsRevokedAt: on.clock.now() })
    await nextTurn()
    await refused(lookup(), 'ExpiredTokenException')
  })
})
