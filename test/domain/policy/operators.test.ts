import { expect } from 'chai'
import { patternOf } from '../../../src/domain/policy/glob.js'
import { operators, parseOperator } from '../../../src/domain/policy/operators.js'
import { TooMuchWork, Work } from '../../../src/domain/policy/work.js'

function matches(name: string, wanted: string | readonly string[], actual: string, work = new Work()): boolean {
  const operator = operators.get(name)
  if (!operator) throw new Error(`there is no operator ${name}`)
  return operator.isOneOf(actual, [wanted].flat().map(one => operator.wantedOf(operator.wildcards ? patternOf(one) : one)), work)
}

describe('a condition operator', () => {
  it('is one of those that IAM documents, and each is negated or not', () => {
    const known = Object.fromEntries([...operators].map(([name, { negated }]) => [name, negated]))
    const ordered = (family: string) => ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals']
      .map(order => [family + order, order === 'NotEquals'] as const)
    expect(known).to.deep.equal(Object.fromEntries([
      ['StringEquals', false], ['StringNotEquals', true], ['StringEqualsIgnoreCase', false], ['StringNotEqualsIgnoreCase', true],
      ['StringLike', false], ['StringNotLike', true], ...ordered('Numeric'), ...ordered('Date'), ['Bool', false], ['BinaryEquals', false],
      ['IpAddress', false], ['NotIpAddress', true], ['ArnEquals', false], ['ArnLike', false], ['ArnNotEquals', true], ['ArnNotLike', true],
    ]))
  })

  it('takes policy variables with strings and ARNs only, and wildcards with those that are like', () => {
    const those = (of: 'variables' | 'wildcards') => [...operators].filter(([, operator]) => operator[of]).map(([name]) => name)
    expect(those('variables').every(name => /^(?:String|Arn)/.test(name))).to.equal(true)
    expect(those('variables')).to.have.length(10)
    expect(those('wildcards')).to.deep.equal(['StringLike', 'StringNotLike', 'ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'])
  })

  for (const [written, parsed] of Object.entries({
    'StringLike': { base: 'StringLike', set: undefined, ifExists: false },
    'StringLikeIfExists': { base: 'StringLike', set: undefined, ifExists: true },
    'ForAnyValue:StringEqualsIgnoreCaseIfExists': { base: 'StringEqualsIgnoreCase', set: 'ForAnyValue', ifExists: true },
    'ForAllValues:NotIpAddress': { base: 'NotIpAddress', set: 'ForAllValues', ifExists: false },
    'Null': { base: 'Null', set: undefined, ifExists: false },
    'ForAnyValue:Null': { base: 'Null', set: 'ForAnyValue', ifExists: false },
  })) {
    it(`may be written ${written}`, () => { expect(parseOperator(written)).to.deep.equal(parsed) })
  }

  for (const written of [
    '', 'stringequals', 'STRINGEQUALS', 'StringEquals ', ' StringEquals', 'String Equals', 'NullIfExists', 'StringLikeIfExistsIfExists',
    'ForAnyValue', 'ForAnyValue:', 'forAnyValue:StringLike', 'ForSomeValues:StringLike', 'ForAnyValue:ForAllValues:StringLike',
    'ForAnyValue::StringLike', 'IfExists', 'StringMatches', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'BoolNot', 'NotBool',
    'StringEquals\n', 'NumericEqualsIgnoreCase', 'StrıngEquals',
  ]) {
    it(`is not ${JSON.stringify(written)}`, () => { expect(parseOperator(written)).to.equal(undefined) })
  }

  const isValue = (name: string, text: string) => operators.get(name)?.isValue(text)

  for (const [name, values, others] of [
    [
      'NumericEquals', ['0', '-1', '+1', '1.5', '.5', '1.'],
      ['', 'a', '1e3', '0x1', ' 1', '1 ', '1,5', '--1', 'Infinity', 'NaN', '1'.repeat(400), '１'],
    ],
    ['DateLessThan', ['2026', '2026-07-01', '1782907200'], ['', 'now', '2026-02-30', '*']],
    ['Bool', ['true', 'false', 'TRUE', 'False'], ['', '1', 'yes', 'true ']],
    ['BinaryEquals', ['', 'QUJD', 'QQ==', 'QUI='], ['Q', 'QQ', 'QQ=', 'Q Q=', 'QUJD\n', 'QU_D', '====']],
    ['IpAddress', ['10.0.0.0/8', '10.1.2.3', '::/0', '2001:db8::1'], ['', '10.0.0', '10.0.0.0/33', '10.0.0.0/-1', '010.0.0.1', '10.*']],
    ['ArnLike', ['*', 'arn:aws:iam::1:user/a', 'a:b:c:d:e:f:g', '*:*:*:*:*:*'], ['', 'arn', 'arn:aws:iam::1', '**']],
    ['StringEquals', ['', '*', '${x}'], []],
  ] as const) {
    it(`${name} takes ${JSON.stringify(values)} and not ${JSON.stringify(others.map(other => other.slice(0, 20)))}`, () => {
      for (const value of values) expect(isValue(name, value), value).to.equal(true)
      for (const value of others) expect(isValue(name, value), value).to.equal(false)
    })
  }

  it('matches any of its values', () => {
    expect(matches('StringEquals', ['a', 'b'], 'b')).to.equal(true)
    expect(matches('StringEquals', ['a', 'b'], 'c')).to.equal(false)
    expect(matches('StringEquals', [], 'c')).to.equal(false)
  })

  it('compares numbers as numbers', () => {
    expect(matches('NumericEquals', '1.0', '1')).to.equal(true)
    expect(matches('NumericEquals', '-0', '0')).to.equal(true)
    expect(matches('NumericLessThan', '10', '9')).to.equal(true)
    for (const unreadable of ['', 'a', '1e1', 'NaN', 'Infinity', '9'.repeat(400)]) {
      for (const name of ['NumericEquals', 'NumericLessThan', 'NumericLessThanEquals', 'NumericGreaterThan', 'NumericGreaterThanEquals']) {
        expect(matches(name, '5', unreadable), `${name} ${unreadable}`).to.equal(false)
      }
    }
  })

  it('compares bytes, however they are written', () => {
    expect(matches('BinaryEquals', 'QQ==', 'QQ==')).to.equal(true)
    expect(matches('BinaryEquals', 'QR==', 'QQ==')).to.equal(true)
    expect(matches('BinaryEquals', 'QUI=', 'QQ==')).to.equal(false)
  })

  it('compares ARNs part by part', () => {
    const anne = 'arn:aws:iam::111122223333:user/a:b'
    for (const [pattern, expected] of [
      ['*', true], ['arn:aws:iam::111122223333:user/a:b', true], ['arn:*:*:*:*:*', true], ['arn:aws:iam::*:user/?:b', true],
      ['arn:aws:*:111122223333:user/a:b', false], ['arn:aws:iam:*', false], ['arn:aws*user/a:b', false],
      ['arn:aws:iam::111122223333:user', false], ['arn:aws:iam::1111*:*', true], ['ARN:aws:iam::*:*', false],
      ['arn:aws:iam::*:user/a', false], ['*:*:*:*:*:*', true], ['*:*:*:*:*', false],
    ] as const) expect(matches('ArnLike', pattern, anne), pattern).to.equal(expected)
    for (const text of ['', '*', 'anne', 'arn:aws:iam::111122223333', '::::']) expect(matches('ArnLike', '*', text), text).to.equal(false)
  })

  it('reads a value once, however many it is compared with', () => {
    const spent = (count: number) => {
      const work = new Work()
      matches('StringEqualsIgnoreCase', Array.from({ length: count }, (_, at) => `value ${at}`), 'x'.repeat(100_000), work)
      return work.spent
    }
    expect(spent(1_001) - spent(1)).to.equal(1_000)
  })

  it('pays for long values and for many', () => {
    expect(() => matches('StringEquals', 'a', 'x'.repeat(1_000_000), new Work(10_000))).to.throw(TooMuchWork)
    expect(() => matches('StringEquals', Array.from({ length: 2_000 }, () => 'a'), 'b', new Work(1_000))).to.throw(TooMuchWork)
  })
})
