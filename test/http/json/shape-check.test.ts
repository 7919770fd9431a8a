import { expect } from 'chai'
import { contracts } from '../../../src/api/operations.js'
import type { Members } from '../../../src/api/shape.js'
import { echoedCharactersMax, faultsMax } from '../../../src/http/json/constraints.js'
import { parseJson } from '../../../src/http/json/read-json.js'
import { checkInput } from '../../../src/http/json/shape-check.js'
import { randomFrom, refusalOf } from '../fixtures.js'

const tag = { TagKey: { type: 'string', required: true, max: 2 }, TagValue: { type: 'string' } } as const
const recipient = { KeyEncryptionAlgorithm: { type: 'enum', values: ['X'] }, AttestationDocument: { type: 'blob', max: 2 } } as const

const members = {
  KeyId: { type: 'string', required: true, min: 1, max: 8 },
  Description: { type: 'string', max: 4, default: '' },
  Password: { type: 'string', min: 7, sensitive: true },
  Name: { type: 'string', pattern: '[a-z]+' },
  KeySpec: { type: 'enum', values: ['AES_128', 'AES_256'] },
  NumberOfBytes: { type: 'integer', min: 1, max: 1024 },
  DryRun: { type: 'boolean' },
  Plaintext: { type: 'blob', min: 1, max: 3 },
  ValidTo: { type: 'timestamp' },
  GrantTokens: { type: 'list', of: { type: 'string', min: 1, max: 2 }, max: 2 },
  Operations: { type: 'list', of: { type: 'enum', values: ['Encrypt', 'Decrypt'] } },
  Tags: { type: 'list', of: { type: 'structure', members: tag } },
  EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
  Recipient: { type: 'structure', members: recipient },
} as const satisfies Members

const check = (json: unknown) => checkInput(members, json) as Record<string, unknown>
const checkText = (text: string) => check(parseJson(Buffer.from(text)))
const refused = (json: unknown) => refusalOf(() => check(json))
const valid = { KeyId: 'k' }

describe('input', () => {
  it('comes out as its shapes say', () => {
    expect(check({
      KeyId: 'key', Description: 'text', KeySpec: 'AES_256', NumberOfBytes: 32, DryRun: true, Plaintext: 'AQID', ValidTo: 1767225600.5,
      GrantTokens: ['a', 'b'], Operations: ['Encrypt'], Tags: [{ TagKey: 'a', TagValue: 'b' }], EncryptionContext: { a: 'b' },
      Recipient: { KeyEncryptionAlgorithm: 'X', AttestationDocument: 'AQ==' },
    })).to.deep.equal({
      KeyId: 'key', Description: 'text', KeySpec: 'AES_256', NumberOfBytes: 32, DryRun: true, Plaintext: Buffer.from([1, 2, 3]),
      ValidTo: new Date('2026-01-01T00:00:00.500Z'), GrantTokens: ['a', 'b'], Operations: ['Encrypt'],
      Tags: [{ TagKey: 'a', TagValue: 'b' }], EncryptionContext: { a: 'b' },
      Recipient: { KeyEncryptionAlgorithm: 'X', AttestationDocument: Buffer.from([1]) },
    })
  })

  it('has its defaults filled in, and null as good as absent', () => {
    expect(check(valid)).to.deep.equal({ KeyId: 'k', Description: '' })
    expect(check({ ...valid, Description: null, Tags: null, DryRun: null })).to.deep.equal({ KeyId: 'k', Description: '' })
  })

  it('has no members that the contract does not know', () => {
    expect(check({ ...valid, Extra: { deep: [1] }, constructor: 1 })).to.have.all.keys('KeyId', 'Description')
    expect(check({ ...valid, Tags: [{ TagKey: 'a', Extra: 1 }] }).Tags).to.deep.equal([{ TagKey: 'a' }])
  })

  it('does not take members from a prototype', async () => {
    const json = '{"__proto__":{"KeyId":"k"}}'
    expect((await refusalOf(() => checkText(json)))[0]).to.equal('ValidationException')
  })

  it('has fractions of integers cut off', () => {
    for (const [sent, taken] of [[32.9, 32], [1.0, 1], [1024.99, 1024]]) {
      expect(check({ ...valid, NumberOfBytes: sent }).NumberOfBytes).to.equal(taken)
    }
  })

  it('has milliseconds in times, before 1970 too', () => {
    expect(check({ ...valid, ValidTo: 1.0006 }).ValidTo).to.deep.equal(new Date(1001))
    expect(check({ ...valid, ValidTo: -1.5 }).ValidTo).to.deep.equal(new Date(-1500))
  })
})

