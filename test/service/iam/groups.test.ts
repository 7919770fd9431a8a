import { expect } from 'chai'
import { addUserToGroup, createGroup, deleteGroup, listGroups, removeUserFromGroup } from '../../../src/api/iam/groups.js'
import { attachPolicy, putInlinePolicy } from '../../../src/api/iam/policies.js'
import { getUser } from '../../../src/api/iam/users.js'
import { createKey } from '../../../src/api/keys.js'
import type { User } from '../../../src/domain/identity.js'
import { sampleUser } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { attempt, callerOf, keyUse } from './support.js'

describe('groups', () => {
  const on = serviceSuite()
  const create = (GroupName: string, Path = '/') => call(on.services, createGroup, { GroupName, Path })
  const groupsOf = async (UserName: string) => (await call(on.services, getUser, { UserName })).User?.GroupList

  it('are made and listed in pages', async () => {
    const { Group } = await create('team', '/dev/')
    expect(Group).to.deep.equal({
      GroupName: 'team', GroupId: Group?.GroupId, Path: '/dev/', Arn: `arn:aws:iam::${accountId}:group/dev/team`,
      CreateDate: new Date(on.clock.now()),
    })
    expect(Group?.GroupId).to.match(/^AGPA[A-Z2-7]{16}$/)
    await create('Alpha')
    expect((await call(on.services, listGroups, {})).Groups?.map(({ GroupName }) => GroupName)).to.deep.equal(['Alpha', 'team'])
    const page = await call(on.services, listGroups, { MaxItems: 1 })
    expect(page).to.deep.include({ IsTruncated: true })
    const { Groups } = await call(on.services, listGroups, { MaxItems: 1, Marker: page.Marker ?? '' })
    expect(Groups?.map(({ GroupName }) => GroupName)).to.deep.equal(['team'])
    await refused(create('TEAM'), 'EntityAlreadyExistsException')
  })

  it('are made once, however often one call is tried', async () => {
    const first = await attempt(on.services, createGroup, { GroupName: 'team' }, 'try')
    expect(await attempt(on.services, createGroup, { GroupName: 'team' }, 'try')).to.deep.equal(first)
  })

  it('give their members what they may, from the next call on, and take it back', async () => {
    const bob = () => callerOf(on.services, `arn:aws:iam::${accountId}:user/bob`)
    await create('makers')
    await call(on.services, attachPolicy, { GroupName: 'makers', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerKeyAdministrator' })
    await refused(call(on.services, createKey, {}, await bob()), 'AccessDeniedException')
    for (let time = 0; time < 2; time++) await call(on.services, addUserToGroup, { GroupName: 'makers', UserName: 'bob' })
    expect(await groupsOf('bob')).to.deep.equal(['makers'])
    await call(on.services, createKey, {}, await bob())
    await call(on.services, removeUserFromGroup, { GroupName: 'makers', UserName: 'bob' })
    await refused(call(on.services, createKey, {}, await bob()), 'AccessDeniedException')
    await refused(call(on.services, removeUserFromGroup, { GroupName: 'makers', UserName: 'bob' }), 'NoSuchEntityException')
  })

  it('and users that are not there are said to be so', async () => {
    await create('team')
    for (const act of [addUserToGroup, removeUserFromGroup]) {
      const noGroup = await refused(call(on.services, act, { GroupName: 'none', UserName: 'bob' }), 'NoSuchEntityException')
      expect(noGroup.message).to.equal('The group with name none cannot be found.')
      const noUser = await refused(call(on.services, act, { GroupName: 'team', UserName: 'Bob' }), 'NoSuchEntityException')
      expect(noUser.message).to.equal('The user with name Bob cannot be found.')
    }
    await refused(call(on.services, deleteGroup, { GroupName: 'Team' }), 'NoSuchEntityException')
  })

  it('are ten at most for a user', async () => {
    for (let number = 1; number <= 11; number++) await create(`g${number}`)
    for (let number = 1; number <= 10; number++) await call(on.services, addUserToGroup, { GroupName: `g${number}`, UserName: 'bob' })
    await refused(call(on.services, addUserToGroup, { GroupName: 'g11', UserName: 'bob' }), 'LimitExceededException')
    await call(on.services, addUserToGroup, { GroupName: 'g10', UserName: 'bob' })
  })

  it('are deleted once they are empty and have no policies, and the refusal names all of it', async () => {
    await create('team')
    await create('tea')
    await call(on.services, addUserToGroup, { GroupName: 'team', UserName: 'bob' })
    await call(on.services, putInlinePolicy, { GroupName: 'team', PolicyName: 'own', PolicyDocument: keyUse })
    const { message } = await refused(call(on.services, deleteGroup, { GroupName: 'team' }), 'DeleteConflictException')
    expect(message).to.equal('Cannot delete group team, must first remove its members (user bob), delete its inline policies (own).')
    for (let time = 0; time < 2; time++) await attempt(on.services, deleteGroup, { GroupName: 'tea' }, 'try')
    expect((await call(on.services, listGroups, {})).Groups?.map(({ GroupName }) => GroupName)).to.deep.equal(['team'])
  })

  it('take no member while they are deleted: whichever comes first, no user is in a group that is gone', async () => {
    for (let round = 0; round < 10; round++) {
      await create('team')
      const outcomes = await Promise.allSettled([
        call(on.services, deleteGroup, { GroupName: 'team' }), call(on.services, addUserToGroup, { GroupName: 'team', UserName: 'bob' }),
      ].sort(() => round % 2 - 0.5))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
      const groups = await groupsOf('bob')
      expect((await call(on.services, listGroups, {})).Groups?.map(({ GroupName }) => GroupName)).to.deep.equal(groups)
      if (groups?.length) {
        await call(on.services, removeUserFromGroup, { GroupName: 'team', UserName: 'bob' })
        await call(on.services, deleteGroup, { GroupName: 'team' })
      }
    }
  })

  it('are not deleted while they have members, behind whatever many users that only look like it', async () => {
    await call(on.services, createGroup, { GroupName: 'dev' })
    const put = (name: string, of: Partial<User>) => on.store.identities.insert(sampleUser(name, of))
    for (let number = 0; number < 120; number++) await put(`a${number}`, { tags: [{ key: 'team', value: 'dev' }] })
    for (let number = 0; number < 7; number++) await put(`z${number}`, { groups: ['dev'] })
    on.services.identities.forget()
    const { message } = await refused(call(on.services, deleteGroup, { GroupName: 'dev' }), 'DeleteConflictException')
    expect(message).to.equal(
      'Cannot delete group dev, must first remove its members (user z0, user z1, user z2, user z3, user z4 and more).')
  })
})
