import { expect } from 'chai'
import { attachPolicy, createPolicy } from '../../../src/api/iam/policies.js'
import { createRole, deleteRole, getRole, listRoles, revokeSessions, updateRole } from '../../../src/api/iam/roles.js'
import { createUser, deleteUser } from '../../../src/api/iam/users.js'
import { userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, administrator, call } from '../../support/services.js'
import { attempt, keyUse, policyArn, trusting } from './support.js'

const anne = `arn:aws:iam::${accountId}:user/anne`

describe('roles', () => {
  const on = serviceSuite()
  const create = (input: Partial<Parameters<typeof call<typeof createRole>>[2]> = {}) =>
    call(on.services, createRole, { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(anne), ...input })
  const got = async () => (await call(on.services, getRole, { RoleName: 'deploy' })).Role
  const stored = () => on.store.identities.get(accountId, 'role', 'deploy')

  it('are made with all that they have, and shown so', async () => {
    await call(on.services, createPolicy, { PolicyName: 'limit', PolicyDocument: keyUse })
    const { Role } = await create({
      Path: '/ci/', Description: 'deploys', MaxSessionDuration: 7200, PermissionsBoundary: policyArn('limit'),
      Tags: [{ Key: 'team', Value: 'blue' }],
    })
    expect(Role).to.deep.equal({
      RoleName: 'deploy', RoleId: Role?.RoleId, Path: '/ci/', Arn: `arn:aws:iam::${accountId}:role/ci/deploy`,
      CreateDate: new Date(on.clock.now()), Description: 'deploys', MaxSessionDuration: 7200,
      AssumeRolePolicyDocument: trusting(anne), Tags: [{ Key: 'team', Value: 'blue' }],
      PermissionsBoundary: { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: policyArn('limit') },
    })
    expect(Role?.RoleId).to.match(/^AROA[A-Z2-7]{16}$/)
    expect(await got()).to.deep.equal({ ...Role, AttachedManagedPolicies: [], RolePolicyList: [] })
    expect((await call(on.services, listRoles, {})).Roles).to.deep.equal([Role])
    await refused(create({ RoleName: 'Deploy' }), 'EntityAlreadyExistsException')
  })

  it('trust the one who had the name then, and show who is gone by its id', async () => {
    await create()
    const before = await stored()
    expect(before?.trustBindings).to.deep.equal({ [anne]: 'AIDAANNE' })
    await call(on.services, deleteUser, { UserName: 'anne' })
    expect((await got())?.AssumeRolePolicyDocument).to.include('AIDAANNE').and.not.include(anne)
    await call(on.services, createUser, { UserName: 'anne' })
    expect((await got())?.AssumeRolePolicyDocument).to.include('AIDAANNE')
    await call(on.services, updateRole, { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(anne) })
    expect((await got())?.AssumeRolePolicyDocument).to.equal(trusting(anne))
  })

  const wrong: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ['no JSON', '{', /not valid JSON/],
    ['no principal', JSON.stringify({ Statement: { Sid: 'A', Effect: 'Allow', Action: 'sts:AssumeRole' } }), /^In statement 1 \(A\)/],
    ['a resource', trusting(anne).replace('"Action"', '"Resource":"*","Action"'), /^In statement 1: A trust policy has no Resource/],
    ['a principal that is not there', trusting(anne, `arn:aws:iam::${accountId}:user/none`),
      /invalid principals\. \(statement 1: ".*none"\)/],
    ['a principal in other letters', trusting(anne.toUpperCase()), /invalid principals/],
    ['an ARN that looks like one', trusting(`${anne} `), /invalid principals/],
    ['an account that is not there', trusting('arn:aws:iam::999999999999:root'), /invalid principals/],
    ['a nesting without end', `${'['.repeat(60_000)}${']'.repeat(60_000)}`, /nested too deeply|JSON object/],
  ]
  for (const [what, text, message] of wrong) {
    it(`are refused with a trust policy of ${what}, new and old`, async () => {
      const error = await refused(create({ AssumeRolePolicyDocument: text }), 'MalformedPolicyDocumentException')
      expect(error.message).to.match(message)
      expect(await stored()).to.equal(undefined)
      await create()
      const update = call(on.services, updateRole, { RoleName: 'deploy', AssumeRolePolicyDocument: text })
      expect((await refused(update, 'MalformedPolicyDocumentException')).message).to.match(message)
      expect((await stored())?.trustPolicy).to.equal(trusting(anne))
    })
  }

  it('are refused with a trust policy that is too long, white space apart', async () => {
    const users = Array.from({ length: 160 }, (_, at) => ({ Sid: `S${at}`, Effect: 'Allow', Principal: { AWS: accountId }, Action: '*' }))
    const long = JSON.stringify({ Statement: users })
    expect(long.length).to.be.greaterThan(8192)
    await refused(create({ AssumeRolePolicyDocument: long }), 'LimitExceededException')
    const spaced = JSON.stringify({ Statement: users.slice(0, 60) }, null, 40)
    expect(spaced.length).to.be.greaterThan(8192)
    await create({ AssumeRolePolicyDocument: spaced })
  })

  it('are changed in what is named, and in nothing else', async () => {
    await create({ Description: 'old' })
    await call(on.services, updateRole, { RoleName: 'deploy', MaxSessionDuration: 43_200 })
    expect(await got()).to.deep.include({ Description: 'old', MaxSessionDuration: 43_200, AssumeRolePolicyDocument: trusting(anne) })
    await call(on.services, updateRole, { RoleName: 'deploy', Description: '' })
    expect(await got()).to.deep.include({ Description: '', MaxSessionDuration: 43_200 })
    await refused(call(on.services, updateRole, { RoleName: 'Deploy', Description: '' }), 'NoSuchEntityException')
  })

  it('ask for the permission of each thing that is changed', async () => {
    await create()
    const asked = async (input: object) => {
      await call(on.services, updateRole, { RoleName: 'deploy', ...input })
      const { authorization } = on.audit.events.at(-1)?.additionalEventData as { authorization: { action: string }[] }
      return authorization.map(({ action }) => action)
    }
    expect(await asked({ Description: 'x' })).to.deep.equal(['iam:UpdateRole'])
    expect(await asked({ AssumeRolePolicyDocument: trusting(anne) })).to.deep.equal(['iam:UpdateAssumeRolePolicy'])
    expect(await asked({ AssumeRolePolicyDocument: trusting(anne), MaxSessionDuration: 3600 }))
      .to.deep.equal(['iam:UpdateAssumeRolePolicy', 'iam:UpdateRole'])
  })

  it('are deleted once they have no policies, but not by themselves', async () => {
    await create()
    await call(on.services, attachPolicy, { RoleName: 'deploy', PolicyArn: 'arn:aws:iam::aws:policy/ClavigerKeyUser' })
    await refused(call(on.services, deleteRole, { RoleName: 'deploy' }), 'DeleteConflictException')
    await create({ RoleName: 'bare' })
    const { RoleId = '' } = (await call(on.services, getRole, { RoleName: 'bare' })).Role ?? {}
    const itself = userCaller('bare', administrator.policies, { uniqueId: RoleId, type: 'AssumedRole' })
    await refused(call(on.services, deleteRole, { RoleName: 'bare' }, itself), 'DeleteConflictException')
    for (let time = 0; time < 2; time++) await attempt(on.services, deleteRole, { RoleName: 'bare' }, 'try')
    await refused(call(on.services, getRole, { RoleName: 'bare' }), 'NoSuchEntityException')
  })

  it('are made once, however often one call is tried', async () => {
    const input = { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(anne) }
    const first = await attempt(on.services, createRole, input, 'try')
    expect(await attempt(on.services, createRole, input, 'try')).to.deep.equal(first)
  })
})

