import { expect } from 'chai'
import { createAccessKey, deleteAccessKey, listAccessKeys, updateAccessKey } from '../../../src/api/iam/access-keys.js'
import { getAccountAuthorizationDetails } from '../../../src/api/iam/accounts.js'
import { createGroup } from '../../../src/api/iam/groups.js'
import { iamContracts } from '../../../src/api/iam/operations.js'
import {
  attachPolicy, createPolicy, deletePermissionsBoundary, deletePolicy, detachPolicy, getPolicy, putInlinePolicy, putPermissionsBoundary,
} from '../../../src/api/iam/policies.js'
import { createRole } from '../../../src/api/iam/roles.js'
import { tagPrincipal } from '../../../src/api/iam/tags.js'
import { createUser, deleteUser, getUser, listUsers } from '../../../src/api/iam/users.js'
import type { Caller } from '../../../src/domain/caller.js'
import { identityPolicy, otherAccountId, userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call, operationOf } from '../../support/services.js'
import { callerOf, foreignAdministrator, keyUse, policyArn, trusting } from './support.js'

const keyUser = 'arn:aws:iam::aws:policy/ClavigerKeyUser'

function statement(action: string | readonly string[], resource: string | readonly string[], more: object = {}): object {
  return { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: action, Resource: resource, ...more } }
}

/** A user with this one policy. */
function caller(name: string, policy: object, of: Partial<Caller> = {}): Caller {
  return userCaller(name, [identityPolicy(policy)], of)
}

