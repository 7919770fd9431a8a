import { expect } from 'chai'
import { checkContext, checkGrantId, grantPrincipal, mayRetire } from '../../src/domain/grant.js'
import { callerOfAccount } from '../../src/service/identities/callers.js'
import { userCaller as user } from '../support/callers.js'
import { refused } from '../support/refusal.js'

const account = '111122223333'
const root = `arn:aws:iam::${account}:root`

describe('the principal of a grant', () => {
  for (const arn of [
    root, `arn:aws:iam::${account}:user/anne`, `arn:aws:iam::${account}:user/division/team/anne`, `arn:aws:iam::${account}:role/reader`,
    `arn:aws:iam::${account}:role/service-role/reader`, `arn:aws:sts::${account}:assumed-role/reader/session-1`,
    `arn:aws:sts::${account}:federated-user/bob@example.org`,
  ]) {
    it(`may be ${arn}`, () => { expect(grantPrincipal(arn)).to.equal(arn) })
  }

  it('is the root of an account that is named by its number', () => { expect(grantPrincipal(account)).to.equal(root) })

  for (const text of [
    '', 'anne', '*', `${account}0`, '11112222333', `arn:aws:iam::${account}:group/admins`, `arn:aws:iam::${account}:user/`,
    `arn:aws:iam::${account}:root/x`, 'arn:aws:iam::1:root', `arn:aws:iam:eu-central-1:${account}:user/anne`,
    `arn:aws:sts::${account}:assumed-role/reader`, `arn:aws:sts::${account}:user/anne`, `arn:aws:iam::${account}:user/anne\n`,
    `arn:aws:kms::${account}:user/anne`, ` ${root}`, `arn:aws-cn:iam::${account}:user/anne`, `arn:aws:iam::${account}:user/*`,
    `arn:aws:iam::${account}:policy/p`,
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => refused(() => grantPrincipal(text), 'InvalidArnException'))
  }
})

describe('a grant id', () => {
  it('is 64 hex digits', () => { checkGrantId('0123456789abcdef'.repeat(4)) })

  for (const text of ['a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64), 'A'.repeat(64), `${'a'.repeat(63)}\n`]) {
    it(`is not ${JSON.stringify(text)}`, () => refused(() => checkGrantId(text), 'InvalidGrantIdException'))
  }
})

describe('the encryption context of a grant', () => {
  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key ${at}`, 'value']))

  it('has at most 8 pairs', async () => {
    checkContext('EncryptionContextSubset', pairs(8))
    await refused(() => checkContext('EncryptionContextSubset', pairs(9)), 'ValidationException')
  })

  it('has values of at most 384 characters', async () => {
    checkContext('EncryptionContextEquals', { a: '😀'.repeat(384) })
    await refused(() => checkContext('EncryptionContextEquals', { a: 'x'.repeat(385) }), 'ValidationException')
  })

  it('may be absent', () => { checkContext('EncryptionContextEquals', undefined) })
})

describe('who may retire a grant', () => {
  const [anne, bob] = [user('anne'), user('bob')]
  const grant = { granteePrincipal: anne.arn, issuingAccount: root, operations: ['Decrypt'] }

  it('is its retiring principal', () => { expect(mayRetire({ ...grant, retiringPrincipal: bob.arn }, bob)).to.equal(true) })

  it('is its grantee if it has the operation RetireGrant, and only then', () => {
    expect(mayRetire({ ...grant, operations: ['Decrypt', 'RetireGrant'] }, anne)).to.equal(true)
    expect(mayRetire(grant, anne)).to.equal(false)
  })

  it('is not everybody in the account that is its retiring principal, but its root', () => {
    expect(mayRetire({ ...grant, retiringPrincipal: root }, anne)).to.equal(false)
    expect(mayRetire({ ...grant, retiringPrincipal: root }, callerOfAccount(account))).to.equal(true)
  })

  it('is not who bears the name of somebody who is gone', () => {
    const retiring = { ...grant, retiringPrincipal: bob.arn, retiringId: bob.uniqueId }
    expect(mayRetire(retiring, bob)).to.equal(true)
    expect(mayRetire(retiring, { ...bob, uniqueId: 'AIDANEW' })).to.equal(false)
  })

  it('is nobody else', () => {
    expect(mayRetire({ ...grant, retiringPrincipal: anne.arn, operations: ['RetireGrant'] }, bob)).to.equal(false)
  })
})
