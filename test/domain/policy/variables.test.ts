import { expect } from 'chai'
import { matches } from '../../../src/domain/policy/glob.js'
import { parseTemplate, resolveTemplate, variablesOf } from '../../../src/domain/policy/variables.js'
import { TooMuchWork, Work } from '../../../src/domain/policy/work.js'

const refuse = (sentence: string): never => { throw new Error(sentence) }
const parse = (text: string, of: { variables?: boolean, wildcards?: boolean } = {}) =>
  parseTemplate(text, { variables: true, wildcards: true, ...of }, refuse)
const resolved = (text: string, values: Readonly<Record<string, string>> = {}, of: { variables?: boolean, wildcards?: boolean } = {}) =>
  resolveTemplate(parse(text, of), of.wildcards ?? true, key => values[key], new Work())

describe('a text with policy variables', () => {
  it('has keys in small letters, and defaults as they are', () => {
    expect(variablesOf(parse('a ${aws:UserName} b ${ aws:PrincipalTag/Team , \'No Team\' } c'))).to.deep.equal([
      { key: 'aws:username', otherwise: undefined }, { key: 'aws:principaltag/team', otherwise: 'No Team' },
    ])
    expect(variablesOf(parse('${aws:PrincipalTag/cost center}')).map(({ key }) => key)).to.deep.equal(['aws:principaltag/cost center'])
  })

  it('is what the values make of it', () => {
    expect(resolved('user-${aws:username}', { 'aws:username': 'anne' })).to.equal('user-anne')
    expect(resolved('${a:b}${a:b}', { 'a:b': 'x' })).to.equal('xx')
    expect(resolved('${a:b, \'y\'}')).to.equal('y')
    expect(resolved('${a:b, \'\'}z')).to.equal('z')
    expect(resolved('${a:b}*', { 'a:b': 'x' })).to.deep.equal('x*')
  })

  for (const value of ['*', '?', '**', 'a*', '${aws:username}', '${*}', '\'', '"', '}', '${', '\\', '$', '\n', ':']) {
    it(`takes the value ${JSON.stringify(value)} as it is`, () => {
      const pattern = resolved('a-${a:b}-*', { 'a:b': value })
      expect(matches(pattern, `a-${value}-z`, new Work())).to.equal(true)
      expect(matches(pattern, 'a-other-z', new Work())).to.equal(false)
    })
  }

  it('has three literals', () => {
    expect(resolved('${*}${?}${$}')).to.equal('\\*\\?$')
    expect(variablesOf(parse('${*}${?}${$}'))).to.deep.equal([])
    expect(parse('a${*}')).to.equal('a\\*')
    expect(parse('a${*}', { wildcards: false })).to.equal('a*')
  })

  it('is only text where there are no variables', () => {
    expect(resolved('${aws:username}', {}, { variables: false })).to.equal('${aws:username}')
    expect(resolved('${*}', {}, { variables: false, wildcards: false })).to.equal('${*}')
  })

  it('is only text between variables where there are no wildcards', () => {
    expect(resolved('*${a:b}?', { 'a:b': 'x' }, { wildcards: false })).to.equal('*x?')
  })

  for (const text of [
    '${', '${aws:username', '${}', '${ }', '${a:b,}', '${a:b, c}', '${a:b, "c"}', '${a:b, \'c}', '${a\'b}', '${${a:b}}', '${a$b}',
  ]) {
    it(`is not ${text}`, () => { expect(() => parse(text)).to.throw(/A policy variable/) })
  }

  it('pays for the length of its values', () => {
    const work = new Work(1_000)
    const template = parse('${a:b}'.repeat(20))
    expect(() => resolveTemplate(template, true, () => 'x'.repeat(100), work)).to.throw(TooMuchWork)
    resolveTemplate(template, true, () => 'x', new Work(20))
  })
})
