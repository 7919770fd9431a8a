import { expect } from 'chai'
import { administratorAccess } from '../../src/domain/policy/managed-policies.js'
import { allowing } from '../support/callers.js'
import { newRole, trusting, trustPolicy } from '../support/roles.js'
import { newAccount, newAdministrator, newTenant, type Tenant } from '../support/tenants.js'
import { ask, attempted, codesOf, refusedAt, type Answer } from './attacks-suite.js'
import type { RawRequest } from './raw-request.js'
import { elementIn } from './raw-sts.js'
import { missingKeyId, suite } from './suite.js'

const accountId = '111122223333'
const otherAccountId = '444455556666'
const arn = (name: string, account = accountId) => `arn:aws:iam::${account}:${name}`
const approverPolicy = { attachedPolicies: ['arn:aws:iam::aws:policy/ClavigerApprover'] }
const admin = { attachedPolicies: [administratorAccess.arn] }
const denied = 'AccessDeniedException'
const ownRequest = /because nobody decides about a request of their own$/

const approvers = [
  ...['user/anne', 'user/bob', 'user/requester', 'user/ghost', 'role/security', 'role/audit', 'role/to-come'].map(name => arn(name)),
  arn('user/administrator', '777788889999'),
]
const settings = {
  accountId,
  dualControl: {
    deletion: { operations: ['ScheduleKeyDeletion'], approvals: 2, approvers },
    grants: { operations: ['CreateGrant', 'CreateUser'], approvals: 2, approvers, accounts: [accountId] },
    roles: {
      operations: ['UpdateRole'], approvals: 1, approvers: [arn('user/anne'), arn('role/elsewhere', otherAccountId)],
      accounts: [otherAccountId],
    },
  },
}