describe('who may administer identities', () => {
  const on = serviceSuite()

  it('everybody whom a policy lets, on the ARN with its path', async () => {
    await call(on.services, createUser, { UserName: 'carol', Path: '/dev/' })
    const lead = caller('lead', statement(['iam:GetUser', 'iam:CreateUser'], `arn:aws:iam::${accountId}:user/dev/*`))
    await call(on.services, getUser, { UserName: 'carol' }, lead)
    await call(on.services, createUser, { UserName: 'dave', Path: '/dev/blue/' }, lead)
    for (const name of ['bob', 'none']) await refused(call(on.services, getUser, { UserName: name }, lead), 'AccessDeniedException')
    for (const Path of ['/', '/ops/', '/devel/', '/Dev/']) {
      await refused(call(on.services, createUser, { UserName: 'eve', Path }, lead), 'AccessDeniedException')
    }
  })

  it('is told to who may not without the path, and alike of who is there and who is not', async () => {
    await call(on.services, createUser, { UserName: 'carol', Path: '/secret/' })
    const nobody = await callerOf(on.services, `arn:aws:iam::${accountId}:user/nobody`)
    const messages = new Set<string>()
    for (const name of ['carol', 'bob', 'none']) {
      const { message } = await refused(call(on.services, getUser, { UserName: name }, nobody), 'AccessDeniedException')
      messages.add(message.replace(name, 'x'))
    }
    expect([...messages]).to.deep.equal([`User: ${nobody.arn} is not authorized to perform: iam:GetUser on resource: user x because no `
      + 'identity-based policy allows the iam:GetUser action'])
  })

  it('users themselves, with one policy for all of them', async () => {
    const own = statement(['iam:*AccessKey*', 'iam:GetUser'], `arn:aws:iam::${accountId}:user/\${aws:username}`)
    const [anne, bob] = [caller('anne', own), caller('bob', own)]
    const { AccessKey } = await call(on.services, createAccessKey, {}, anne)
    const { AccessKeyId = '' } = AccessKey ?? {}
    await call(on.services, getUser, { UserName: 'anne' }, anne)
    for (const user of ['anne', 'ANNE', 'an?e', '*', 'bob/../anne']) {
      const act = call(on.services, updateAccessKey, { UserName: user, AccessKeyId, Status: 'Inactive' }, bob)
      await refused(act, 'AccessDeniedException')
    }
    await refused(call(on.services, deleteAccessKey, { AccessKeyId }, bob), 'NoSuchEntityException')
    await call(on.services, updateAccessKey, { AccessKeyId, Status: 'Inactive' }, anne)
    await call(on.services, deleteAccessKey, { AccessKeyId }, anne)
    expect((await call(on.services, listAccessKeys, {}, anne)).AccessKeyMetadata).to.deep.equal([])
  })

  it('a session, as far as its policy goes', async () => {
    const session: Caller = {
      ...caller('anne', statement('iam:*', '*')), type: 'AssumedRole',
      session: { name: 'me', issuedAt: 1, expiresAt: 2, policies: [identityPolicy(statement('iam:ListUsers', '*'))] },
    }
    await call(on.services, listUsers, {}, session)
    await refused(call(on.services, getUser, { UserName: 'bob' }, session), 'AccessDeniedException')
  })

  it('no user with credentials of GetSessionToken, which nothing but its secret has vouched for', async () => {
    const session: Caller = { ...caller('anne', statement('*', '*')), session: { issuedAt: 1, expiresAt: 2 } }
    for (const refusing of [
      call(on.services, listUsers, {}, session), call(on.services, createAccessKey, {}, session),
      call(on.services, getUser, { UserName: 'there-is-none' }, session),
    ]) {
      const { message } = await refused(refusing, 'AccessDeniedException')
      expect(message).to.match(/^User: .*:user\/anne is not authorized to perform: iam:\w+ with credentials of GetSessionToken$/)
    }
  })

  it('only who may attach that very policy', async () => {
    const lead = caller('lead', statement(['iam:AttachUserPolicy', 'iam:DetachUserPolicy'], '*', {
      Condition: { ArnEquals: { 'iam:PolicyARN': keyUser } },
    }))
    await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: keyUser }, lead)
    await call(on.services, detachPolicy, { UserName: 'bob', PolicyArn: keyUser }, lead)
    const administrator = 'arn:aws:iam::aws:policy/AdministratorAccess'
    await refused(call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: administrator }, lead), 'AccessDeniedException')
    await refused(call(on.services, attachPolicy, { GroupName: 'bob', PolicyArn: keyUser }, lead), 'AccessDeniedException')
  })

  it('a delegate, of whoever has the boundary that the delegate must give (IAM User Guide, Permissions boundaries)', async () => {
    await call(on.services, createPolicy, { PolicyName: 'limit', PolicyDocument: keyUse })
    await call(on.services, createPolicy, { PolicyName: 'wide', PolicyDocument: JSON.stringify(statement('*', '*')) })
    const delegate = caller('lead', {
      Version: '2012-10-17',
      Statement: [{
        Effect: 'Allow', Action: ['iam:CreateUser', 'iam:Attach*', 'iam:PutUser*', 'iam:TagUser', 'iam:DeleteUserPermissionsBoundary'],
        Resource: '*', Condition: { StringEquals: { 'iam:PermissionsBoundary': policyArn('limit') } },
      }, { Effect: 'Deny', Action: 'iam:DeleteUserPermissionsBoundary', Resource: '*' }],
    })
    const as = <C extends Parameters<typeof call>[1]>(contract: C, input: Parameters<typeof call<C>>[2]) =>
      call(on.services, contract, input, delegate)
    await refused(as(createUser, { UserName: 'carol' }), 'AccessDeniedException')
    await refused(as(createUser, { UserName: 'carol', PermissionsBoundary: policyArn('wide') }), 'AccessDeniedException')
    await as(createUser, { UserName: 'carol', PermissionsBoundary: policyArn('limit') })
    await as(attachPolicy, { UserName: 'carol', PolicyArn: keyUser })
    await as(putInlinePolicy, { UserName: 'carol', PolicyName: 'own', PolicyDocument: keyUse })
    await as(tagPrincipal, { UserName: 'carol', Tags: [] })
    await refused(as(attachPolicy, { UserName: 'bob', PolicyArn: keyUser }), 'AccessDeniedException')
    await refused(as(putPermissionsBoundary, { UserName: 'carol', PermissionsBoundary: policyArn('wide') }), 'AccessDeniedException')
    await refused(as(deletePermissionsBoundary, { UserName: 'carol' }), 'AccessDeniedException')
    // One who has none is given the one that it must be.
    await as(putPermissionsBoundary, { UserName: 'bob', PermissionsBoundary: policyArn('limit') })
    await as(attachPolicy, { UserName: 'bob', PolicyArn: keyUser })
  })

  it('by the tags of whom it is about, and by those that are asked for', async () => {
    const blue = caller('lead', {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'iam:DeleteUser', Resource: '*', Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue' } } },
        { Effect: 'Allow', Action: 'iam:GetUser', Resource: '*', Condition: { StringEquals: { 'iam:ResourceTag/Team': 'blue' } } },
        {
          Effect: 'Allow', Action: ['iam:CreateUser', 'iam:TagUser'], Resource: '*',
          Condition: { StringEquals: { 'aws:RequestTag/team': 'blue' }, 'ForAllValues:StringEquals': { 'aws:TagKeys': ['Team'] } },
        },
      ],
    })
    const make = (...Tags: readonly { Key: string, Value: string }[]) => call(on.services, createUser, { UserName: 'carol', Tags }, blue)
    await refused(make(), 'AccessDeniedException')
    await refused(make({ Key: 'Team', Value: 'red' }), 'AccessDeniedException')
    await refused(make({ Key: 'Team', Value: 'blue' }, { Key: 'more', Value: '' }), 'AccessDeniedException')
    await make({ Key: 'Team', Value: 'blue' })
    await call(on.services, getUser, { UserName: 'carol' }, blue)
    for (const contract of [getUser, deleteUser]) {
      await refused(call(on.services, contract, { UserName: 'bob' }, blue), 'AccessDeniedException')
    }
    await call(on.services, deleteUser, { UserName: 'carol' }, blue)
  })

  it('tagging takes a permission of its own when users and roles are made', async () => {
    const maker = caller('lead', statement(['iam:CreateUser', 'iam:CreateRole'], '*'))
    const Tags = [{ Key: 'a', Value: 'b' }]
    const trust = { AssumeRolePolicyDocument: trusting(accountId) }
    await refused(call(on.services, createUser, { UserName: 'carol', Tags }, maker), 'AccessDeniedException')
    await refused(call(on.services, createRole, { RoleName: 'deploy', Tags, ...trust }, maker), 'AccessDeniedException')
    await call(on.services, createUser, { UserName: 'carol' }, maker)
    await call(on.services, createRole, { RoleName: 'deploy', ...trust }, maker)
  })

  it('each operation asks for actions by the names that IAM has', async () => {
    const asked = new Map<string, readonly string[]>()
    const names = { UserName: 'bob', GroupName: 'team', RoleName: 'deploy' }
    await call(on.services, createGroup, { GroupName: 'team' })
    for (const [name, contract] of iamContracts) {
      const operation = operationOf(contract)
      const oneOf = ['UserName', 'GroupName', 'RoleName'].filter(member => member in contract.input && !contract.input[member]?.required)
      const required = Object.entries(contract.input).filter(([, { required: is }]) => is).map(([member]) => member)
      for (const one of oneOf.length > 0 ? oneOf : ['']) {
        const given = [...required, one].filter(member => member in names)
        const input = {
          PolicyArn: policyArn('use'), PolicyName: 'use', PrincipalArn: `arn:aws:iam::${accountId}:user/bob`,
          ...Object.fromEntries(given.map(member => [member, names[member as 'UserName']])),
        }
        const asking = { caller: userCaller('lead'), services: on.services }
        const permissions = await operation.permissions(input, { region: '', accountId }, asking)
        asked.set(`${name}${oneOf.length > 1 ? ` ${one}` : ''}`, permissions.map(({ action }) => action))
      }
    }
    expect(Object.fromEntries(asked)).to.deep.equal({
      ...Object.fromEntries(['ListApprovalRequests', 'GetApprovalRequest', 'ApproveRequest', 'RejectRequest'].map(name =>
        [name, [`claviger:${name}`]])),
      'LookupEvents': ['cloudtrail:LookupEvents'],
      'CreateAccount': ['organizations:CreateAccount'], 'ListAccounts': ['organizations:ListAccounts'],
      'GetAccountAuthorizationDetails': ['iam:GetAccountAuthorizationDetails'],
      'CreateUser': ['iam:CreateUser'], 'GetUser': ['iam:GetUser'], 'ListUsers': ['iam:ListUsers'], 'DeleteUser': ['iam:DeleteUser'],
      'CreateGroup': ['iam:CreateGroup'], 'ListGroups': ['iam:ListGroups'], 'DeleteGroup': ['iam:DeleteGroup'],
      'AddUserToGroup': ['iam:AddUserToGroup'], 'RemoveUserFromGroup': ['iam:RemoveUserFromGroup'],
      'CreateRole': ['iam:CreateRole'], 'GetRole': ['iam:GetRole'], 'ListRoles': ['iam:ListRoles'], 'UpdateRole': ['iam:UpdateRole'],
      'DeleteRole': ['iam:DeleteRole'],
      'RevokeSessions UserName': ['iam:RevokeUserSessions'], 'RevokeSessions RoleName': ['iam:RevokeRoleSessions'],
      'CreatePolicy': ['iam:CreatePolicy'], 'GetPolicy': ['iam:GetPolicy'], 'ListPolicies': ['iam:ListPolicies'],
      'UpdatePolicy': ['iam:CreatePolicyVersion'], 'DeletePolicy': ['iam:DeletePolicy'],
      ...Object.fromEntries(['User', 'Group', 'Role'].flatMap(kind => [
        [`AttachPolicy ${kind}Name`, [`iam:Attach${kind}Policy`]], [`DetachPolicy ${kind}Name`, [`iam:Detach${kind}Policy`]],
        [`PutInlinePolicy ${kind}Name`, [`iam:Put${kind}Policy`]],
        [`DeleteInlinePolicy ${kind}Name`, [`iam:Delete${kind}Policy`]],
      ])),
      ...Object.fromEntries(['User', 'Role'].flatMap(kind => [
        [`PutPermissionsBoundary ${kind}Name`, [`iam:Put${kind}PermissionsBoundary`]],
        [`DeletePermissionsBoundary ${kind}Name`, [`iam:Delete${kind}PermissionsBoundary`]],
        [`TagPrincipal ${kind}Name`, [`iam:Tag${kind}`]], [`UntagPrincipal ${kind}Name`, [`iam:Untag${kind}`]],
      ])),
      'CreateAccessKey': ['iam:CreateAccessKey'], 'ListAccessKeys': ['iam:ListAccessKeys'],
      'UpdateAccessKey': ['iam:UpdateAccessKey'], 'DeleteAccessKey': ['iam:DeleteAccessKey'],
      'ExplainDecision': ['iam:SimulatePrincipalPolicy'],
    })
  })
})

