import { expect } from 'chai'
import { assumeRole } from '../../../src/api/sts.js'
import type { Input } from '../../../src/api/shape.js'
import type { Caller } from '../../../src/domain/caller.js'
import { administratorAccess } from '../../../src/domain/policy/managed-policies.js'
import { userCaller } from '../../support/callers.js'
import { refused } from '../../support/refusal.js'
import { change, newRole, sampleRole, sessionCaller, trusting, trustPolicy } from '../../support/roles.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'

type In = Partial<Input<typeof assumeRole>>

const anne = userCaller('anne')
const arnOf = (name: string) => `arn:aws:iam::${accountId}:role/${name}`
const denied = (caller: Caller, action: string, name: string) =>
  `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${arnOf(name)}`

function tagged(Key: string, Value: string): In {
  return { Tags: [{ Key, Value }] }
}

describe('a chain of roles', () => {
  const on = serviceSuite()
  const assume = (caller: Caller, input: In = {}) =>
    call(on.services, assumeRole, { RoleArn: arnOf('worker'), RoleSessionName: 'me', ...input }, caller)
  const callerOf = (answer: Awaited<ReturnType<typeof assume>>) => sessionCaller(on.services, answer)

  beforeEach(async () => {
    const trustsAll = trustPolicy(trusting('*'))
    await newRole(on.services, 'worker', { trustPolicy: trustsAll, tags: [{ key: 'team', value: 'role' }] })
    await newRole(on.services, 'second', { trustPolicy: trustsAll, tags: [{ key: 'team', value: 'second' }] })
  })
  const toSecond = { RoleArn: arnOf('second') }

  it('takes transitive tags along, to whatever role, and others not', async () => {
    const first = await callerOf(await assume(anne, {
      Tags: [{ Key: 'Team', Value: 'red' }, { Key: 'site', Value: 'x' }], TransitiveTagKeys: ['team'],
    }))
    expect(first.tags).to.deep.equal([{ key: 'Team', value: 'red' }, { key: 'site', value: 'x' }])
    const second = await callerOf(await assume(first, toSecond))
    expect(second.tags).to.deep.equal([{ key: 'Team', value: 'red' }])
    const third = await callerOf(await assume(second, { Tags: [{ Key: 'site', Value: 'y' }] }))
    expect(third.tags).to.deep.equal([{ key: 'Team', value: 'red' }, { key: 'site', value: 'y' }])
    expect(third.session?.transitiveTagKeys).to.deep.equal(['team'])
  })

  it('lets nobody give a transitive tag another value', async () => {
    const first = await callerOf(await assume(anne, { ...tagged('Team', 'red'), TransitiveTagKeys: ['Team'] }))
    for (const Key of ['Team', 'TEAM']) {
      const { message } = await refused(assume(first, { ...toSecond, ...tagged(Key, 'blue') }), 'ValidationException')
      expect(message).to.equal(`The tag ${Key} is a transitive tag of the calling session and cannot be passed again.`)
    }
  })

  it('needs leave to tag for what it takes along, too', async () => {
    const first = await callerOf(await assume(anne, { ...tagged('team', 'red'), TransitiveTagKeys: ['team'], SourceIdentity: 'anne' }))
    await change(on.services, 'role', 'second', { trustPolicy: trustPolicy(trusting('*', { Action: 'sts:AssumeRole' })) })
    expect((await refused(assume(first, toSecond), 'AccessDeniedException')).message).to.equal(denied(first, 'sts:TagSession', 'second'))
    const actions = ['sts:AssumeRole', 'sts:TagSession']
    await change(on.services, 'role', 'second', { trustPolicy: trustPolicy(trusting('*', { Action: actions })) })
    expect((await refused(assume(first, toSecond), 'AccessDeniedException')).message)
      .to.equal(denied(first, 'sts:SetSourceIdentity', 'second'))
  })

  it('keeps the source identity, and lets nobody change it', async () => {
    const first = await callerOf(await assume(anne, { SourceIdentity: 'anne' }))
    const answer = await assume(first, toSecond)
    expect(answer.SourceIdentity).to.equal('anne')
    expect((await callerOf(answer)).session?.sourceIdentity).to.equal('anne')
    expect(await assume(first, { ...toSecond, SourceIdentity: 'anne' })).to.have.property('SourceIdentity', 'anne')
    const { message } = await refused(assume(first, { ...toSecond, SourceIdentity: 'bob' }), 'AccessDeniedException')
    expect(message).to.equal(denied(first, 'sts:SetSourceIdentity', 'second'))
  })

  it('has no more tags in all than a session may have', async () => {
    const tags = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => ({ Key: `${prefix}${at}`, Value: '' }))
    const first = await callerOf(await assume(anne, { Tags: tags('a', 30), TransitiveTagKeys: tags('a', 30).map(({ Key }) => Key) }))
    expect(await assume(first, { ...toSecond, Tags: tags('b', 20) })).to.have.property('Credentials')
    await refused(assume(first, { ...toSecond, Tags: tags('b', 21) }), 'ValidationException')
  })

  it('of a role by itself needs its trust like any other', async () => {
    const trustsAnne = trustPolicy(trusting({ AWS: anne.arn }))
    await newRole(on.services, 'alone', { trustPolicy: trustsAnne, attachedPolicies: [administratorAccess.arn] })
    const own = await callerOf(await assume(anne, { RoleArn: arnOf('alone') }))
    await refused(assume(own, { RoleArn: arnOf('alone') }), 'AccessDeniedException')
    const trustsItself = trustPolicy(trusting({ AWS: arnOf('alone') }))
    await change(on.services, 'role', 'alone', { trustPolicy: trustsItself, trustBindings: { [arnOf('alone')]: sampleRole('alone').id } })
    expect(await assume(own, { RoleArn: arnOf('alone') })).to.have.property('Credentials')
  })

  it('lasts no longer than an hour', async () => {
    await change(on.services, 'role', 'second', { maxSessionSeconds: 43_200 })
    expect(await assume(anne, { ...toSecond, DurationSeconds: 43_200 })).to.have.property('Credentials')
    const chained = await callerOf(await assume(anne))
    expect(await assume(chained, { ...toSecond, DurationSeconds: 3_600 })).to.have.property('Credentials')
    const { message } = await refused(assume(chained, { ...toSecond, DurationSeconds: 3_601 }), 'ValidationException')
    expect(message).to.equal('The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining')
  })
})
