import { expect } from 'chai'
import type { Caller } from '../../../src/domain/caller.js'
import type { PrincipalName } from '../../../src/domain/policy/document.js'
import { compilePrincipals, namingOf } from '../../../src/domain/policy/principals.js'
import { callerOfAccount, callerOfService } from '../../../src/service/identities/callers.js'
import { accountId, otherAccountId, userCaller } from '../../support/callers.js'

const root = `arn:aws:iam::${accountId}:root`
const anne = userCaller('anne')
const role = `arn:aws:iam::${accountId}:role/team/reader`
const session: Caller = {
  ...userCaller('x'), type: 'AssumedRole', arn: `arn:aws:sts::${accountId}:assumed-role/reader/one`, principalArn: role,
  uniqueId: 'AROAREADER',
}
const provider = `arn:aws:iam::${accountId}:oidc-provider/example.org`
const web: Caller = {
  ...callerOfService('someone'), type: 'WebIdentity', session: { issuedAt: 0, expiresAt: 1, provider },
}
const backup = callerOfService('backup.example.com')

const aws = (...names: readonly string[]): readonly PrincipalName[] => names.map(name => ({ type: 'AWS', name }))
const named = (names: readonly PrincipalName[], caller: Caller, bindings = {}) =>
  namingOf(compilePrincipals({ not: false, names }, bindings), caller, 'Allow')

describe('the principals of a statement', () => {
  it('name a caller as closely as they can', () => {
    expect(named(aws(anne.arn), anne)).to.equal('user')
    expect(named(aws(root), anne)).to.equal('account')
    expect(named(aws(accountId), anne)).to.equal('account')
    expect(named(aws('*'), anne)).to.equal('anyone')
    expect(named(aws(role), session)).to.equal('role')
    expect(named(aws(session.arn), session)).to.equal('session')
    expect(named([{ type: 'Service', name: 'backup.example.com' }], backup)).to.equal('service')
    expect(named([{ type: 'Federated', name: provider }], web)).to.equal('provider')
    expect(named(aws(root), callerOfAccount(accountId))).to.equal('account')
  })

  it('name it the closest way of several, in whatever order', () => {
    for (const names of [aws(root, '*', session.arn, role), aws(session.arn, role, '*', root)]) {
      expect(named(names, session)).to.equal('session')
    }
    expect(named(aws(root, '*'), anne)).to.equal('anyone')
    expect(named(aws('*', anne.arn), anne)).to.equal('user')
  })

  it('do not name others', () => {
    const other = userCaller('anne', [], { accountId: otherAccountId })
    for (const [names, caller] of [
      [aws(anne.arn), other], [aws(root), other], [aws(anne.arn), session], [aws(role), anne],
      [aws(session.arn.replace('one', 'two')), session],
      [aws(role.replace('team/', '')), session], [aws(root), backup], [aws(root), web], [aws(anne.arn.toUpperCase()), anne],
      [[{ type: 'Service', name: anne.arn }], anne], [[{ type: 'Federated', name: provider }], anne], [aws(provider), web],
      [[{ type: 'CanonicalUser', name: anne.uniqueId }], anne], [aws(anne.uniqueId), anne],
      [aws(`arn:aws:sts::${accountId}:federated-user/anne`), anne],
    ] as const) expect(named(names, caller), JSON.stringify(names)).to.equal(undefined)
  })

  it('mean those who bore the names when they were written', () => {
    const bindings = { [anne.arn]: anne.uniqueId, [role]: 'AROAREADER', [session.arn]: 'AROAREADER' }
    const newAnne = { ...anne, uniqueId: 'AIDANEW' }
    const newSession = { ...session, uniqueId: 'AROANEW' }
    expect(named(aws(anne.arn), anne, bindings)).to.equal('user')
    expect(named(aws(anne.arn), newAnne, bindings)).to.equal(undefined)
    expect(named(aws(role), newSession, bindings)).to.equal(undefined)
    expect(named(aws(session.arn), newSession, bindings)).to.equal(undefined)
    expect(named(aws(role), session, bindings)).to.equal('role')
    expect(named(aws(root), newAnne, bindings)).to.equal('account')
    // From before ids were kept.
    expect(named(aws(anne.arn), newAnne)).to.equal('user')
  })

  it('are not bound by what every object has', () => {
    expect(named(aws(anne.arn), anne, Object.create({ [anne.arn]: 'AIDAOTHER' }) as Record<string, string>)).to.equal('user')
  })
})

describe('NotPrincipal', () => {
  const spared = (effect: 'Allow' | 'Deny', caller: Caller, names: readonly PrincipalName[]) =>
    namingOf(compilePrincipals({ not: true, names }, {}), caller, effect) === undefined

  it('in a Deny spares who is listed with all that is above it', () => {
    expect(spared('Deny', anne, aws(anne.arn, root))).to.equal(true)
    expect(spared('Deny', anne, aws(anne.arn))).to.equal(false)
    expect(spared('Deny', anne, aws(root))).to.equal(false)
    expect(spared('Deny', session, aws(session.arn, role, accountId))).to.equal(true)
    for (const names of [aws(role, root), aws(session.arn, root), aws(session.arn, role)]) {
      expect(spared('Deny', session, names)).to.equal(false)
    }
    expect(spared('Deny', callerOfAccount(accountId), aws(root))).to.equal(true)
    expect(spared('Deny', backup, [{ type: 'Service', name: 'backup.example.com' }])).to.equal(true)
    expect(spared('Deny', backup, aws(root))).to.equal(false)
    expect(spared('Deny', web, [{ type: 'Federated', name: provider }])).to.equal(true)
    for (const caller of [anne, session, backup, web]) expect(spared('Deny', caller, aws('*'))).to.equal(true)
  })

  it('in an Allow leaves out who is listed in any way', () => {
    for (const names of [aws(anne.arn), aws(root), aws('*')]) expect(spared('Allow', anne, names)).to.equal(true)
    for (const names of [aws(role), aws(session.arn), aws(accountId)]) expect(spared('Allow', session, names)).to.equal(true)
    expect(spared('Allow', anne, aws(role, otherAccountId))).to.equal(false)
  })
})
