import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { KmsError } from '../../../src/domain/errors.js'
import { compilePolicyText } from '../../../src/domain/policy/compile.js'
import { parsePolicy, policyBytesMax } from '../../../src/domain/policy/parse.js'
import { conditionsMax, statementsMax, valuesMax, variablesMax } from '../../../src/domain/policy/size.js'
import { PolicyRequest, type RequestFacts } from '../../../src/domain/policy/request.js'
import { Work } from '../../../src/domain/policy/work.js'
import { userCaller } from '../../support/callers.js'
import { worstPolicies } from '../../support/policies/worst-policies.js'

/** Bytes that a compiled policy weighs for each byte that a key policy may have. */
const timesMax = 8
/** Of one that was stored before there were limits to its parts. */
const storedTimesMax = 20
const copies = 20
const compile = (text: string) => compilePolicyText(text, { name: 'key policy', kind: 'key' })

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of heap for each of so many that are kept. Of three measurements the middle one: the process does other things, too. */
function weightOf(texts: readonly string[]): number {
  for (const text of texts) compile(text)
  return [0, 1, 2].map(() => measured(texts)).sort((a, b) => a - b)[1] ?? NaN
}

/** The texts are there before. */
function measured(texts: readonly string[]): number {
  collect()
  const before = process.memoryUsage().heapUsed
  const kept = texts.map(compile)
  collect()
  const bytes = (process.memoryUsage().heapUsed - before) / texts.length
  expect(kept).to.have.length(texts.length)
  return bytes
}

/** The most pieces with which it may still be set. */
function most(make: (max: number) => string): number {
  let [least, over] = [1, 20_000]
  while (over - least > 1) {
    const middle = (least + over) >> 1
    if (refusal(make(middle)) === undefined) least = middle
    else over = middle
  }
  return least
}

function refusal(text: string): string | undefined {
  try {
    parsePolicy(text, 'key')
  } catch (error) {
    if (error instanceof KmsError && error.code === 'MalformedPolicyDocumentException') return error.message
    throw error
  }
  return undefined
}

describe('the weight of a compiled policy', () => {
  for (const [what, make] of Object.entries(worstPolicies)) {
    it(`is at most ${timesMax} times what a key policy may be long, be it all ${what}`, () => {
      const max = most(pieces => make(0, { max: pieces }))
      const weight = weightOf(Array.from({ length: copies }, (_, at) => make(at, { max: max - 10 })))
      expect(weight).to.be.within(1_000, timesMax * policyBytesMax)
    })

    it(`is bounded where ${what} were stored without a limit`, () => {
      const weight = weightOf(Array.from({ length: copies }, (_, at) => make(at)))
      expect(weight).to.be.within(1_000, storedTimesMax * policyBytesMax)
    })
  }

  it('does not grow with the actions that it is asked for', () => {
    const statements = Array.from({ length: 50 }, (_, at) => ({ Effect: 'Allow', Action: [`kms:a${at}*`, 'kms:x*'], Resource: '*' }))
    const policy = compilePolicyText(JSON.stringify({ Version: '2012-10-17', Statement: statements }), { name: 'own', kind: 'identity' })
    for (let at = 0; at < 1_000; at++) policy.about(`kms:x${at}`, new Work())
    collect()
    const before = process.memoryUsage().heapUsed
    for (let at = 0; at < 20_000; at++) policy.about(`kms:xyz${at}`, new Work())
    collect()
    expect(process.memoryUsage().heapUsed - before).to.be.below(100_000)
    expect(policy.about('kms:a7b', new Work()).Allow.map(({ number }) => number)).to.deep.equal([8])
  })
})

describe('the parts of a policy', () => {
  for (const [what, make, limit, words] of [
    ['statements', 'statements', statementsMax, 'statements'],
    ['condition keys', 'short conditions', conditionsMax, 'condition keys'],
    ['values', 'empty values', valuesMax - 3, 'actions, resources, principals and condition values'],
    ['policy variables', 'values with variables', variablesMax, 'policy variables'],
  ] as const) {
    it(`are limited: ${what}`, () => {
      const text = (max: number) => worstPolicies[make]?.(1, { max }) ?? ''
      expect(refusal(text(limit))).to.equal(undefined)
      expect(refusal(text(limit + 1))).to.match(new RegExp(`^The policy has more than \\d+ ${words}$`))
      // What was stored before there was a limit still decides.
      expect(compile(text(limit + 1)).statements.length).to.be.above(0)
    })
  }

  it('may be as many as a key policy that says something has room for', () => {
    const full = (make: (count: number) => object) => {
      let count = 1
      while (JSON.stringify(make(count + 1)).length <= policyBytesMax) count++
      return JSON.stringify(make(count))
    }
    const statement = (of: object) => ({ Effect: 'Allow', Principal: { AWS: '111122223333' }, Action: 'kms:*', Resource: '*', ...of })
    const list = (count: number, one: (at: number) => string) => Array.from({ length: count }, (_, at) => one(at))
    for (const make of [
      (count: number) => ({ Statement: list(count, String).map(() => statement({})) }),
      (count: number) => ({ Statement: [statement({ Principal: { AWS: list(count, at => String(at).padStart(12, '1')) } })] }),
      (count: number) => ({ Statement: [statement({ Action: list(count, () => 'kms:Sign') })] }),
      (count: number) => ({
        Statement: [statement({ Condition: { StringEquals: { 'aws:SourceAccount': list(count, at => String(at).padStart(12, '1')) } } })],
      }),
      (count: number) => ({
        Version: '2012-10-17',
        Statement: list(count, at => `kms:EncryptionContext:${at}`)
          .map(key => statement({ Condition: { StringEquals: { [key]: '${aws:PrincipalTag/team}' } } })),
      }),
    ]) expect(refusal(full(make))).to.equal(undefined)
  })
})

describe('the worst policy', () => {
  it('decides, and within the steps of a decision', () => {
    const caller = userCaller('anne')
    const facts: RequestFacts = {
      caller, time: 0, region: 'eu-central-1', sourceIp: '::1', secureTransport: true, userAgent: undefined, referer: undefined,
      sourceArn: undefined, sourceAccount: undefined, resource: undefined, requestAlias: undefined, encryptionContext: {},
      requestKeys: () => new Map(),
    }
    for (const [what, make] of Object.entries(worstPolicies)) {
      const request = new PolicyRequest('kms:Encrypt', 'arn:aws:kms:eu-central-1:111122223333:key/1', facts)
      expect(compile(make(1)).about(request.action, request.work).Deny, what).to.have.length.within(0, 1_000)
      expect(request.work.spent).to.be.below(100_000)
    }
  })
})