describe('an encryption context', () => {
  const context = (text: string) => checkText(`{"KeyId":"k","EncryptionContext":${text}}`).EncryptionContext as Record<string, string>

  it('keeps every key, whatever it is called', () => {
    const pairs = [['__proto__', 'a'], ['constructor', 'b'], ['toString', 'c'], ['hasOwnProperty', 'd'], ['', 'e'], ['length', 'f']]
    const taken = context(`{${pairs.map(([key, value]) => `"${key}":"${value}"`).join(',')}}`)
    expect(Object.entries(taken)).to.deep.equal(pairs)
    expect(Object.getPrototypeOf(taken)).to.equal(Object.prototype)
    expect(({} as Record<string, unknown>).a).to.equal(undefined)
  })

  it('may be empty', () => expect(context('{}')).to.deep.equal({}))

  it('keeps characters beyond the basic plane', () => {
    expect(context('{"\\ud83d\\udd11":"\u{1f510}"}')).to.deep.equal({ '\u{1f511}': '\u{1f510}' })
  })

  for (const half of ['\\ud800', '\\udc00', 'a\\ud83d', '\\udd11\\ud83d']) {
    it(`is refused with half a surrogate pair: ${half}`, async () => {
      for (const text of [`{"a":"${half}"}`, `{"${half}":"a"}`]) {
        expect(await refusalOf(() => context(text))).to.deep.equal(['SerializationException', 'STRING_VALUE is not well-formed Unicode'])
      }
    })
  }

  const mismatches: readonly [string, string][] = [
    ['{"a":1}', 'NUMBER_VALUE can not be converted to a String'],
    ['{"a":true}', 'TRUE_VALUE can not be converted to a String'],
    ['{"a":null}', 'NULL_VALUE found where not expected'],
    ['{"a":["b"]}', 'Start of list found where not expected'],
    ['{"a":{}}', 'Start of structure or map found where not expected.'],
    ['["a"]', 'Start of list found where not expected'],
    ['"a"', 'Expected null'],
  ]
  for (const [text, message] of mismatches) {
    it(`is refused as ${text}`, async () => {
      expect(await refusalOf(() => context(text))).to.deep.equal(['SerializationException', message])
    })
  }
})

describe('a type mismatch', () => {
  const cases: readonly [unknown, string][] = [
    [{ KeyId: 1 }, 'NUMBER_VALUE can not be converted to a String'],
    [{ KeyId: true }, 'TRUE_VALUE can not be converted to a String'],
    [{ KeyId: false }, 'FALSE_VALUE can not be converted to a String'],
    [{ KeyId: ['k'] }, 'Start of list found where not expected'],
    [{ KeyId: {} }, 'Start of structure or map found where not expected.'],
    [{ KeySpec: 1 }, 'NUMBER_VALUE can not be converted to a String'],
    [{ NumberOfBytes: '1' }, 'STRING_VALUE can not be converted to an Integer'],
    [{ NumberOfBytes: true }, 'TRUE_VALUE can not be converted to an Integer'],
    [{ NumberOfBytes: 1e10 }, 'NUMBER_VALUE can not be converted to an Integer'],
    [{ NumberOfBytes: Infinity }, 'NUMBER_VALUE can not be converted to an Integer'],
    [{ NumberOfBytes: -2147483649 }, 'NUMBER_VALUE can not be converted to an Integer'],
    [{ DryRun: 'true' }, 'STRING_VALUE can not be converted to a Boolean'],
    [{ DryRun: 1 }, 'NUMBER_VALUE can not be converted to a Boolean'],
    [{ Plaintext: 1 }, 'NUMBER_VALUE can not be converted to a Blob'],
    [{ ValidTo: '2026-01-01' }, 'STRING_VALUE can not be converted to milliseconds since epoch'],
    [{ ValidTo: 1e300 }, 'NUMBER_VALUE can not be converted to milliseconds since epoch'],
    [{ GrantTokens: 'a' }, 'Expected list or null'],
    [{ GrantTokens: {} }, 'Start of structure or map found where not expected.'],
    [{ GrantTokens: [1] }, 'NUMBER_VALUE can not be converted to a String'],
    [{ GrantTokens: [null] }, 'NULL_VALUE found where not expected'],
    [{ Tags: [[]] }, 'Start of list found where not expected'],
    [{ Tags: ['a'] }, 'Expected null'],
    [{ Recipient: [] }, 'Start of list found where not expected'],
    [{ Recipient: 1 }, 'Expected null'],
    [{ Recipient: { AttestationDocument: 1 } }, 'NUMBER_VALUE can not be converted to a Blob'],
  ]
  for (const [json, message] of cases) {
    it(`is named: ${JSON.stringify(json)}`, async () => expect(await refused(json)).to.deep.equal(['SerializationException', message]))
  }

  it('wins over a constraint that is broken too', async () => {
    expect((await refused({ KeyId: '', NumberOfBytes: 0, DryRun: 'yes' }))[0]).to.equal('SerializationException')
  })

  for (const json of [null, [], 'text', 1, true, undefined]) {
    it(`has no text when the input is ${JSON.stringify(json) ?? 'nothing'}`, async () => {
      expect(await refused(json)).to.deep.equal(['SerializationException', ''])
    })
  }
})

