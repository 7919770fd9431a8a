import { expect } from 'chai'
import { configSuite } from './support/config-suite.js'

describe('the configuration of rates', () => {
  const { read, faultsOf } = configSuite()
  const rates = (throttle: object) => read({ throttle }).throttle

  it('takes the rate for the burst where only that is given, and the burst alone', () => {
    expect(rates({ accountPerSecond: 7 }).account).to.deep.equal({ perSecond: 7, burst: 7 })
    expect(rates({ principalActionBurst: 7 }).principalAction).to.deep.equal({ perSecond: 50_000, burst: 7 })
  })

  it('lets LookupEvents have another rate than the low one that it has by itself', () => {
    expect(rates({ actions: { CreateKey: { perSecond: 1 } } }).actions).to.deep.equal({
      LookupEvents: { perSecond: 2, burst: 30 }, CreateKey: { perSecond: 1, burst: 1 },
    })
    expect(rates({ actions: { LookupEvents: { perSecond: 50, burst: 60 } } }).actions).to.deep.equal({
      LookupEvents: { perSecond: 50, burst: 60 },
    })
  })

  for (const [what, settings, fault] of [
    ['a rate of nothing', { throttle: { accountPerSecond: 0 } }, 'throttle.accountPerSecond must be a whole number from 1 to 1000000'],
    ['a rate of an account without one', { throttle: { accounts: { '111122223333': { burst: 1 } } } },
      'throttle.accounts.111122223333.perSecond is missing'],
    ['a rate of an account that YAML takes for another number', 'throttle:\n  accounts:\n    012345670123: { perSecond: 1 }\n',
      'throttle.accounts: "12345670123" is not the 12 digits of an account (in YAML within quotes)'],
    ['a rate of an operation that there is not', { throttle: { actions: { 'kms:CreateKey': { perSecond: 1 } } } },
      'throttle.actions: "kms:CreateKey" is not the name of an operation'],
    ['a setting of a rate that there is not', { throttle: { actions: { CreateKey: { perSecond: 1, perMinute: 1 } } } },
      'there is no setting throttle.actions.CreateKey.perMinute'],
  ] as const) {
    it(`must not have ${what}`, () => {
      expect(faultsOf(settings)).to.deep.equal([fault])
    })
  }
})
