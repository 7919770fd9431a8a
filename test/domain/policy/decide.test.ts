import { expect } from 'chai'
import { decide } from '../../../src/domain/policy/decide.js'

const caller = { arn: 'arn:aws:iam::111122223333:user/a', accountId: '111122223333', accessKeyId: 'CVAKEXAMPLE', administrator: true }

describe('decision', () => {
  it('allows the administrator everything', () => {
    for (const action of ['kms:Decrypt', 'kms:ScheduleKeyDeletion', 'kms:CreateKey']) expect(decide(caller, action).allowed).to.equal(true)
  })

  it('allows nobody else anything, and says why in the words of AWS', () => {
    expect(decide({ ...caller, administrator: false }, 'kms:Decrypt')).to.deep.equal({
      allowed: false, because: 'no identity-based policy allows the kms:Decrypt action',
    })
  })
})
