import { expect } from 'chai'
import type { Caller } from '../../../src/domain/caller.js'
import { KmsError } from '../../../src/domain/errors.js'
import { callerOfService } from '../../../src/service/identities/callers.js'
import { CallRates, type RateLimits } from '../../../src/service/throttle/rates.js'
import { accountId, otherAccountId, userCaller } from '../../support/callers.js'
import { someRates } from '../../support/admission.js'
import { MovedClock } from '../../support/clock.js'

const anne = userCaller('anne')
const bob = userCaller('bob')
const other = userCaller('anne', [], { accountId: otherAccountId })

/** How many of so many calls are let through. */
function passed(times: number, call: () => void): number {
  let count = 0
  for (let time = 0; time < times; time++) {
    try {
      call()
      count++
    } catch (error) {
      expect(error).to.be.instanceOf(KmsError).and.to.include({
        code: 'ThrottlingException',
        message: 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
      })
    }
  }
  return count
}

describe('the rate of calls', () => {
  const clock = new MovedClock()
  const rates = (of: Partial<RateLimits>) => new CallRates({ ...someRates, ...of }, clock)
  const three = { perSecond: 1, burst: 3 }

  it('of an account is that of all its callers together, and of no other account', () => {
    const limited = rates({ account: three })
    expect(passed(2, () => limited.ofAccount(anne))).to.equal(2)
    expect(passed(5, () => limited.ofAccount(bob))).to.equal(1)
    expect(passed(5, () => limited.ofAccount(other))).to.equal(3)
    clock.advance(2_000)
    expect(passed(5, () => limited.ofAccount(anne))).to.equal(2)
  })

  it('of an account that has its own is that', () => {
    const limited = rates({ account: three, accounts: { [otherAccountId]: { perSecond: 1, burst: 5 } } })
    expect(passed(9, () => limited.ofAccount(other))).to.equal(5)
    expect(passed(9, () => limited.ofAccount(anne))).to.equal(3)
  })

  it('of a service is its own', () => {
    const limited = rates({ account: three })
    expect(passed(9, () => limited.ofAccount(callerOfService('a.example.com')))).to.equal(3)
    expect(passed(9, () => limited.ofAccount(callerOfService('b.example.com')))).to.equal(3)
  })

  it('of whom an identity provider vouches for is that of each alone', () => {
    const limited = rates({ principalAction: three })
    const vouchedFor = (uniqueId: string) => userCaller('', [], { type: 'WebIdentity', accountId: '', arn: '', principalArn: '', uniqueId })
    for (const subject of ['job:1', 'job:2']) {
      expect(passed(9, () => limited.ofAction(vouchedFor(subject), 'AssumeRoleWithWebIdentity'))).to.equal(3)
    }
  })

  it('of a principal is counted by operation', () => {
    const limited = rates({ principalAction: three })
    expect(passed(9, () => limited.ofAction(anne, 'Encrypt'))).to.equal(3)
    expect(passed(9, () => limited.ofAction(anne, 'Decrypt'))).to.equal(3)
    expect(passed(9, () => limited.ofAction(bob, 'Encrypt'))).to.equal(3)
  })

  it('of an operation that has its own is that, for each principal', () => {
    const limited = rates({ actions: { GenerateDataKeyPair: { perSecond: 1, burst: 1 } } })
    for (const caller of [anne, bob]) expect(passed(9, () => limited.ofAction(caller, 'GenerateDataKeyPair'))).to.equal(1)
    expect(passed(9, () => limited.ofAction(anne, 'toString'))).to.equal(9)
  })

  it('of a role is that of all its sessions', () => {
    const limited = rates({ principalAction: three })
    const session = (name: string): Caller => ({
      ...anne, type: 'AssumedRole', principalArn: `arn:aws:iam::${accountId}:role/r`,
      arn: `arn:aws:sts::${accountId}:assumed-role/r/${name}`,
    })
    expect(passed(2, () => limited.ofAction(session('one'), 'Encrypt'))).to.equal(2)
    expect(passed(9, () => limited.ofAction(session('two'), 'Encrypt'))).to.equal(1)
  })
})
