import { expect } from 'chai'
import { isJsonObject, parseStrictly } from '../../../src/domain/policy/json.js'

const refuse = (sentence: string): never => { throw new Error(sentence) }
const parse = (text: string) => parseStrictly(text, refuse)

describe('the JSON of a policy', () => {
  for (const text of [
    '{}', '[]', '"a"', '1', 'null', ' {"a": [1, {"b": "\\"c\\": {"}]} ', '{"a":{"b":1},"c":{"b":1}}', '["a","a"]', '{"a":"a"}',
  ]) {
    it(`may be ${text}`, () => { expect(parse(text)).to.deep.equal(JSON.parse(text)) })
  }

  for (const text of [
    '', '{', '{"a":1,}', '[1,]', "{'a':1}", '{a:1}', '// a\n{}', '{}{}', 'undefined', 'NaN', '\ufeff{}', '{"a":"\u0001"}',
  ]) {
    it(`must not be ${JSON.stringify(text)}`, () => { expect(() => parse(text)).to.throw('The policy is not valid JSON') })
  }

  for (const [what, text] of Object.entries({
    'at the top': '{"a":1,"a":1}',
    'in another case': '{"Statement":1,"statement":2}',
    'written with an escape': '{"a":1,"\\u0061":2}',
    'with something between': '{"a":1,"b":{"a":1},"a":2}',
    'deep down': '[{"b":[{"c":1,"c":2}]}]',
    'that objects have anyway': '{"__proto__":1,"__proto__":2}',
    'that is empty': '{"":1,"":2}',
    'with a blank before the colon': '{"a" :1,"a"\n\t: 2}',
  })) {
    it(`must not have a name twice ${what}`, () => { expect(() => parse(text)).to.throw('The policy has an element twice') })
  }

  it('may have the same name in two objects, and the same text as a value', () => {
    parse('{"a":{"b":"c"},"d":{"b":"b"},"e":["a","b","a"]}')
  })

  it('must not be nested deeper than a policy goes', () => {
    parse(`${'['.repeat(6)}${']'.repeat(6)}`)
    expect(() => parse(`${'['.repeat(7)}${']'.repeat(7)}`)).to.throw('The policy is nested too deeply')
    expect(() => parse(`${'{"a":'.repeat(7)}1${'}'.repeat(7)}`)).to.throw('The policy is nested too deeply')
  })

  it('is not counted within texts', () => {
    parse(JSON.stringify({ a: '[[[[[[[[[[{{{{{{{{{{', b: '"a": "a": \\' }))
  })

  it('may be nested a hundred thousand times without taking the process down', () => {
    expect(() => parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).to.throw(/nested too deeply|not valid JSON/)
  })

  it('tells objects from all else', () => {
    expect([{}, { a: 1 }].map(isJsonObject)).to.deep.equal([true, true])
    expect([null, [], '', 1, true, undefined].map(isJsonObject)).to.deep.equal([false, false, false, false, false, false])
  })
})
