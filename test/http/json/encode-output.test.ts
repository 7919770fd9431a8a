import { expect } from 'chai'
import type { Members } from '../../../src/api/shape.js'
import { encodeOutput } from '../../../src/http/json/encode-output.js'

const members = {
  KeyId: { type: 'string' },
  Enabled: { type: 'boolean' },
  Count: { type: 'integer' },
  CiphertextBlob: { type: 'blob' },
  Plaintext: { type: 'blob', sensitive: true },
  CreationDate: { type: 'timestamp' },
  Names: { type: 'list', of: { type: 'string' } },
  Dates: { type: 'list', of: { type: 'structure', members: { At: { type: 'timestamp' } } } },
  Metadata: { type: 'structure', members: { Arn: { type: 'string' } } },
  Context: { type: 'map', key: { type: 'string' }, value: { type: 'string' } },
} as const satisfies Members

const encoded = (output: unknown) => JSON.parse(encodeOutput(members, output)) as unknown

describe('output', () => {
  it('is written as the wire wants it', () => {
    const at = new Date('2026-01-01T00:00:00.123Z')
    expect(encoded({
      KeyId: 'k', Enabled: false, Count: 0, CiphertextBlob: new Uint8Array([1, 2, 3, 4]), CreationDate: at, Names: ['a'],
      Dates: [{ At: at }], Metadata: { Arn: 'arn' }, Context: { a: 'b' },
    })).to.deep.equal({
      KeyId: 'k', Enabled: false, Count: 0, CiphertextBlob: 'AQIDBA==', CreationDate: 1767225600.123, Names: ['a'],
      Dates: [{ At: 1767225600.123 }], Metadata: { Arn: 'arn' }, Context: { a: 'b' },
    })
  })

  it('has no member that is undefined or that the contract does not know', () => {
    expect(encodeOutput(members, { KeyId: undefined, Metadata: { Arn: undefined, Internal: 1 }, Internal: 1 })).to.equal('{"Metadata":{}}')
  })

  it('is empty for a contract without output, and an object for an output without members', () => {
    expect(encodeOutput(null, { KeyId: 'k' })).to.equal('')
    expect(encodeOutput({}, undefined)).to.equal('{}')
  })

  it('has whole seconds as whole numbers and never more than three decimals', () => {
    expect(encodeOutput(members, { CreationDate: new Date(1767225600000) })).to.equal('{"CreationDate":1767225600}')
    for (let ms = 0; ms < 1000; ms++) {
      expect(encodeOutput(members, { CreationDate: new Date(1767225600000 + ms) })).to.match(/^\{"CreationDate":\d+(\.\d{1,3})?\}$/)
    }
  })

  it('has views encoded as what they show', () => {
    const view = new Uint8Array([9, 1, 2, 9]).subarray(1, 3)
    expect(encoded({ CiphertextBlob: view })).to.deep.equal({ CiphertextBlob: 'AQI=' })
  })

  it('leaves sensitive bytes overwritten, and others alone', () => {
    const [plaintext, ciphertext] = [new Uint8Array([1, 2]), new Uint8Array([1, 2])]
    expect(encoded({ Plaintext: plaintext, CiphertextBlob: ciphertext })).to.deep.equal({ Plaintext: 'AQI=', CiphertextBlob: 'AQI=' })
    expect([...plaintext, ...ciphertext]).to.deep.equal([0, 0, 1, 2])
  })
})
