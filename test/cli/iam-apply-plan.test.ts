import { expect } from 'chai'
import { readIdentities } from '../../src/cli/iam/apply/file.js'
import { plan, prunedUsers, type PlanInput } from '../../src/cli/iam/apply/plan.js'
import { isSameDocument, type AccountState, type GroupState, type RoleState, type UserState } from '../../src/cli/iam/apply/state.js'
import { accountId, otherAccountId } from '../support/callers.js'

const allow = (action = 'kms:*') => JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: action, Resource: '*' } })
const trusting = (...principals: readonly string[]) =>
  JSON.stringify({ Statement: { Effect: 'Allow', Principal: { AWS: principals }, Action: 'sts:AssumeRole' } })
const arn = (kind: string, name: string, account = accountId) => `arn:aws:iam::${account}:${kind}/${name}`
const keyUser = 'arn:aws:iam::aws:policy/ClavigerKeyUser'
const administrator = arn('user', 'administrator')

const group = (of: Partial<GroupState> = {}): GroupState => ({ path: '/', policies: [], inline: new Map(), ...of })
const user = (of: Partial<UserState> = {}): UserState => ({ ...group(), boundary: undefined, tags: new Map(), groups: [], ...of })
const role = (of: Partial<RoleState> = {}): RoleState => ({
  ...group(), boundary: undefined, tags: new Map(), trust: trusting(accountId), description: '', maxSessionDuration: 3600, ...of,
})

type Sections = { readonly [K in keyof AccountState]?: Readonly<Record<string, unknown>> }

function stateOf({ policies = {}, groups = {}, users = {}, roles = {} }: Sections): AccountState {
  return {
    policies: new Map(Object.entries(policies)), groups: new Map(Object.entries(groups)), users: new Map(Object.entries(users)),
    roles: new Map(Object.entries(roles)),
  } as AccountState
}

function planned(wanted: object, actual: Sections = {}, of: Partial<PlanInput> = {}) {
  return plan({
    wanted: readIdentities(JSON.stringify({ accounts: { [accountId]: wanted } })), actual: new Map([[accountId, stateOf(actual)]]),
    prune: false, caller: administrator, accessKeys: new Map(), ...of,
  })
}

/** Verbs and names, and the calls of each. */
const titles = ({ changes }: ReturnType<typeof plan>) => changes.map(({ verb, kind, name }) => `${verb} ${kind} ${name}`)
const calls = ({ changes }: ReturnType<typeof plan>) => changes.flatMap(change => change.calls.map(({ contract, input }) => {
  const { AccountId: _, ...rest } = input
  return [contract.name, rest]
}))
const details = ({ changes }: ReturnType<typeof plan>) => changes.flatMap(change => change.details)