describe('RevokeSessions', () => {
  const on = serviceSuite()

  it('marks what was issued until now, of a role and of a user, and never goes back', async () => {
    await call(on.services, createRole, { RoleName: 'deploy', AssumeRolePolicyDocument: trusting(anne) })
    for (const [name, kind] of [[{ RoleName: 'deploy' }, 'role'], [{ UserName: 'anne' }, 'user']] as const) {
      const { RevokedAt } = await call(on.services, revokeSessions, name)
      expect(RevokedAt).to.deep.equal(new Date(on.clock.now()))
      on.clock.advance(-60_000)
      expect((await call(on.services, revokeSessions, name)).RevokedAt).to.deep.equal(RevokedAt)
      on.clock.advance(60_000)
      const entity = await on.store.identities.get(accountId, kind, kind === 'role' ? 'deploy' : 'anne')
      expect(entity?.sessionsRevokedAt).to.equal(RevokedAt?.getTime())
    }
  })

  it('is of exactly one of them, which is there', async () => {
    await refused(call(on.services, revokeSessions, {}), 'ValidationException')
    await refused(call(on.services, revokeSessions, { UserName: 'anne', RoleName: 'deploy' }), 'ValidationException')
    await refused(call(on.services, revokeSessions, { RoleName: 'deploy' }), 'NoSuchEntityException')
  })
})