describe('an attack on dual control', function suiteOfApprovals() {
  this.timeout(30_000)
  const on = suite({ settings })
  let people: Readonly<Record<'anne' | 'bob' | 'requester' | 'foreigner', Tenant>>
  let keyId: string

  before(async () => {
    await newAccount(on.server, otherAccountId)
    people = {
      anne: await newTenant(on.server, 'anne', admin), bob: await newTenant(on.server, 'bob', approverPolicy),
      requester: await newTenant(on.server, 'requester', admin),
      foreigner: await newAdministrator(on.server, 'foreigner', otherAccountId),
    }
    const trusts = trustPolicy(trusting({ AWS: accountId }))
    for (const name of ['security', 'audit', 'operations']) {
      await newRole(on.server.services, name, { accountId, ...admin, trustPolicy: trusts })
    }
  })
  beforeEach(async () => { keyId = (await on.newKey()).id })

  interface Acting { readonly by: Tenant, readonly request: RawRequest }
  const inOwnName = (by: Tenant): Acting => ({ by, request: {} })

  async function become(role: string, { by, request }: Acting, members: object = {}): Promise<Acting> {
    const answer = await ask(by, 'sts', 'AssumeRole', { RoleArn: arn(`role/${role}`), RoleSessionName: 'me', ...members }, request)
    expect(answer, answer.body).to.include({ status: 200 })
    return { by, request: credentialsIn(answer) }
  }
  const credentialsIn = ({ body }: Answer): RawRequest => ({
    accessKeyId: elementIn(body, 'AccessKeyId'), secretAccessKey: elementIn(body, 'SecretAccessKey'),
    headers: { 'x-amz-security-token': elementIn(body, 'SessionToken') },
  })

  const asking = ({ by, request }: Acting, operation = 'ScheduleKeyDeletion', input: object = {}) =>
    ask(by, 'kms', operation, { KeyId: keyId, ...input }, request)
  async function held(acting: Acting): Promise<string> {
    const answer = await asking(acting)
    expect(answer.code, answer.body).to.equal('ApprovalRequiredException')
    return idIn(answer)
  }
  const idIn = ({ message }: Answer) => /Approval request ([0-9a-f-]{36}) /.exec(message)?.[1] ?? ''
  const deciding = ({ by, request }: Acting, id: string, operation = 'ApproveRequest') =>
    ask(by, 'iam', operation, { ApprovalRequestId: id }, request)
  const given = ({ body }: Answer) =>
    (JSON.parse(body) as { ApprovalRequest?: { ApprovalsGiven: number, Status: string } }).ApprovalRequest
  const stateNow = async () => (await on.kms.describeKey({ KeyId: keyId })).KeyMetadata?.KeyState

  async function isRefused(attack: () => Promise<Answer>, because: RegExp): Promise<void> {
    const { answer, records } = await attempted(on, attack)
    expect(answer, answer.body).to.include(refusedAt('iam', denied))
    expect(answer.message).to.match(because)
    expect(codesOf(records)).to.deep.equal([denied])
    expect(await stateNow()).to.equal('Enabled')
  }

  const disguises: readonly (readonly [what: string, as: (requester: Tenant) => Promise<Acting>])[] = [
    ['in its own name', async requester => inOwnName(requester)],
    ['in a session of its own', async requester =>
      ({ by: requester, request: credentialsIn(await ask(requester, 'sts', 'GetSessionToken')) })],
    ['as a role that is an approver', requester => become('security', inOwnName(requester))],
    ['as that role, in a session called after an approver', requester =>
      become('security', inOwnName(requester), { RoleSessionName: 'anne', SourceIdentity: 'anne' })],
    ['as that role through another', async requester => become('security', await become('operations', inOwnName(requester)))],
    ['as that role through a session of its own', async requester =>
      become('security', { by: requester, request: credentialsIn(await ask(requester, 'sts', 'GetSessionToken')) })],
  ]
  for (const [what, as] of disguises) {
    it(`by who has asked for a call, and would approve or reject it ${what}, is refused`, async () => {
      const id = await held(inOwnName(people.requester))
      const acting = await as(people.requester)
      for (const operation of ['ApproveRequest', 'RejectRequest']) await isRefused(() => deciding(acting, id, operation), ownRequest)
      expect(given(await deciding(inOwnName(people.anne), id))).to.include({ Status: 'PENDING', ApprovalsGiven: 1 })
    })

    it(`by who has asked for a call ${what}, and would approve it in its own name, is refused`, async () => {
      const id = await held(await as(people.requester))
      await isRefused(() => deciding(inOwnName(people.requester), id), ownRequest)
    })
  }

  it('by one who approves as several is none: one person is one', async () => {
    const id = await held(inOwnName(people.requester))
    const anne = inOwnName(people.anne)
    const security = await become('security', anne)
    for (const acting of [anne, security, await become('audit', anne), await become('audit', security)]) {
      expect(given(await deciding(acting, id))).to.include({ Status: 'PENDING', ApprovalsGiven: 1 })
    }
    expect(await stateNow()).to.equal('Enabled')
    // Somebody else is, also as a role.
    const other = await become('security', inOwnName(await newTenant(on.server, 'carol', admin)))
    expect(given(await deciding(other, id))).to.include({ Status: 'DONE', ApprovalsGiven: 2 })
    expect(await stateNow()).to.equal('PendingDeletion')
  })

  describe('by an access key of an approver', () => {
    const because = /iam:CreateAccessKey on resource: \S+ because this is an approver, who makes its access keys itself$/
    const create = (by: Tenant, input: object) => ask(by, 'iam', 'CreateAccessKey', input)

    it('that somebody else would make is refused', async () => {
      await isRefused(() => create(people.requester, { UserName: 'anne' }), because)
      await isRefused(() => create(people.requester, { UserName: 'bob', AccountId: accountId }), because)
      expect((await ask(people.requester, 'iam', 'ListAccessKeys', { UserName: 'bob' })).body.match(/"AccessKeyId"/g)).to.have.length(1)
      const own = await create(people.anne, {})
      expect(own).to.include({ status: 200 })
      expect(own.body).to.contain('"SecretAccessKey"')
    })

    it('that is made for the approver who is not there yet is refused: also for the first of an account', async () => {
      await newTenant(on.server, 'ghost').then(({ admin: { accessKeyId } }) => on.server.services.store.credentials.remove(accessKeyId))
      await isRefused(() => create(people.requester, { UserName: 'ghost' }), because)
      await isRefused(() => ask(people.requester, 'iam', 'CreateAccount', { AccountId: '777788889999', AccountName: 'x' }), because)
      expect(await on.server.services.store.identities.account('777788889999')).to.equal(undefined)
    })
  })

  describe('by a role that is an approver', () => {
    const AssumeRolePolicyDocument = trustPolicy(trusting({ AWS: accountId }))
    const because = (operation: string) => new RegExp(`is an approver, and no rule of dualControl covers ${operation}$`)

    it('whom somebody would let become it is refused', async () => {
      const { requester } = people
      await isRefused(() => ask(requester, 'iam', 'UpdateRole', { RoleName: 'security', AssumeRolePolicyDocument }), because('UpdateRole'))
      await isRefused(() => ask(requester, 'iam', 'CreateRole', { RoleName: 'to-come', AssumeRolePolicyDocument }), because('CreateRole'))
      expect((await ask(requester, 'iam', 'GetRole', { RoleName: 'to-come' })).code).to.equal('NoSuchEntityException')
      expect(await ask(requester, 'iam', 'UpdateRole', { RoleName: 'security', Description: 'x' })).to.include({ status: 200 })
    })

    it('waits where a rule covers that, too', async () => {
      await newRole(on.server.services, 'elsewhere', { accountId: otherAccountId, id: 'AROAELSEWHERE' })
      const waiting = await ask(people.foreigner, 'iam', 'UpdateRole', { RoleName: 'elsewhere', AssumeRolePolicyDocument })
      expect(waiting.code).to.equal('ApprovalRequiredException')
      expect(given(await deciding(inOwnName(people.anne), idIn(waiting)))).to.include({ Status: 'DONE' })
    })
  })

  it('from another account, on a key that a rule covers, waits as any other call does', async () => {
    const { arn: keyArn, id } = await on.newKey()
    await on.kms.putKeyPolicy({ KeyId: id, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [
      { Effect: 'Allow', Principal: { AWS: [accountId, otherAccountId] }, Action: 'kms:*', Resource: '*' },
    ] }) })
    const input = { KeyId: keyArn, GranteePrincipal: people.foreigner.arn, Operations: ['Decrypt'] }
    const { answer, records } = await attempted(on, () => ask(people.foreigner, 'kms', 'CreateGrant', input))
    expect(answer.code).to.equal('ApprovalRequiredException')
    expect(codesOf(records)).to.deep.equal(['ApprovalRequiredException'])
    expect((await on.kms.listGrants({ KeyId: id })).Grants).to.deep.equal([])
    for (const by of [people.anne, people.bob]) await deciding(inOwnName(by), idIn(answer))
    expect((await on.kms.listGrants({ KeyId: id })).Grants).to.have.length(1)
    // On a key of its own no rule covers it.
    const own = /"KeyId":"([^"]+)"/.exec((await ask(people.foreigner, 'kms', 'CreateKey')).body)?.[1]
    expect(await ask(people.foreigner, 'kms', 'CreateGrant', { ...input, KeyId: own })).to.include({ status: 200 })
  })

  it('on the identities of an account that a rule covers waits, and on those of another does not', async () => {
    const make = (AccountId: string) => ask(people.requester, 'iam', 'CreateUser', { UserName: 'made', AccountId })
    expect(await make(accountId)).to.include({ code: 'ApprovalRequiredException' })
    expect((await ask(people.requester, 'iam', 'GetUser', { UserName: 'made' })).code).to.equal('NoSuchEntityException')
    // The caller is of the account that the rule is for.
    expect(await make(otherAccountId)).to.include({ code: 'ApprovalRequiredException' })
    expect((await ask(people.foreigner, 'iam', 'CreateUser', { UserName: 'made' })).status).to.equal(200)
  })

  it('by a call that only looks like another is a request of its own, and takes no approval along', async () => {
    const requester = inOwnName(people.requester)
    const id = await held(requester)
    await deciding(inOwnName(people.anne), id)
    for (const input of [{ PendingWindowInDays: 7 }, { PendingWindowInDays: 8 }]) {
      const other = await asking(requester, 'ScheduleKeyDeletion', input)
      expect(other.code).to.equal('ApprovalRequiredException')
      expect(idIn(other)).to.not.equal(id)
    }
    expect(await stateNow()).to.equal('Enabled')
  })

  it('by an approver behind a policy of its session is refused', async () => {
    const id = await held(inOwnName(people.requester))
    const acting = await become('security', inOwnName(people.anne), { Policy: JSON.stringify(allowing('kms:*', 'iam:*')) })
    await isRefused(() => deciding(acting, id), /because no session policy allows the claviger:ApproveRequest action$/)
  })

  it('by a session that has ended is refused, and its approval does not come back with a new one', async () => {
    const id = await held(inOwnName(people.requester))
    const acting = await become('audit', inOwnName(people.anne))
    expect(await ask(on.server, 'iam', 'RevokeSessions', { RoleName: 'audit' })).to.include({ status: 200 })
    const { answer } = await attempted(on, () => deciding(acting, id))
    expect(answer).to.include(refusedAt('iam', 'ExpiredTokenException'))
    expect(await stateNow()).to.equal('Enabled')
  })

  it('by guessing is refused as if there were no such request', async () => {
    const id = await held(inOwnName(people.requester))
    for (const guess of [id, missingKeyId]) {
      const { answer } = await attempted(on, () => deciding(inOwnName(people.foreigner), guess))
      expect(answer).to.include({ code: 'NotFoundException', message: `Approval request ${guess} is not found.` })
    }
  })
})
