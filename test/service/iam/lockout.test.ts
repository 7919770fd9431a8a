import { expect } from 'chai'
import { addUserToGroup, createGroup, removeUserFromGroup } from '../../../src/api/iam/groups.js'
import {
  attachPolicy, deleteInlinePolicy, detachPolicy, putInlinePolicy, putPermissionsBoundary,
} from '../../../src/api/iam/policies.js'
import { tagPrincipal, untagPrincipal } from '../../../src/api/iam/tags.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { callerOf } from './support.js'

const everything = 'arn:aws:iam::aws:policy/AdministratorAccess'
const document = (effect: string, condition: object = {}) => JSON.stringify({
  Version: '2012-10-17', Statement: { Effect: effect, Action: 'iam:*', Resource: '*', Condition: condition },
})

describe('an administrator that would disarm itself', () => {
  const on = serviceSuite()
  const itself = (name = 'administrator') => callerOf(on.services, `arn:aws:iam::${accountId}:user/${name}`)
  const UserName = 'administrator'

  it('is refused when it detaches its policy, and may when it has another', async () => {
    const detach = async () => call(on.services, detachPolicy, { UserName, PolicyArn: everything }, await itself())
    const { message } = await refused(detach(), 'ConflictException')
    expect(message).to.equal('The change would take iam:AttachUserPolicy from the user that makes this very call. '
      + 'Let another administrator do it.')
    await call(on.services, putInlinePolicy, { UserName, PolicyName: 'own', PolicyDocument: document('Allow') }, await itself())
    await detach()
    await refused(call(on.services, deleteInlinePolicy, { UserName, PolicyName: 'own' }, await itself()), 'ConflictException')
  })

  it('is refused when it denies itself, limits itself or takes the tag away that its policy asks for', async () => {
    const denying = { UserName, PolicyName: 'own', PolicyDocument: document('Deny') }
    await refused(call(on.services, putInlinePolicy, denying, await itself()), 'ConflictException')
    const limit = { UserName, PermissionsBoundary: 'arn:aws:iam::aws:policy/ClavigerKeyUser' }
    await refused(call(on.services, putPermissionsBoundary, limit, await itself()), 'ConflictException')
    await call(on.services, putPermissionsBoundary, { UserName, PermissionsBoundary: everything }, await itself())
    await call(on.services, tagPrincipal, { UserName, Tags: [{ Key: 'role', Value: 'boss' }] }, await itself())
    const tagged = document('Allow', { StringEquals: { 'aws:PrincipalTag/role': 'boss' } })
    await call(on.services, putInlinePolicy, { UserName, PolicyName: 'own', PolicyDocument: tagged }, await itself())
    await call(on.services, detachPolicy, { UserName, PolicyArn: everything }, await itself())
    await refused(call(on.services, untagPrincipal, { UserName, TagKeys: ['ROLE'] }, await itself()), 'ConflictException')
    await refused(call(on.services, tagPrincipal, { UserName, Tags: [{ Key: 'Role', Value: 'x' }] }, await itself()), 'ConflictException')
  })

  it('is refused when it leaves the group that makes it one', async () => {
    await call(on.services, createGroup, { GroupName: 'bosses' })
    await call(on.services, attachPolicy, { GroupName: 'bosses', PolicyArn: everything })
    await call(on.services, addUserToGroup, { GroupName: 'bosses', UserName: 'bob' })
    const membership = { GroupName: 'bosses', UserName: 'bob' }
    const leave = async (name: string) => call(on.services, removeUserFromGroup, membership, await itself(name))
    await refused(leave('bob'), 'ConflictException')
    await leave('administrator')
  })

  it('is disarmed by another, and who is none may take from itself what it can', async () => {
    await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: everything })
    const detached = { UserName: 'bob', PolicyArn: everything }
    await call(on.services, detachPolicy, detached)
    const own = JSON.stringify({
      Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'iam:DeleteUserPolicy', Resource: '*' },
    })
    await call(on.services, putInlinePolicy, { UserName: 'anne', PolicyName: 'own', PolicyDocument: own })
    await call(on.services, deleteInlinePolicy, { UserName: 'anne', PolicyName: 'own' }, await itself('anne'))
  })
})
