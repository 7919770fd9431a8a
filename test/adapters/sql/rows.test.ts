import { expect } from 'chai'
import { encodeRow, rowDigest } from '../../../src/adapters/sql/rows.js'

describe('row encoding', () => {
  const encoding = (table: string, columns: object) => Buffer.from(encodeRow(table, columns)).toString('hex')

  it('is the table, then name, type letter and value of each column, every one behind its length', () => {
    expect(Buffer.from(encodeRow('t', { b: 12, a: 'x' })).toString('latin1')).to.equal([
      '\0\0\0\x01t', '\0\0\0\x01a', '\0\0\0\x01t', '\0\0\0\x01x', '\0\0\0\x01b', '\0\0\0\x01n', '\0\0\0\x0212',
    ].join(''))
  })

  it('does not depend on the order of columns', () => {
    expect(encoding('t', { a: 1, b: 2 })).to.equal(encoding('t', { b: 2, a: 1 }))
  })

  it('stays the same when a later migration adds a column without a value', () => {
    expect(encoding('t', { a: 1, later: null })).to.equal(encoding('t', { a: 1 }))
  })

  it('differs for everything that differs', () => {
    const rows: readonly (readonly [string, object])[] = [
      ['t', {}], ['u', {}], ['t', { a: '' }], ['t', { b: '' }], ['t', { a: '1' }], ['t', { a: 1 }], ['t', { a: -1 }], ['t', { a: 1.5 }],
      ['t', { a: Uint8Array.of(0x31) }], ['t', { a: new Uint8Array(0) }], ['t', { a: 'bt', c: 'd' }], ['t', { a: 'b', tc: 'd' }],
      ['t', { a: '1', b: '' }], ['t', { a: '', b: '1' }], ['ta', { t: '1' }],
    ]
    expect(new Set(rows.map(([table, columns]) => encoding(table, columns))).size).to.equal(rows.length)
    expect(new Set(rows.map(([table, columns]) => Buffer.from(rowDigest(table, columns)).toString('hex'))).size).to.equal(rows.length)
  })

  it('refuses a text that a database would give back changed', () => {
    expect(() => encodeRow('t', { a: 'x\udc00' })).to.throw(TypeError, 'surrogate')
    expect(() => encodeRow('t', { a: '𝄞' })).to.not.throw()
  })

  it('refuses values that no column holds', () => {
    for (const value of [true, 1n, undefined, {}]) expect(() => encodeRow('t', { a: value })).to.throw(TypeError, 'cannot hold')
  })
})