describe('base64', () => {
  const blob = (text: string) => check({ ...valid, Plaintext: text }).Plaintext

  it('is read in its canonical form', () => {
    for (const bytes of [[1], [1, 2], [255, 254, 253]]) {
      expect(blob(Buffer.from(bytes).toString('base64'))).to.deep.equal(Buffer.from(bytes))
    }
  })

  const wrong = [
    'AQ', 'AQ=', 'AQI', 'AQ===', 'A', '=', '====', 'AQID=', 'AR==', 'AQJ=', '-_-_', 'AQ ==', 'AQID\n', ' AQID', 'AQ==AQ==', 'A*==',
    '\u00e9AQ=',
  ]
  for (const text of wrong) {
    it(`is refused as ${JSON.stringify(text)}, without an echo`, async () => {
      expect(await refusalOf(() => blob(text))).to.deep.equal(['SerializationException', 'STRING_VALUE can not be converted to a Blob'])
    })
  }
})

describe('a broken constraint', () => {
  const cases: readonly [Record<string, unknown>, string][] = [
    [{ KeyId: undefined }, "Value null at 'keyId' failed to satisfy constraint: Member must not be null"],
    [{ KeyId: '' }, "Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1"],
    [{ KeyId: '123456789' }, "Value '123456789' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 8"],
    [{ Password: 'secret' }, "Value at 'password' failed to satisfy constraint: Member must have length greater than or equal to 7"],
    [{ Name: 'a-b' }, "Value 'a-b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"],
    [{ Name: 'ab\n' }, "Value 'ab\n' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"],
    [{ KeySpec: 'AES' }, "Value 'AES' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_128, AES_256]"],
    [{ KeySpec: 'toString' },
      "Value 'toString' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_128, AES_256]"],
    [{ NumberOfBytes: 0 }, "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"],
    [{ NumberOfBytes: 1025 },
      "Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"],
    [{ Plaintext: '' }, "Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"],
    [{ Plaintext: 'AAAAAA==' }, "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 3"],
    [{ GrantTokens: ['a', 'b', 'c'] },
      "Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 2"],
    [{ GrantTokens: ['a', ''] }, "Value at 'grantTokens' failed to satisfy constraint: "
      + 'Member must satisfy constraint: [Member must have length greater than or equal to 1]'],
    [{ Operations: ['Encrypt', 'Sign'] }, "Value at 'operations' failed to satisfy constraint: "
      + 'Member must satisfy constraint: [Member must satisfy enum value set: [Encrypt, Decrypt]]'],
    [{ Tags: [{ TagKey: 'ok' }, { TagKey: 'long' }] },
      "Value 'long' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 2"],
    [{ Tags: [{}] }, "Value null at 'tags.1.member.tagKey' failed to satisfy constraint: Member must not be null"],
    [{ Recipient: { AttestationDocument: 'AAAA' } },
      "Value at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length less than or equal to 2"],
  ]
  for (const [json, fault] of cases) {
    it(`is described: ${JSON.stringify(json)}`, async () => {
      expect(await refused({ ...valid, ...json })).to.deep.equal(['ValidationException', `1 validation error detected: ${fault}`])
    })
  }

  it('stands in a list of all of them, in the order of the contract', async () => {
    expect(await refused({ NumberOfBytes: 0, KeySpec: 'X' })).to.deep.equal(['ValidationException', '3 validation errors detected: '
      + "Value null at 'keyId' failed to satisfy constraint: Member must not be null; "
      + "Value 'X' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_128, AES_256]; "
      + "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"])
  })

  it(`is one of at most ${faultsMax} that are listed`, async () => {
    const [, message] = await refused({ ...valid, Tags: Array.from({ length: 5000 }, () => ({})) })
    expect(message).to.match(new RegExp(`^${faultsMax} validation errors detected: `)).and.have.length.below(2000)
  })

  it(`repeats at most ${echoedCharactersMax} characters of the value`, async () => {
    const [, message] = await refused({ KeyId: 'a'.repeat(100_000) })
    expect(message).to.contain(`'${'a'.repeat(echoedCharactersMax)}' at`)
  })

  it('counts characters, not UTF-16 units', async () => {
    expect(check({ ...valid, Description: '\u{1f511}'.repeat(4) })).to.have.property('Description')
    expect((await refused({ ...valid, Description: '\u{1f511}'.repeat(5) }))[1]).to.contain('less than or equal to 4')
  })
})

