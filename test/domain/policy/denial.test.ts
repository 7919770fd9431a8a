import { expect } from 'chai'
import { accessDenied, ciphertextDenied, foreignDenied } from '../../../src/domain/policy/denial.js'

const anne = { arn: 'arn:aws:iam::111122223333:user/anne' }
const key = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-44cd-96ef-1234567890ab'
const start = 'User: arn:aws:iam::111122223333:user/anne is not authorized to perform: '
const elsewhere = 'because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy '
  + 'explicitly denies access'

/** Recorded of AWS KMS, or reported of it. */
describe('the text of a refusal', () => {
  for (const [what, error, text] of [
    ['names the key, and that no key policy allows', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'no', by: 'resource policy' }),
      `kms:Decrypt on resource: ${key} because no resource-based policy allows the kms:Decrypt action`],
    ['says that no identity policy allows', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'no', by: 'identity policy' }),
      `kms:Decrypt on resource: ${key} because no identity-based policy allows the kms:Decrypt action`],
    ['says that no boundary allows', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'no', by: 'permissions boundary' }),
      `kms:Decrypt on resource: ${key} because no permissions boundary allows the kms:Decrypt action`],
    ['says that no session policy allows', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'no', by: 'session policy' }),
      `kms:Decrypt on resource: ${key} because no session policy allows the kms:Decrypt action`],
    ['says that the key policy denies', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'deny', by: 'resource policy' }),
      `kms:Decrypt on resource: ${key} with an explicit deny in a resource-based policy`],
    ['says that an identity policy denies', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'deny', by: 'identity policy' }),
      `kms:Decrypt on resource: ${key} with an explicit deny in an identity-based policy`],
    ['says that a boundary denies', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'deny', by: 'permissions boundary' }),
      `kms:Decrypt on resource: ${key} with an explicit deny in a permissions boundary`],
    ['says that a session policy denies', accessDenied(anne, 'kms:Decrypt', key, { verdict: 'deny', by: 'session policy' }),
      `kms:Decrypt on resource: ${key} with an explicit deny in a session policy`],
    ['names no resource where there is none', accessDenied(anne, 'kms:ListKeys', undefined, { verdict: 'no', by: 'identity policy' }),
      'kms:ListKeys because no identity-based policy allows the kms:ListKeys action'],
    ['tells nothing of a key of another account', foreignDenied(anne, 'kms:Encrypt'), `kms:Encrypt on this resource ${elsewhere}`],
    ['tells nothing of the key of a ciphertext', ciphertextDenied(anne, 'kms:Decrypt'),
      `kms:Decrypt on the resource associated with this ciphertext ${elsewhere}`],
  ] as const) {
    it(what, () => {
      expect([error.code, error.message]).to.deep.equal(['AccessDeniedException', start + text])
    })
  }

  it('does not tell policies and statements by name', () => {
    const reason = { verdict: 'deny', by: 'identity policy', policy: 'inline policy secret', statement: 'statement 3 (secret)' } as const
    expect(accessDenied(anne, 'kms:Decrypt', key, reason).message).to.not.contain('secret')
  })
})
