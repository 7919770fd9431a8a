import { expect } from 'chai'
import { createGroup } from '../../../src/api/iam/groups.js'
import {
  attachPolicy, createPolicy, deleteInlinePolicy, deletePermissionsBoundary, detachPolicy, putInlinePolicy, putPermissionsBoundary,
} from '../../../src/api/iam/policies.js'
import { createRole, getRole } from '../../../src/api/iam/roles.js'
import { tagPrincipal, untagPrincipal } from '../../../src/api/iam/tags.js'
import { getUser } from '../../../src/api/iam/users.js'
import { createKey } from '../../../src/api/keys.js'
import { identityQuotas } from '../../../src/domain/identity.js'
import { otherAccountId } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { attempt, callerOf, keyUse, otherUse, policyArn, trusting } from './support.js'

const keyUser = 'arn:aws:iam::aws:policy/ClavigerKeyUser'

describe('policies of users, groups and roles', () => {
  const on = serviceSuite()
  const bob = () => on.store.identities.get(accountId, 'user', 'bob')

  beforeEach(async () => {
    await call(on.services, createGroup, { GroupName: 'team' })
    await call(on.services, createRole, { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(accountId) })
    await call(on.services, createPolicy, { PolicyName: 'use', PolicyDocument: keyUse })
  })

  const holders = [
    ['user', { UserName: 'bob' }, 'bob'], ['group', { GroupName: 'team' }, 'team'], ['role', { RoleName: 'deploy' }, 'deploy'],
  ] as const
  for (const [kind, named, name] of holders) {
    const stored = async () => {
      const entity = await on.store.identities.get(accountId, kind, name)
      return { attached: entity?.attachedPolicies, inline: entity?.inlinePolicies }
    }

    it(`are attached to a ${kind} and detached, in the order in which they came`, async () => {
      for (const arn of [policyArn('use'), keyUser, policyArn('use')]) await call(on.services, attachPolicy, { ...named, PolicyArn: arn })
      expect((await stored()).attached).to.deep.equal([policyArn('use'), keyUser])
      for (let time = 0; time < 2; time++) await attempt(on.services, detachPolicy, { ...named, PolicyArn: policyArn('use') }, 'try')
      expect((await stored()).attached).to.deep.equal([keyUser])
      await refused(call(on.services, detachPolicy, { ...named, PolicyArn: policyArn('use') }), 'NoSuchEntityException')
    })

    it(`are put into a ${kind}, replaced and deleted`, async () => {
      for (const text of [keyUse, otherUse]) {
        await call(on.services, putInlinePolicy, { ...named, PolicyName: 'own', PolicyDocument: text })
        expect((await stored()).inline).to.deep.equal({ own: text })
      }
      for (let time = 0; time < 2; time++) await attempt(on.services, deleteInlinePolicy, { ...named, PolicyName: 'own' }, 'try')
      expect((await stored()).inline).to.deep.equal({})
      const { message } = await refused(call(on.services, deleteInlinePolicy, { ...named, PolicyName: 'own' }), 'NoSuchEntityException')
      expect(message).to.equal(`The ${kind} policy with name own cannot be found.`)
    })

    it(`put into a ${kind} are limited in length, all together`, async () => {
      const max = identityQuotas.inlineCharacters[kind]
      const filler = (length: number) => keyUse.replace('Use', 'U'.repeat(length - keyUse.length + 3))
      await call(on.services, putInlinePolicy, { ...named, PolicyName: 'a', PolicyDocument: filler(max - keyUse.length) })
      await call(on.services, putInlinePolicy, { ...named, PolicyName: 'b', PolicyDocument: keyUse })
      await refused(call(on.services, putInlinePolicy, { ...named, PolicyName: 'c', PolicyDocument: keyUse }), 'LimitExceededException')
      const longer = { ...named, PolicyName: 'b', PolicyDocument: filler(keyUse.length + 1) }
      await refused(call(on.services, putInlinePolicy, longer), 'LimitExceededException')
      await call(on.services, putInlinePolicy, { ...named, PolicyName: 'b', PolicyDocument: otherUse })
    })
  }

  it('are attached twenty at most', async () => {
    for (let number = 1; number <= 20; number++) {
      await call(on.services, createPolicy, { PolicyName: `p${number}`, PolicyDocument: keyUse })
      await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: policyArn(`p${number}`) })
    }
    await refused(call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: keyUser }), 'LimitExceededException')
    await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: policyArn('p20') })
  })

  it('are of the own account or built in, and whether another account has one is not told', async () => {
    await call(on.services, createPolicy, { AccountId: otherAccountId, PolicyName: 'theirs', PolicyDocument: keyUse })
    const messages = new Set<string>()
    for (const name of ['theirs', 'none'] as const) {
      for (const contract of [attachPolicy, putPermissionsBoundary]) {
        const arn = policyArn(name, otherAccountId)
        const { message } = await refused(
          call(on.services, contract, { UserName: 'bob', PolicyArn: arn, PermissionsBoundary: arn }), 'NoSuchEntityException')
        messages.add(message.replace(name, 'x'))
      }
    }
    expect([...messages]).to.deep.equal([`Policy ${policyArn('x', otherAccountId)} does not exist or is not attachable.`])
    await refused(call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: 'bob' }), 'InvalidArnException')
  })

  it('are of exactly one holder, who is there', async () => {
    const twice = { UserName: 'bob', GroupName: 'team' }
    for (const named of [{}, twice]) {
      await refused(call(on.services, attachPolicy, { ...named, PolicyArn: keyUser }), 'ValidationException')
      await refused(call(on.services, detachPolicy, { ...named, PolicyArn: keyUser }), 'ValidationException')
      await refused(call(on.services, putInlinePolicy, { ...named, PolicyName: 'own', PolicyDocument: keyUse }), 'ValidationException')
      await refused(call(on.services, deleteInlinePolicy, { ...named, PolicyName: 'own' }), 'ValidationException')
    }
    const { message } = await refused(call(on.services, attachPolicy, { GroupName: 'bob', PolicyArn: keyUser }), 'NoSuchEntityException')
    expect(message).to.equal('The group with name bob cannot be found.')
  })

  it('that are not good are refused, and the statement is named', async () => {
    const text = keyUse.replace('"Allow"', '"allow"')
    const put = call(on.services, putInlinePolicy, { UserName: 'bob', PolicyName: 'own', PolicyDocument: text })
    expect((await refused(put, 'MalformedPolicyDocumentException')).message).to.equal('In statement 1 (Use): Effect must be Allow or Deny')
  })

  describe('permissions boundaries', () => {
    for (const [kind, named, name] of [holders[0], holders[2]]) {
      it(`limit a ${kind} until they are taken away`, async () => {
        const boundary = async () => {
          const entity = await on.store.identities.get(accountId, kind, name)
          return entity?.boundary
        }
        await call(on.services, putPermissionsBoundary, { ...named, PermissionsBoundary: policyArn('use') })
        expect(await boundary()).to.equal(policyArn('use'))
        await call(on.services, putPermissionsBoundary, { ...named, PermissionsBoundary: keyUser })
        expect(await boundary()).to.equal(keyUser)
        for (let time = 0; time < 2; time++) await attempt(on.services, deletePermissionsBoundary, named, 'try')
        expect(await boundary()).to.equal(undefined)
        await refused(call(on.services, deletePermissionsBoundary, named), 'NoSuchEntityException')
      })
    }

    it('count from the next call on', async () => {
      const caller = () => callerOf(on.services, `arn:aws:iam::${accountId}:user/bob`)
      await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' })
      await call(on.services, createKey, {}, await caller())
      await call(on.services, putPermissionsBoundary, { UserName: 'bob', PermissionsBoundary: policyArn('use') })
      await refused(call(on.services, createKey, {}, await caller()), 'AccessDeniedException')
    })

    it('are of exactly one user or role', async () => {
      const input = { PermissionsBoundary: keyUser }
      for (const named of [{}, { UserName: 'bob', RoleName: 'deploy' }]) {
        await refused(call(on.services, putPermissionsBoundary, { ...named, ...input }), 'ValidationException')
        await refused(call(on.services, deletePermissionsBoundary, named), 'ValidationException')
      }
    })
  })

  describe('tags', () => {
    it('of a user are set, replaced in any case, and taken away', async () => {
      await call(on.services, tagPrincipal, { UserName: 'bob', Tags: [{ Key: 'Team', Value: 'blue' }, { Key: 'x', Value: '' }] })
      await call(on.services, tagPrincipal, { UserName: 'bob', Tags: [{ Key: 'team', Value: 'red' }, { Key: '__proto__', Value: '1' }] })
      const { User } = await call(on.services, getUser, { UserName: 'bob' })
      expect(User?.Tags).to.deep.equal([{ Key: 'x', Value: '' }, { Key: 'team', Value: 'red' }, { Key: '__proto__', Value: '1' }])
      await call(on.services, untagPrincipal, { UserName: 'bob', TagKeys: ['TEAM', 'none', '__proto__'] })
      expect((await bob())?.tags).to.deep.equal([{ key: 'x', value: '' }])
    })

    it('of a role are set', async () => {
      await call(on.services, tagPrincipal, { RoleName: 'deploy', Tags: [{ Key: 'team', Value: 'blue' }] })
      expect((await call(on.services, getRole, { RoleName: 'deploy' })).Role?.Tags).to.deep.equal([{ Key: 'team', Value: 'blue' }])
    })

    it('are fifty at most, and none that nobody can have', async () => {
      const many = (count: number) => Array.from({ length: count }, (_, at) => ({ Key: `k${at}`, Value: 'v' }))
      await call(on.services, tagPrincipal, { UserName: 'bob', Tags: many(50) })
      await refused(call(on.services, tagPrincipal, { UserName: 'bob', Tags: [{ Key: 'more', Value: '' }] }), 'LimitExceededException')
      await call(on.services, tagPrincipal, { UserName: 'bob', Tags: [{ Key: 'K7', Value: 'other' }] })
      await refused(call(on.services, tagPrincipal, { UserName: 'bob', Tags: [{ Key: 'aws:a', Value: '' }] }), 'ValidationException')
      const twice = { UserName: 'bob', Tags: [{ Key: 'a', Value: '' }, { Key: 'A', Value: '' }] }
      await refused(call(on.services, tagPrincipal, twice), 'ValidationException')
      expect((await bob())?.tags).to.have.length(50)
    })

    it('are of exactly one user or role, who is there', async () => {
      for (const named of [{}, { UserName: 'bob', RoleName: 'deploy' }]) {
        await refused(call(on.services, tagPrincipal, { ...named, Tags: [] }), 'ValidationException')
        await refused(call(on.services, untagPrincipal, { ...named, TagKeys: [] }), 'ValidationException')
      }
      await refused(call(on.services, tagPrincipal, { RoleName: 'bob', Tags: [] }), 'NoSuchEntityException')
    })
  })
})
