import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { createUser, getUser } from '../../../src/api/iam/users.js'
import { attachPolicy, createPolicy } from '../../../src/api/iam/policies.js'
import type { User } from '../../../src/domain/identity.js'
import { StaleWriteError } from '../../../src/ports/keys.js'
import type { Identities } from '../../../src/ports/identities.js'
import { identityPolicy, userCaller } from '../../support/callers.js'
import { replacing } from '../../support/interruption.js'
import { refused } from '../../support/refusal.js'
import { serviceSuite } from '../../support/service-suite.js'
import { accountId, call } from '../../support/services.js'
import { callerOf, keyUse, policyArn } from './support.js'

const given = { UserName: 'bob', PolicyArn: policyArn('use') }

describe('a change of an identity', () => {
  const on = serviceSuite()
  const attached = async () => (await on.store.identities.get(accountId, 'user', 'bob'))?.attachedPolicies

  beforeEach(async () => { await call(on.services, createPolicy, { PolicyName: 'use', PolicyDocument: keyUse }) })

  /** Services whose writes to users are these. */
  function withUpdate(update: Identities['update']): void {
    on.restart({ store: { ...on.store, identities: replacing(on.store.identities, { update }) } })
  }

  it('is decided anew when another process has written in between', async () => {
    const other = await on.second()
    let writes = 0
    withUpdate(async entity => {
      if (++writes === 1) {
        const theirs = await other.identities.get(accountId, 'user', 'bob')
        if (!theirs) throw new Error('bob is gone')
        await other.identities.update({ ...theirs, attachedPolicies: ['arn:aws:iam::aws:policy/ClavigerKeyUser'] })
      }
      return on.store.identities.update(entity)
    })
    await call(on.services, attachPolicy, given)
    expect(writes).to.equal(2)
    expect(await attached()).to.deep.equal(['arn:aws:iam::aws:policy/ClavigerKeyUser', policyArn('use')])
  })

  describe('that waits for its turn', () => {
    const conditions = [
      ['a tag', { StringEquals: { 'aws:ResourceTag/team': 'red' } }, { tags: [{ key: 'team', value: 'blue' }] }],
      ['its boundary', { StringEquals: { 'iam:PermissionsBoundary': policyArn('use') } }, { boundary: policyArn('other') }],
      ['that it has a boundary', { Null: { 'iam:PermissionsBoundary': 'false' } }, { boundary: undefined }],
    ] as const

    /** Attaches, and changes the user after the caller was allowed to and before its turn. */
    async function attachedLater(Condition: object, meanwhile: (bob: User) => User) {
      const before = await on.store.identities.get(accountId, 'user', 'bob')
      if (!before) throw new Error('bob is gone')
      const given = { ...before, tags: [{ key: 'team', value: 'red' }, { key: 'site', value: 'x' }], boundary: policyArn('use') }
      await on.store.identities.update(given)
      on.services.identities.forget()
      const lead = userCaller('lead', [identityPolicy({
        Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'iam:AttachUserPolicy', Resource: '*', Condition },
      })])
      const attaching = on.services.turns.take(`identities of ${accountId}`, async () => {
        const begun = call(on.services, attachPolicy, { UserName: 'bob', PolicyArn: policyArn('use') }, lead)
        begun.catch(() => {})
        for (let turn = 0; turn < 50; turn++) await nextTurn()
        const stored = await on.store.identities.get(accountId, 'user', 'bob')
        if (!stored) throw new Error('bob is gone')
        await on.store.identities.update(meanwhile(stored))
        on.services.identities.forget()
        return { begun }
      })
      return (await attaching).begun
    }

    for (const [what, condition, change] of conditions) {
      it(`is refused when it was allowed by ${what}, which is another by then`, async () => {
        await refused(attachedLater(condition, bob => withoutUndefined({ ...bob, ...change })), 'AccessDeniedException')
        expect(await attached()).to.deep.equal([])
        expect(on.audit.events.at(-1)).to.deep.include({ eventName: 'AttachPolicy', errorCode: 'AccessDeniedException' })
      })
    }

    it('goes on when what was changed does not matter', async () => {
      const [[, condition]] = conditions
      await attachedLater(condition, bob => ({ ...bob, tags: [{ key: 'team', value: 'red' }], boundary: policyArn('other') }))
      expect(await attached()).to.deep.equal([policyArn('use')])
    })
  })

  it('is given up, to be repeated, when others always come first', async () => {
    let writes = 0
    withUpdate(async () => {
      writes++
      throw new StaleWriteError('another came first')
    })
    await refused(call(on.services, attachPolicy, given), 'ConflictException')
    expect(writes).to.equal(5)
    expect(await attached()).to.deep.equal([])
  })

  it('counts from the next call on, also when its answer was lost after the commit', async () => {
    withUpdate(async entity => {
      await on.store.identities.update(entity)
      throw new Error('the answer is lost')
    })
    const bob = `arn:aws:iam::${accountId}:user/bob`
    expect((await callerOf(on.services, bob)).policies).to.deep.equal([])
    await refused(call(on.services, attachPolicy, given), 'KMSInternalException')
    expect((await callerOf(on.services, bob)).policies.map(({ name }) => name)).to.deep.equal([policyArn('use')])
  })

  it('that is refused makes nobody be read again', async () => {
    const version = () => on.services.identities.versionOf(accountId)
    const before = version()
    await refused(call(on.services, createUser, { UserName: 'bob' }), 'EntityAlreadyExistsException')
    await refused(call(on.services, attachPolicy, { ...given, PolicyArn: policyArn('none') }), 'NoSuchEntityException')
    await call(on.services, getUser, { UserName: 'bob' })
    expect(version()).to.equal(before)
    await call(on.services, createUser, { UserName: 'carol' })
    expect(version()).to.not.equal(before)
  })
})

function withoutUndefined(user: Omit<User, 'boundary'> & { readonly boundary?: string | undefined }): User {
  const { boundary, ...rest } = user
  return { ...rest, ...boundary !== undefined && { boundary } }
}