describe('identities of another account', () => {
  const on = serviceSuite()
  const theirs = { AccountId: otherAccountId }

  it('are administered by callers of the installation\'s account, as far as their policies go', async () => {
    await call(on.services, createUser, { ...theirs, UserName: 'carol' })
    expect((await call(on.services, getUser, { ...theirs, UserName: 'carol' })).User?.Arn)
      .to.equal(`arn:aws:iam::${otherAccountId}:user/carol`)
    const narrow = caller('lead', statement('iam:*', `arn:aws:iam::${accountId}:*`))
    await refused(call(on.services, getUser, { ...theirs, UserName: 'carol' }, narrow), 'AccessDeniedException')
    const own = statement('iam:*', '*', { Condition: { StringEquals: { 'aws:ResourceAccount': '${aws:PrincipalAccount}' } } })
    await call(on.services, listUsers, {}, caller('lead', own))
    await refused(call(on.services, listUsers, theirs, caller('lead', own)), 'AccessDeniedException')
  })

  it('are nobody else\'s business, and the answer does not depend on what there is', async () => {
    await call(on.services, createPolicy, { PolicyName: 'use', PolicyDocument: keyUse })
    const messages = new Map<string, Set<string>>()
    for (const AccountId of [accountId, '999999999999']) {
      const acts = {
        getUser: call(on.services, getUser, { AccountId, UserName: 'bob' }, foreignAdministrator),
        noUser: call(on.services, getUser, { AccountId, UserName: 'none' }, foreignAdministrator),
        listUsers: call(on.services, listUsers, { AccountId }, foreignAdministrator),
        createUser: call(on.services, createUser, { AccountId, UserName: 'bob' }, foreignAdministrator),
        createAccessKey: call(on.services, createAccessKey, { AccountId, UserName: 'administrator' }, foreignAdministrator),
        details: call(on.services, getAccountAuthorizationDetails, { AccountId }, foreignAdministrator),
        getPolicy: call(on.services, getPolicy, { PolicyArn: policyArn('use', AccountId) }, foreignAdministrator),
        deletePolicy: call(on.services, deletePolicy, { AccountId, PolicyArn: policyArn('use', AccountId) }, foreignAdministrator),
      }
      for (const [name, act] of Object.entries(acts)) {
        const { message } = await refused(act, 'AccessDeniedException')
        messages.set(name, (messages.get(name) ?? new Set()).add(message))
      }
    }
    for (const [name, told] of messages) expect([...told], name).to.have.length(1)
    expect([...messages.get('getUser') ?? []]).to.deep.equal([...messages.get('noUser') ?? []])
  })

  it('are not there where there is no such account', async () => {
    const none = { AccountId: '999999999999' }
    const acts = [
      call(on.services, getUser, { ...none, UserName: 'bob' }), call(on.services, listUsers, none),
      call(on.services, createUser, { ...none, UserName: 'bob' }), call(on.services, getAccountAuthorizationDetails, none),
      call(on.services, createPolicy, { ...none, PolicyName: 'use', PolicyDocument: keyUse }),
    ]
    for (const act of acts) expect((await refused(act, 'NoSuchEntityException')).message).to.equal('There is no account 999999999999.')
    expect(await on.store.identities.count('999999999999', 'user')).to.equal(0)
  })

  it('of the same name are others', async () => {
    await call(on.services, attachPolicy, { ...theirs, UserName: 'bob', PolicyArn: keyUser })
    expect((await on.store.identities.get(accountId, 'user', 'bob'))?.attachedPolicies).to.deep.equal([])
    expect((await on.store.identities.get(otherAccountId, 'user', 'bob'))?.attachedPolicies).to.deep.equal([keyUser])
  })

  it('are in the audit log with who asked and why it was allowed or refused', async () => {
    await call(on.services, getUser, { ...theirs, UserName: 'bob' })
    expect(on.audit.events.at(-1)).to.deep.include({ eventSource: 'iam.amazonaws.com', eventName: 'GetUser', readOnly: true })
    expect(on.audit.events.at(-1)?.additionalEventData).to.deep.equal({ authorization: [{
      action: 'iam:GetUser', resource: `arn:aws:iam::${otherAccountId}:user/bob`, verdict: 'allow', by: 'identity policy',
      policy: 'arn:aws:iam::aws:policy/AdministratorAccess', statement: 'statement 1',
    }] })
    await refused(call(on.services, listUsers, { AccountId: accountId }, foreignAdministrator), 'AccessDeniedException')
    expect(on.audit.events.at(-1)).to.deep.include({ errorCode: 'AccessDeniedException' })
    expect(on.audit.events.at(-1)?.additionalEventData)
      .to.deep.equal({ authorization: [{ action: 'iam:ListUsers', verdict: 'not allowed', by: 'service' }] })
  })
})
