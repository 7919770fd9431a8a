import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import type { Key } from '../../../src/domain/key.js'
import { policyBytesMax } from '../../../src/domain/policy/parse.js'
import { KeyPolicies } from '../../../src/service/authorization/key-policies.js'
import { sampleKey } from '../../contract/store-samples.js'
import { worstPolicies } from '../../support/policies/worst-policies.js'
import { RecordedLog } from '../../support/recorded.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const policyOf = (Sid: string) =>
  JSON.stringify({ Statement: { Sid, Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' } })
const keyWith = (number: number, policy: string): Key => ({ ...sampleKey(number), policy, policyBindings: {} })

describe('the compiled policies of keys', () => {
  it('are compiled once for as long as the policy stays as it is', () => {
    const policies = new KeyPolicies(new RecordedLog())
    const key = keyWith(1, policyOf('a'))
    const first = policies.of(key)
    expect(policies.of({ ...key, state: 'Disabled', revision: 7 })).to.equal(first)
    for (const other of [{ ...key, policy: policyOf('b') }, { ...key, policyBindings: { [key.arn]: 'AIDA1' } }]) {
      expect(policies.of(other)).not.to.equal(first)
    }
    expect(policies.of(keyWith(2, key.policy))).not.to.equal(policies.of(key))
  })

  it('are compiled again when there was no room for them', () => {
    const policies = new KeyPolicies(new RecordedLog(), 2_000)
    const keys = [1, 2, 3, 4].map(number => keyWith(number, policyOf(`s${number}`)))
    const first = keys.map(key => policies.of(key))
    const [one] = keys
    if (!one) throw new Error('there is no key')
    const again = policies.of(one)
    expect(again).not.to.equal(first[0])
    expect(again.statements).to.deep.equal(first[0]?.statements)
    expect(policies.of(one)).to.equal(again)
    const tooLong = keyWith(5, policyOf('x'.repeat(2_000)))
    expect(policies.of(tooLong).statements).to.have.length(1)
    expect(policies.of(one)).to.equal(again)
  })

  // Weights of worst-policies.ts, eight bytes for each character (domain/policy/weight.test.ts): what one key too many would add is seen.
  it('do not fill the memory, however many keys have the worst of them', () => {
    const makers = Object.values(worstPolicies)
    const make = (number: number) => keyWith(number, makers[number % makers.length]?.(number) ?? '')
    const policies = new KeyPolicies(new RecordedLog(), 32 * policyBytesMax)
    const used = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = used()
    for (let number = 0; number < 60; number++) policies.of(make(number))
    const some = used()
    for (let number = 60; number < 360; number++) policies.of(make(number))
    const most = used()
    expect(most - before).to.be.below(32 * policyBytesMax * 16)
    expect(most - some).to.be.below(32 * policyBytesMax * 4)
    // They are kept as far as there is room.
    const last = make(359)
    expect(policies.of(last)).to.equal(policies.of(last))
  })
})