describe('a body', () => {
  for (const text of ['', ' ', '{', '{"a":1,}', "{'a':1}", '{"a":01}', '{}{}', '\ufeff{}', '{"a":NaN}', '{a:1}', '// x\n{}']) {
    it(`is refused as ${JSON.stringify(text)}, without the parser's words`, async () => {
      expect(await refusalOf(() => checkText(text))).to.deep.equal(['SerializationException', ''])
    })
  }

  it('is refused when it is not UTF-8', async () => {
    for (const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xc0, 0x80, 0x22]]) {
      expect(await refusalOf(() => parseJson(Buffer.from(bytes)))).to.deep.equal(['SerializationException', ''])
    }
    expect(parseJson(Buffer.from('"\u00e9\u{1f511}"'))).to.equal('\u00e9\u{1f511}')
  })

  it('is read from a view into a larger buffer', () => {
    expect(parseJson(new Uint8Array(Buffer.from('xx{}xx')).subarray(2, 4))).to.deep.equal({})
  })

  it('may be nested deeply where nobody looks, and is refused where somebody does', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(checkText(`{"KeyId":"k","Extra":${deep}}`)).to.deep.equal(check(valid))
    for (const member of ['KeyId', 'Tags', 'EncryptionContext']) {
      expect((await refusalOf(() => checkText(`{"KeyId":"k","${member}":${deep}}`)))[0]).to.equal('SerializationException')
    }
  })
})

describe('every contract of the API', () => {
  const random = randomFrom(2)
  const pick = (values: readonly unknown[]) => values[Math.floor(random() * values.length)]
  const value = (depth: number): unknown => pick([
    null, true, 0, -1, 2 ** 31, 1e308, '', 'a', 'AQID', '\ud800', 'x'.repeat(9000), [], {},
    depth > 0 ? [value(depth - 1), value(depth - 1)] : 'AES_256',
    depth > 0 ? { TagKey: value(depth - 1), ['__proto__']: value(depth - 1) } : 'a',
  ])

  for (const [name, { input }] of contracts) {
    it(`${name}: takes or refuses whatever JSON it is given`, async () => {
      for (let round = 0; round < 100; round++) {
        const json = Object.fromEntries(Object.keys(input).filter(() => random() < 0.7).map(member => [member, value(2)]))
        try {
          expect(Object.keys(input)).to.include.members(Object.keys(checkInput(input, json) as object))
        } catch (error) {
          const [code] = await refusalOf(() => { throw error })
          expect(code).to.be.oneOf(['SerializationException', 'ValidationException'])
        }
      }
    })
  }
})
