import { expect } from 'chai'
import { createGroup } from '../../../src/api/iam/groups.js'
import {
  attachPolicy, createPolicy, deletePolicy, detachPolicy, getPolicy, listPolicies, putPermissionsBoundary, updatePolicy,
} from '../../../src/api/iam/policies.js'
import { createKey } from '../../../src/api/keys.js'
import { builtInPolicies } from '../../../src/domain/policy/managed-policies.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { attempt, callerOf, keyUse, otherUse, policyArn } from './support.js'

const builtIn = 'arn:aws:iam::aws:policy/ClavigerAuditor'

describe('managed policies', () => {
  const on = serviceSuite()
  const create = (PolicyName: string, PolicyDocument = keyUse, Path = '/') =>
    call(on.services, createPolicy, { PolicyName, PolicyDocument, Path, Description: 'for tests' })
  const names = async (input: Partial<Parameters<typeof call<typeof listPolicies>>[2]>) =>
    (await call(on.services, listPolicies, input)).Policies?.map(({ PolicyName }) => PolicyName)

  it('are made and shown', async () => {
    const { Policy } = await create('use', keyUse, '/app/')
    const arn = `arn:aws:iam::${accountId}:policy/app/use`
    expect(Policy).to.deep.equal({
      PolicyName: 'use', PolicyId: Policy?.PolicyId, Path: '/app/', Arn: arn, Description: 'for tests',
      CreateDate: new Date(on.clock.now()), UpdateDate: new Date(on.clock.now()),
    })
    expect(Policy?.PolicyId).to.match(/^ANPA[A-Z2-7]{16}$/)
    expect((await call(on.services, getPolicy, { PolicyArn: arn })).Policy).to.deep.equal({ ...Policy, PolicyDocument: keyUse })
    await refused(create('USE'), 'EntityAlreadyExistsException')
  })

  it('are made once, however often one call is tried', async () => {
    const input = { PolicyName: 'use', PolicyDocument: keyUse }
    const first = await attempt(on.services, createPolicy, input, 'try')
    expect(await attempt(on.services, createPolicy, input, 'try')).to.deep.equal(first)
  })

  it('are known by exactly their ARN', async () => {
    await create('use', keyUse, '/app/')
    const lookAlikes = [
      policyArn('use'), policyArn('app/Use'), policyArn('App/use'), policyArn('app/use', '444455556666'),
      'arn:aws:iam::aws:policy/app/use', `${policyArn('app/use')}/`,
      ` ${policyArn('app/use')}`, `${policyArn('app/use')}\n`, policyArn('app//use'), policyArn('__proto__'),
    ]
    for (const arn of lookAlikes) {
      for (const contract of [getPolicy, deletePolicy]) {
        const error: unknown = await call(on.services, contract, { PolicyArn: arn }).then(() => undefined, (thrown: unknown) => thrown)
        expect(error, arn).to.have.property('code').that.is.oneOf(['NoSuchEntityException', 'InvalidArnException'])
      }
    }
  })

  it('are listed with the built-in ones, in pages, and by path', async () => {
    for (const [name, path] of [['zeta', '/'], ['alpha', '/app/']] as const) await create(name, keyUse, path)
    const all = [...builtInPolicies.map(({ name }) => name).sort(), 'alpha', 'zeta']
    expect(await names({})).to.deep.equal(all)
    expect(await names({ Scope: 'AWS' })).to.deep.equal(all.slice(0, -2))
    expect(await names({ Scope: 'Local' })).to.deep.equal(['alpha', 'zeta'])
    expect(await names({ PathPrefix: '/app/' })).to.deep.equal(['alpha'])
    const seen: unknown[] = []
    let marker: string | undefined
    do {
      const page = await call(on.services, listPolicies, { MaxItems: 2, ...marker !== undefined && { Marker: marker } })
      seen.push(...page.Policies?.map(({ PolicyName }) => PolicyName) ?? [])
      marker = page.Marker
    } while (marker !== undefined)
    expect(seen).to.deep.equal(all)
  })

  it('built-in ones are shown, and changed by nobody', async () => {
    expect((await call(on.services, getPolicy, { PolicyArn: builtIn })).Policy?.PolicyDocument).to.include('iam:List*')
    await refused(call(on.services, updatePolicy, { PolicyArn: builtIn, PolicyDocument: keyUse }), 'ValidationException')
    await refused(call(on.services, deletePolicy, { PolicyArn: builtIn }), 'ValidationException')
  })

  const wrong: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ['no JSON', 'Allow', /not valid JSON/],
    ['no statement', '{"Statement":[]}', /no statement/],
    ['a principal', keyUse.replace('"Action"', '"Principal":"*","Action"'), /^In statement 1 \(Use\)/],
    ['no resource', keyUse.replace(',"Resource":"*"', ''), /^In statement 1 \(Use\): Resource is missing/],
    ['an operator that there is not', keyUse.replace('"Resource"', '"Condition":{"StringSame":{"aws:userid":"x"}},"Resource"'),
      /^In statement 1 \(Use\): there is no condition operator "StringSame"/],
    ['an element twice', keyUse.replace('"Action"', '"action":"kms:*","Action"'), /element twice/],
    ['an element of every object', '{"__proto__":{},"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', /no element "__proto__"/],
    ['a nesting without end', `${'{"Statement":'.repeat(9_000)}1${'}'.repeat(9_000)}`, /nested too deeply/],
  ]
  for (const [what, text, message] of wrong) {
    it(`are refused with ${what}, new and old`, async () => {
      expect((await refused(create('use', text), 'MalformedPolicyDocumentException')).message).to.match(message)
      await create('use')
      const update = call(on.services, updatePolicy, { PolicyArn: policyArn('use'), PolicyDocument: text })
      expect((await refused(update, 'MalformedPolicyDocumentException')).message).to.match(message)
      expect((await call(on.services, getPolicy, { PolicyArn: policyArn('use') })).Policy?.PolicyDocument).to.equal(keyUse)
    })
  }

  it('are refused when they are too long, white space apart', async () => {
    const statements = (count: number) => Array.from({ length: count }, (_, at) =>
      ({ Sid: `S${at}`, Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' }))
    const long = JSON.stringify({ Statement: statements(120) })
    const { message } = await refused(create('use', long), 'LimitExceededException')
    expect(message).to.match(/^A managed policy can have at most 6144 characters beside white space, not \d+$/)
    const spaced = JSON.stringify({ Statement: statements(60) }, null, '\t \n')
    expect(spaced.length).to.be.greaterThan(6144)
    await create('use', spaced)
  })

  it('have another document from the next call on', async () => {
    const bob = () => callerOf(on.services, `arn:aws:iam::${accountId}:user/bob`)
    await create('use')
    await call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: policyArn('use') })
    await refused(call(on.services, createKey, {}, await bob()), 'AccessDeniedException')
    on.clock.advance(1000)
    const { Policy } = await call(on.services, updatePolicy, {
      PolicyArn: policyArn('use'), PolicyDocument: keyUse.replace('Decrypt', 'CreateKey'),
    })
    expect(Policy?.UpdateDate).to.deep.equal(new Date(on.clock.now()))
    await call(on.services, createKey, {}, await bob())
  })

  it('are deleted once nobody has them, and the refusal names who has', async () => {
    await create('use')
    await create('us')
    await call(on.services, createGroup, { GroupName: 'team' })
    await call(on.services, attachPolicy, { GroupName: 'team', PolicyArn: policyArn('use') })
    await call(on.services, putPermissionsBoundary, { UserName: 'bob', PermissionsBoundary: policyArn('use') })
    const { message } = await refused(call(on.services, deletePolicy, { PolicyArn: policyArn('use') }), 'DeleteConflictException')
    expect(message).to.equal(`Cannot delete policy ${policyArn('use')}: it is attached to, or the boundary of, group team, user bob.`)
    for (let time = 0; time < 2; time++) await attempt(on.services, deletePolicy, { PolicyArn: policyArn('us') }, 'try')
    expect(await names({ Scope: 'Local' })).to.deep.equal(['use'])
  })

  it('are attached to nobody while they are deleted, whichever comes first', async () => {
    for (let round = 0; round < 10; round++) {
      await create('use')
      const given = { UserName: 'bob', PolicyArn: policyArn('use') }
      const outcomes = await Promise.allSettled([
        call(on.services, deletePolicy, { PolicyArn: policyArn('use') }), call(on.services, attachPolicy, given),
      ].sort(() => round % 2 - 0.5))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
      if ((await names({ Scope: 'Local' }))?.length === 0) continue
      await call(on.services, detachPolicy, given)
      await call(on.services, deletePolicy, { PolicyArn: policyArn('use') })
    }
  })

  it('of a call that names another account in each of two members are refused', async () => {
    const input = { AccountId: accountId, PolicyArn: policyArn('use', '444455556666') }
    for (const contract of [getPolicy, deletePolicy]) await refused(call(on.services, contract, input), 'ValidationException')
    await refused(call(on.services, updatePolicy, { ...input, PolicyDocument: otherUse }), 'ValidationException')
  })
})
