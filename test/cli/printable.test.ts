import { expect } from 'chai'
import { printable, printableLines } from '../../src/cli/printable.js'

describe('what others have written, on a terminal', () => {
  it('is shown as it is where it can be seen', () => {
    for (const text of ['', 'plain', 'ümläut', '日本語', '{"a": "b"}', '\\u{1b}']) expect(printable(text)).to.equal(text)
  })

  for (const [what, text, shown] of [
    ['moves the cursor', 'a\x1b[2Kb', 'a\\u{1b}[2Kb'], ['goes back', 'a\rb\b', 'a\\u{d}b\\u{8}'],
    ['is a C1 control', 'a\u009b2Jb', 'a\\u{9b}2Jb'], ['turns the direction', 'a\u202eb\u2066', 'a\\u{202e}b\\u{2066}'],
    ['cannot be seen', 'a\u200bb\u00ad', 'a\\u{200b}b\\u{ad}'], ['breaks lines', 'a\nb\u2028c', 'a\\u{a}b\\u{2028}c'],
    ['is no character', 'a\ud800', 'a\\u{d800}'],
  ] as const) {
    it(`is shown by its number where it ${what}`, () => {
      expect(printable(text)).to.equal(shown)
    })
  }

  it('keeps its lines and tabs where it may have some', () => {
    expect(printableLines('a\n\tb\r\nc\x1b')).to.deep.equal(['a', '  b', 'c\\u{1b}'])
  })
})