describe('the plan of an apply', () => {
  it('makes what is not there, policies before groups before users before roles, whatever their order in the file', () => {
    const made = planned({
      roles: { deploy: { trust: trusting(arn('user', 'dev/anne')), policies: ['use'], maxSessionDuration: 7200, description: 'd' } },
      users: { anne: { path: '/dev/', groups: ['team'], policies: ['ClavigerKeyUser'], boundary: 'use', tags: { a: 'b' } } },
      groups: { team: { policies: ['use'], inline: { own: JSON.parse(allow()) as object } } },
      policies: { use: { path: '/app/', document: allow(), description: 'x' } },
    })
    const use = arn('policy', 'app/use')
    expect(made.faults).to.deep.equal([])
    expect(titles(made)).to.deep.equal(['create policy use', 'create group team', 'create user anne', 'create role deploy'])
    expect(calls(made)).to.deep.equal([
      ['CreatePolicy', { Path: '/app/', PolicyName: 'use', PolicyDocument: allow(), Description: 'x' }],
      ['CreateGroup', { Path: '/', GroupName: 'team' }],
      ['PutInlinePolicy', { GroupName: 'team', PolicyName: 'own', PolicyDocument: allow() }],
      ['AttachPolicy', { GroupName: 'team', PolicyArn: use }],
      ['CreateUser', { Path: '/dev/', UserName: 'anne', PermissionsBoundary: use, Tags: [{ Key: 'a', Value: 'b' }] }],
      ['AttachPolicy', { UserName: 'anne', PolicyArn: keyUser }],
      ['AddUserToGroup', { UserName: 'anne', GroupName: 'team' }],
      ['CreateRole', {
        Path: '/', RoleName: 'deploy', AssumeRolePolicyDocument: trusting(arn('user', 'dev/anne')), Description: 'd',
        MaxSessionDuration: 7200,
      }],
      ['AttachPolicy', { RoleName: 'deploy', PolicyArn: use }],
    ])
    expect(details(made)).to.deep.equal([
      'path /app/', '+ inline policy own', `+ policy ${use}`, 'path /dev/', `+ boundary ${use}`, '+ tag a=b', `+ policy ${keyUser}`,
      '+ group team', `+ policy ${use}`,
    ])
    expect(made.changes.every(change => change.calls.every(({ input }) => input.AccountId === accountId))).to.equal(true)
  })

  it('changes nothing that is as it should be, in whatever order and spacing it stands', () => {
    const spaced = JSON.stringify({ Statement: { Resource: '*', Action: 'kms:*', Effect: 'Allow' }, Version: '2012-10-17' }, null, 4)
    expect(isSameDocument(spaced, allow())).to.equal(true)
    const same = planned({
      policies: { use: { document: spaced } }, groups: { team: { policies: ['use', 'ClavigerKeyUser'] } },
      users: { anne: { groups: ['team', 'other'], tags: { a: 'b', c: 'd' }, boundary: keyUser } },
      roles: { deploy: { trust: trusting(accountId) } },
    }, {
      policies: { use: { path: '/', description: '', document: allow() } },
      groups: { team: group({ policies: [keyUser, arn('policy', 'use')] }), other: group() },
      users: { anne: user({ groups: ['other', 'team'], tags: new Map([['c', 'd'], ['a', 'b']]), boundary: keyUser }) },
      roles: { deploy: role() },
    })
    expect(same).to.deep.equal({ changes: [], faults: [], kept: [] })
  })

  it('tells documents apart that are not the same', () => {
    expect(isSameDocument(allow(), allow('kms:Decrypt'))).to.equal(false)
    expect(isSameDocument('{"a":["x","y"]}', '{"a":["y","x"]}')).to.equal(false)
    expect(isSameDocument('{"a":{"b":"c"}}', '{"a":[["b","c"]]}')).to.equal(false)
  })

  it('changes what differs, gives before it takes, and says what', () => {
    const { changes, ...rest } = planned({
      policies: { use: { document: allow('kms:Decrypt') } },
      users: {
        anne: { groups: ['new'], policies: ['use'], inline: { a: allow(), b: allow() }, boundary: 'use', tags: { A: '2', c: '3' } },
      },
      groups: { new: {} },
      roles: { deploy: { trust: trusting(arn('user', 'anne')), description: 'new', maxSessionDuration: 7200 } },
    }, {
      policies: { use: { path: '/', description: '', document: allow() } }, groups: { new: group(), old: group() },
      users: { anne: user({
        groups: ['old'], policies: [keyUser], inline: new Map([['a', allow('kms:Encrypt')], ['z', allow()]]), boundary: keyUser,
        tags: new Map([['a', '1'], ['gone', 'x']]),
      }) },
      roles: { deploy: role({ boundary: keyUser }) },
    })
    expect(rest).to.deep.equal({ faults: [], kept: [] })
    expect(titles({ changes, ...rest })).to.deep.equal(['update policy use', 'update user anne', 'update role deploy'])
    expect(details({ changes, ...rest })).to.deep.equal([
      '~ document',
      `~ boundary ${keyUser} to ${arn('policy', 'use')}`, '- tag gone', '+ tag A=2, + tag c=3',
      '- inline policy z', '~ inline policy a', '+ inline policy b', `+ policy ${arn('policy', 'use')}`, `- policy ${keyUser}`,
      '+ group new', '- group old',
      '~ trust policy', '~ description "" to "new"', '~ longest session 3600 to 7200 seconds', `- boundary ${keyUser}`,
    ])
    const ofRole = calls({ changes, ...rest }).filter(([, input]) => (input as { RoleName?: string }).RoleName)
    expect(ofRole).to.deep.equal([
      ['UpdateRole', {
        RoleName: 'deploy', AssumeRolePolicyDocument: trusting(arn('user', 'anne')), Description: 'new', MaxSessionDuration: 7200,
      }],
      ['DeletePermissionsBoundary', { RoleName: 'deploy' }],
    ])
  })

  it('takes before it gives where there is no room for both', () => {
    const names = (from: number, count: number) => Array.from({ length: count }, (_, at) => `p${from + at}`)
    const policies = Object.fromEntries(names(0, 21).map(name => [name, { path: '/', description: '', document: allow() }]))
    const swapped = planned({ users: { anne: { policies: names(1, 20), groups: [] } } }, {
      policies, users: { anne: user({ policies: names(0, 20).map(name => arn('policy', name)) }) },
    })
    expect(details(swapped)).to.deep.equal([`- policy ${arn('policy', 'p0')}`, `+ policy ${arn('policy', 'p20')}`])
  })

  it('leaves alone what the file does not name, unless it prunes, and then only in the sections that the file has', () => {
    const actual = {
      policies: { use: { path: '/', description: '', document: allow() } }, groups: { team: group() },
      users: {
        anne: user({ path: '/dev/', groups: ['team'], policies: [keyUser], inline: new Map([['own', allow()]]) }), administrator: user(),
      },
      roles: { deploy: role({ policies: [keyUser] }) },
    }
    expect(planned({ users: {}, groups: {} }, actual).changes).to.deep.equal([])
    const accessKeys = new Map([[arn('user', 'dev/anne'), ['CVAK1', 'CVAK2']]])
    const pruned = planned({ users: {}, roles: {} }, actual, { prune: true, accessKeys })
    expect(titles(pruned)).to.deep.equal(['delete role deploy', 'delete user anne'])
    expect(calls(pruned)).to.deep.equal([
      ['DetachPolicy', { RoleName: 'deploy', PolicyArn: keyUser }], ['DeleteRole', { RoleName: 'deploy' }],
      ['DeleteAccessKey', { UserName: 'anne', AccessKeyId: 'CVAK1' }], ['DeleteAccessKey', { UserName: 'anne', AccessKeyId: 'CVAK2' }],
      ['RemoveUserFromGroup', { UserName: 'anne', GroupName: 'team' }],
      ['DeleteInlinePolicy', { UserName: 'anne', PolicyName: 'own' }], ['DetachPolicy', { UserName: 'anne', PolicyArn: keyUser }],
      ['DeleteUser', { UserName: 'anne' }],
    ])
    expect(titles(planned({ policies: {}, groups: {}, users: { administrator: {} } }, actual, { prune: true })))
      .to.deep.equal(['delete user anne', 'delete group team', 'delete policy use'])
  })

  it('never deletes the one who applies', () => {
    const actual = { users: { administrator: user(), anne: user() }, roles: { boss: role({ path: '/x/' }) } }
    const asUser = planned({ users: {}, roles: {} }, actual, { prune: true })
    expect(titles(asUser)).to.deep.equal(['delete role boss', 'delete user anne'])
    expect(asUser.kept).to.deep.equal([`user administrator of account ${accountId}: it makes these very calls`])
    const asRole = planned({ users: {}, roles: {} }, actual, { prune: true, caller: arn('role', 'x/boss') })
    expect(titles(asRole)).to.deep.equal(['delete user administrator', 'delete user anne'])
    expect(prunedUsers({
      wanted: readIdentities(`accounts: {'${accountId}': {users: {}}}`), actual: new Map([[accountId, stateOf(actual)]]),
      caller: administrator,
    })).to.deep.equal([[accountId, 'anne']])
  })

  const faults: readonly (readonly [what: string, wanted: object, actual: Sections, faults: readonly string[], prune?: boolean])[] = [
    ['a policy that there is not', { users: { anne: { policies: ['none'], boundary: 'none' } } }, {}, [
      'users.anne.policies[0] names a policy that there is not: none', 'users.anne.boundary names a policy that there is not: none',
    ]],
    ['a policy of another account', { users: { anne: { policies: [arn('policy', 'x', otherAccountId)] } } }, {}, [
      'users.anne.policies[0] is a policy of another account',
    ]],
    ['a group that there is not', { users: { anne: { groups: ['none', 'old'] } } }, { groups: { old: group() } }, [
      'users.anne.groups[0] names a group that there is not: none',
    ]],
    ['a group that is pruned away', { users: { anne: { groups: ['old'] } }, groups: {} }, { groups: { old: group() } }, [
      'users.anne.groups[0] names a group that there is not: old',
    ], true],
    ['another path', { users: { anne: { path: '/dev/' } }, policies: { use: { document: allow() } } }, {
      users: { anne: user() }, policies: { use: { path: '/app/', description: '', document: allow() } },
    }, ['policies.use.path is /app/ and cannot be changed', 'users.anne.path is / and cannot be changed']],
    ['a name in other letters', { users: { Anne: {} } }, { users: { anne: user() } }, [
      'users.Anne is there as anne: names are not told apart by case',
    ]],
    ['another description of a policy', { policies: { use: { document: allow(), description: 'new' } } }, {
      policies: { use: { path: '/', description: 'old', document: allow() } },
    }, ['policies.use.description is "old" and cannot be changed']],
  ]
  for (const [what, wanted, actual, expected, prune = false] of faults) {
    it(`finds fault with ${what}`, () => {
      expect(planned(wanted, actual, { prune }).faults).to.deep.equal(expected.map(fault => `accounts.${accountId}.${fault}`))
    })
  }

  describe('of roles that trust roles', () => {
    const roles = (of: Readonly<Record<string, readonly string[]>>) => ({
      roles: Object.fromEntries(Object.entries(of).map(([name, trusted]) =>
        [name, { trust: trusting(accountId, ...trusted.map(other => arn('role', other))) }])),
    })

    it('makes each after those that it trusts', () => {
      expect(titles(planned(roles({ a: ['b'], b: ['c'], c: [], d: ['a', 'c'] }))))
        .to.deep.equal(['create role c', 'create role b', 'create role a', 'create role d'])
      const session = `arn:aws:sts::${accountId}:assumed-role/b/x`
      const bySession = { roles: { a: { trust: trusting(session) }, b: { trust: trusting(accountId) } } }
      expect(titles(planned(bySession))).to.deep.equal(['create role b', 'create role a'])
    })

    it('lets one trust nobody at first where they trust each other, or themselves', () => {
      const inCircle = planned(roles({ a: ['b'], b: ['a'], c: ['c'] }))
      expect(titles(inCircle)).to.deep.equal(['create role a', 'create role b', 'create role c', 'update role a', 'update role c'])
      const [first, , , fifth] = calls(inCircle).filter(([name]) => name !== 'AttachPolicy')
      expect((first?.[1] as { AssumeRolePolicyDocument: string }).AssumeRolePolicyDocument).to.include('"Deny"')
      expect(fifth).to.deep.equal(['UpdateRole', { RoleName: 'a', AssumeRolePolicyDocument: trusting(accountId, arn('role', 'b')) }])
    })

    it('does so over accounts', () => {
      const over = plan({
        wanted: readIdentities(JSON.stringify({ accounts: {
          [accountId]: { roles: { a: { trust: trusting(arn('role', 'b', otherAccountId)) } } },
          [otherAccountId]: { roles: { b: { trust: trusting(otherAccountId) } } },
        } })),
        actual: new Map(), prune: false, caller: administrator, accessKeys: new Map(),
      })
      expect(titles(over)).to.deep.equal(['create role b', 'create role a'])
    })
  })
})
