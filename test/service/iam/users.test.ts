import { expect } from 'chai'
import { createAccessKey } from '../../../src/api/iam/access-keys.js'
import { addUserToGroup, createGroup } from '../../../src/api/iam/groups.js'
import { attachPolicy, createPolicy, deleteInlinePolicy, putInlinePolicy } from '../../../src/api/iam/policies.js'
import { createUser, deleteUser, getUser, listUsers } from '../../../src/api/iam/users.js'
import { identityQuotas } from '../../../src/domain/identity.js'
import { sampleUser } from '../../support/callers.js'
import { replacing } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { attempt, callerOf, keyUse, policyArn } from './support.js'

const Tags = [{ Key: 'team', Value: 'blue' }]

describe('users', () => {
  const on = serviceSuite()
  const create = (input: Partial<Parameters<typeof call<typeof createUser>>[2]>) => call(on.services, createUser, input)

  it('are made with path, tags and boundary, and shown so', async () => {
    await call(on.services, createPolicy, { PolicyName: 'limit', PolicyDocument: keyUse })
    const { User } = await create({ UserName: 'carol', Path: '/dev/blue/', Tags, PermissionsBoundary: policyArn('limit') })
    expect(User?.UserId).to.match(/^AIDA[A-Z2-7]{16}$/)
    const shown = {
      UserName: 'carol', UserId: User?.UserId, Path: '/dev/blue/', Arn: `arn:aws:iam::${accountId}:user/dev/blue/carol`,
      CreateDate: new Date(on.clock.now()), Tags,
      PermissionsBoundary: { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: policyArn('limit') },
    }
    expect(User).to.deep.equal(shown)
    const { User: got } = await call(on.services, getUser, { UserName: 'carol' })
    expect(got).to.deep.equal({ ...shown, GroupList: [], AttachedManagedPolicies: [], UserPolicyList: [] })
  })

  it('have one name each, whatever its case', async () => {
    await create({ UserName: 'Carol' })
    for (const name of ['Carol', 'carol', 'CAROL']) await refused(create({ UserName: name }), 'EntityAlreadyExistsException')
    await refused(call(on.services, getUser, { UserName: 'carol' }), 'NoSuchEntityException')
    await refused(call(on.services, deleteUser, { UserName: 'CAROL' }), 'NoSuchEntityException')
  })

  it('may be called like a property of every object', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      await create({ UserName: name })
      await call(on.services, putInlinePolicy, { UserName: name, PolicyName: '__proto__', PolicyDocument: keyUse })
      const { User } = await call(on.services, getUser, { UserName: name })
      expect(User?.UserPolicyList).to.deep.equal([{ PolicyName: '__proto__', PolicyDocument: keyUse }])
      await call(on.services, deleteInlinePolicy, { UserName: name, PolicyName: '__proto__' })
      await refused(call(on.services, deleteInlinePolicy, { UserName: name, PolicyName: '__proto__' }), 'NoSuchEntityException')
      await call(on.services, deleteUser, { UserName: name })
    }
  })

  it('are refused with tags that nobody can have, before anything is made', async () => {
    const wrong = [
      [{ Key: 'a', Value: '1' }, { Key: 'A', Value: '2' }], [{ Key: 'aws:x', Value: '1' }], [{ Key: 'AWS:x', Value: '1' }],
    ]
    for (const tags of wrong) await refused(create({ UserName: 'carol', Tags: tags }), 'ValidationException')
    await refused(call(on.services, getUser, { UserName: 'carol' }), 'NoSuchEntityException')
  })

  it('are refused with a boundary that is not there, or is of another account', async () => {
    for (const arn of [policyArn('none'), policyArn('none', '444455556666'), 'arn:aws:iam::aws:policy/None']) {
      await refused(create({ UserName: 'carol', PermissionsBoundary: arn }), 'NoSuchEntityException')
    }
    await refused(create({ UserName: 'carol', PermissionsBoundary: 'arn:aws:iam::1:policy/short' }), 'InvalidArnException')
  })

  it('are limited in number', async () => {
    const full = replacing(on.store.identities, { count: async () => identityQuotas.perAccount.user })
    on.restart({ store: { ...on.store, identities: full } })
    await refused(create({ UserName: 'carol' }), 'LimitExceededException')
    on.restart()
    await create({ UserName: 'carol' })
  })

  it('are made once, however often one call is tried', async () => {
    const first = await attempt(on.services, createUser, { UserName: 'carol' }, 'try')
    expect(await attempt(on.services, createUser, { UserName: 'carol' }, 'try')).to.deep.equal(first)
    await refused(attempt(on.services, createUser, { UserName: 'carol' }, 'another'), 'EntityAlreadyExistsException')
  })

  it('without a name are the caller', async () => {
    const anne = await callerOf(on.services, `arn:aws:iam::${accountId}:user/administrator`)
    expect((await call(on.services, getUser, {}, anne)).User?.UserName).to.equal('administrator')
    await refused(call(on.services, getUser, { AccountId: '444455556666' }, anne), 'ValidationException')
    const { userName: _, ...session } = { ...anne, type: 'AssumedRole' as const }
    await refused(call(on.services, getUser, {}, session), 'ValidationException')
  })

  it('are listed in pages, and by path', async () => {
    for (const [UserName, Path] of [['carol', '/dev/'], ['Dave', '/dev/blue/'], ['eve', '/ops/']] as const) await create({ UserName, Path })
    const names = async (input: Partial<Parameters<typeof call<typeof listUsers>>[2]>) => {
      const { Users, IsTruncated, Marker } = await call(on.services, listUsers, input)
      return { names: Users?.map(({ UserName }) => UserName), IsTruncated, Marker }
    }
    const all = ['administrator', 'anne', 'bob', 'carol', 'Dave', 'eve', 'nobody']
    expect(await names({})).to.deep.equal({ names: all, IsTruncated: false, Marker: undefined })
    const seen: unknown[] = []
    for (let marker: string | undefined = undefined, more = true; more;) {
      const page: Awaited<ReturnType<typeof names>> = await names({ MaxItems: 2, ...marker !== undefined && { Marker: marker } })
      seen.push(...page.names ?? [])
      marker = page.Marker
      more = page.IsTruncated ?? false
    }
    expect(seen).to.deep.equal(all)
    expect((await names({ PathPrefix: '/dev/' })).names).to.deep.equal(['carol', 'Dave'])
    const { Marker: ofOther } = await names({ MaxItems: 2, PathPrefix: '/dev/' })
    await refused(names({ Marker: ofOther ?? '' }), 'InvalidMarkerException')
  })

  it('are deleted once nothing hangs on them any more, and the refusal names all of it', async () => {
    await create({ UserName: 'carol' })
    await call(on.services, createGroup, { GroupName: 'team' })
    await call(on.services, addUserToGroup, { UserName: 'carol', GroupName: 'team' })
    await call(on.services, putInlinePolicy, { UserName: 'carol', PolicyName: 'own', PolicyDocument: keyUse })
    await call(on.services, attachPolicy, { UserName: 'carol', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerKeyUser' })
    const { AccessKey } = await call(on.services, createAccessKey, { UserName: 'carol' })
    const { message } = await refused(call(on.services, deleteUser, { UserName: 'carol' }), 'DeleteConflictException')
    expect(message).to.equal(`Cannot delete user carol, must first delete its access keys (${AccessKey?.AccessKeyId}), remove it from `
      + 'groups (team), detach its policies (arn:aws:iam::aws:policy/ClavigerKeyUser), delete its inline policies (own).')
    expect((await call(on.services, getUser, { UserName: 'carol' })).User?.GroupList).to.deep.equal(['team'])
    await call(on.services, deleteUser, { UserName: 'bob' })
    await refused(call(on.services, getUser, { UserName: 'bob' }), 'NoSuchEntityException')
  })

  it('do not delete themselves', async () => {
    const administrator = await callerOf(on.services, `arn:aws:iam::${accountId}:user/administrator`)
    const deleted = call(on.services, deleteUser, { UserName: 'administrator' }, administrator)
    const { message } = await refused(deleted, 'DeleteConflictException')
    expect(message).to.match(/^Cannot delete user administrator: it makes this very call/)
  })

  it('are deleted once, however often one call is tried', async () => {
    for (let time = 0; time < 2; time++) await attempt(on.services, deleteUser, { UserName: 'bob' }, 'try')
    await refused(attempt(on.services, deleteUser, { UserName: 'bob' }, 'another'), 'NoSuchEntityException')
  })

  it('that were made anew under another path meanwhile are not what the caller was allowed to delete', async () => {
    const { identities } = on.store
    let reads = 0
    const swapping = replacing(identities, {
      // The first read is for the permission. Before the second another call deletes the user, and makes one of its name elsewhere.
      async get(account, kind, name) {
        const stored = await identities.get(account, kind, name)
        if (name !== 'bob' || ++reads !== 2 || !stored) return stored
        await identities.remove(stored)
        await identities.insert(sampleUser('bob', { path: '/boss/', id: 'AIDABOSS' }))
        return identities.get(account, kind, name)
      },
    })
    on.restart({ store: { ...on.store, identities: swapping } })
    await refused(call(on.services, deleteUser, { UserName: 'bob' }), 'ConflictException')
    on.restart()
    expect((await call(on.services, getUser, { UserName: 'bob' })).User?.Path).to.equal('/boss/')
  })
})
