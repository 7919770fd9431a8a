import { expect } from 'chai'
import { mapBytesMax, mapPairsMax } from '../../../src/http/json/constraints.js'
import { checkInput } from '../../../src/http/json/shape-check.js'
import { refusalOf } from '../fixtures.js'

const members = { EncryptionContext: { type: 'map', key: { type: 'string' }, value: { type: 'string' } } } as const
const check = (json: unknown) => checkInput(members, json) as Record<string, unknown>
const refused = (json: unknown) => refusalOf(() => check(json))

describe('a map', () => {
  const pairs = (count: number) => ({ EncryptionContext: Object.fromEntries(Array.from({ length: count }, (_, at) => [at, ''])) })
  const bytes = (key: string, value: string) => ({ EncryptionContext: { [key]: value } })
  const fault = '1 validation error detected: Value at \'encryptionContext\' failed to satisfy constraint: Member must have'

  it('has at most so many pairs', async () => {
    expect(Object.keys(check(pairs(mapPairsMax)).EncryptionContext as object)).to.have.length(mapPairsMax)
    expect(await refused(pairs(mapPairsMax + 1))).to.deep.equal(['ValidationException', `${fault} length less than or equal to 1000`])
  })

  it('has at most so many bytes in keys and values together', async () => {
    const half = mapBytesMax / 2
    for (const json of [bytes('k'.repeat(half), 'v'.repeat(half)), bytes('', '\u00e9'.repeat(half))]) check(json)
    for (const json of [bytes('k'.repeat(half + 1), 'v'.repeat(half)), bytes('k', '\u00e9'.repeat(half))]) {
      expect(await refused(json)).to.deep.equal([
        'ValidationException', `${fault} at most 65536 bytes of UTF-8 in its keys and values together`,
      ])
    }
  })
})
