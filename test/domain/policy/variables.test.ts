import { expect } from 'chai'
import { globOf, literalOf, matches } from '../../../src/domain/policy/glob.js'
import { fixedPattern, parseTemplate, resolveTemplate, variablesOf } from '../../../src/domain/policy/variables.js'
import { TooMuchWork, Work } from '../../../src/domain/policy/work.js'

const refuse = (sentence: string): never => { throw new Error(sentence) }
const parse = (text: string, of: { variables?: boolean, wildcards?: boolean } = {}) =>
  parseTemplate(text, { variables: true, wildcards: true, ...of }, refuse)
const resolved = (text: string, values: Readonly<Record<string, string>> = {}, of = {}) =>
  globOf(resolveTemplate(parse(text, of), key => values[key], new Work()))

describe('a text with policy variables', () => {
  it('has keys in small letters, and defaults as they are', () => {
    expect(variablesOf(parse('a ${aws:UserName} b ${ aws:PrincipalTag/Team , \'No Team\' } c'))).to.deep.equal([
      { key: 'aws:username', otherwise: undefined }, { key: 'aws:principaltag/team', otherwise: 'No Team' },
    ])
    expect(variablesOf(parse('${aws:PrincipalTag/cost center}')).map(({ key }) => key)).to.deep.equal(['aws:principaltag/cost center'])
  })

  it('is what the values make of it', () => {
    expect(resolved('user-${aws:username}', { 'aws:username': 'anne' })).to.deep.equal({ kind: 'text', text: 'user-anne' })
    expect(resolved('${a:b}${a:b}', { 'a:b': 'x' })).to.deep.equal({ kind: 'text', text: 'xx' })
    expect(resolved('${a:b, \'y\'}')).to.deep.equal({ kind: 'text', text: 'y' })
    expect(resolved('${a:b, \'\'}z')).to.deep.equal({ kind: 'text', text: 'z' })
    expect(resolved('${a:b}*', { 'a:b': 'x' })).to.deep.equal({ kind: 'prefix', text: 'x' })
  })

  for (const value of ['*', '?', '**', 'a*', '${aws:username}', '${*}', '\'', '"', '}', '${', '\\', '$', '\n', ':']) {
    it(`takes the value ${JSON.stringify(value)} as it is`, () => {
      const glob = resolved('a-${a:b}-*', { 'a:b': value })
      expect(matches(glob, `a-${value}-z`, new Work())).to.equal(true)
      expect(matches(glob, 'a-other-z', new Work())).to.equal(false)
    })
  }

  it('has three literals', () => {
    expect(resolved('${*}${?}${$}')).to.deep.equal({ kind: 'text', text: '*?$' })
    expect(variablesOf(parse('${*}${?}${$}'))).to.deep.equal([])
    expect(fixedPattern(parse('a${*}'))).to.deep.equal(literalOf('a*'))
  })

  it('is only text where there are no variables', () => {
    expect(resolved('${aws:username}', {}, { variables: false })).to.deep.equal({ kind: 'text', text: '${aws:username}' })
    expect(resolved('${*}', {}, { variables: false, wildcards: false })).to.deep.equal({ kind: 'text', text: '${*}' })
  })

  it('is only text between variables where there are no wildcards', () => {
    expect(resolved('*${a:b}?', { 'a:b': 'x' }, { wildcards: false })).to.deep.equal({ kind: 'text', text: '*x?' })
  })

  for (const text of [
    '${', '${aws:username', '${}', '${ }', '${a:b,}', '${a:b, c}', '${a:b, "c"}', '${a:b, \'c}', '${a\'b}', '${${a:b}}', '${a$b}',
  ]) {
    it(`is not ${text}`, () => { expect(() => parse(text)).to.throw(/A policy variable/) })
  }

  it('pays for the length of its values', () => {
    const work = new Work(1_000)
    const template = parse('${a:b}'.repeat(20))
    expect(() => resolveTemplate(template, () => 'x'.repeat(100), work)).to.throw(TooMuchWork)
    resolveTemplate(template, () => 'x', new Work(20))
  })
})
