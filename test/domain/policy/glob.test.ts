import { expect } from 'chai'
import { isAnyRun, literalOf, matches, patternOf } from '../../../src/domain/policy/glob.js'
import { TooMuchWork, Work } from '../../../src/domain/policy/work.js'
import { printSeedOfFailures, seeded } from '../../support/seeded.js'

const fits = (pattern: string, text: string, work = new Work()) => matches(patternOf(pattern), text, work)

/** A character, or what stands for a run or for one. */
function asRegExp(pattern: string): RegExp {
  const parts = [...pattern].map(one => one === '*' ? '[^]*' : one === '?' ? '[^]' : one.replace(/[\\^$.|+()[\]{}]/, '\\$&'))
  return new RegExp(`^${parts.join('')}$`, 'u')
}

describe('a pattern', () => {
  printSeedOfFailures()

  for (const [pattern, texts, others] of [
    ['', [''], ['a']],
    ['a', ['a'], ['', 'A', 'aa', 'ab']],
    ['*', ['', 'a', 'anything\nat all'], []],
    ['**', ['', 'a'], []],
    ['?', ['a', '*', '\n', '𝄞'], ['', 'ab']],
    ['??', ['ab', '𝄞a'], ['a', '𝄞']],
    ['a*', ['a', 'ab', 'a*'], ['', 'ba']],
    ['*a', ['a', 'ba', 'aa'], ['ab']],
    ['a*b', ['ab', 'axb', 'abb', 'a\nb'], ['a', 'b', 'abc']],
    ['a*b*c', ['abc', 'abbbc', 'axbxc', 'abcbc'], ['acb', 'abcd']],
    ['*?', ['a', 'ab'], ['']],
    ['a?*c', ['abc', 'abxc'], ['ac']],
    ['a.c', ['a.c'], ['abc']],
    ['(a+)+$', ['(a+)+$'], ['aa']],
    ['\\*', ['\\', '\\x'], ['*']],
    ['*ab', ['aab', 'abab'], ['aba']],
  ] as const) {
    it(`${JSON.stringify(pattern)} fits ${JSON.stringify(texts)} and not ${JSON.stringify(others)}`, () => {
      for (const text of texts) expect(fits(pattern, text), text).to.equal(true)
      for (const text of others) expect(fits(pattern, text), text).to.equal(false)
    })
  }

  it('fits what a regular expression of the same meaning fits', () => {
    const random = seeded('glob')
    const word = (from: string, most: number) => Array.from({ length: random.below(most) }, () => random.pick([...from])).join('')
    for (let count = 0; count < 20_000; count++) {
      const [pattern, text] = [word('ab*?𝄞', 8), word('ab𝄞', 10)]
      expect(fits(pattern, text), `${pattern} and ${text}`).to.equal(asRegExp(pattern).test(text))
    }
  })

  it('is the text itself, unless there is something to escape', () => {
    expect(['abc', 'abc*', '?b*', 'a.c(𝄞)'].map(patternOf)).to.deep.equal(['abc', 'abc*', '?b*', 'a.c(𝄞)'])
    expect(patternOf('a\\*')).to.equal('a\\\\*')
    expect(literalOf('a*?\\')).to.equal('a\\*\\?\\\\')
  })

  it('of a literal fits that text and no other', () => {
    const random = seeded('literals')
    const word = () => Array.from({ length: random.below(6) }, () => random.pick([...'a*?\\'])).join('')
    for (let count = 0; count < 20_000; count++) {
      const [literal, text, rest] = [word(), word(), word()]
      expect(matches(literalOf(literal), literal, new Work()), literal).to.equal(true)
      expect(matches(literalOf(literal), text, new Work()), `${literal} and ${text}`).to.equal(literal === text)
      // Whatever stands beside it.
      expect(matches(`${literalOf(literal)}${patternOf('*')}`, text + rest, new Work())).to.equal((text + rest).startsWith(literal))
    }
  })

  it('may be a part of one', () => {
    const pattern = 'xx:a*b\\\\:yy'
    expect(matches(pattern, 'a--b\\', new Work(), 3, 8)).to.equal(true)
    for (const text of ['a--b', 'a--b\\:', 'xx:ab\\', '']) expect(matches(pattern, text, new Work(), 3, 8), text).to.equal(false)
    expect(matches('*:a', 'anything', new Work(), 0, 1)).to.equal(true)
    expect(['', ':'].map(text => matches('*:a', text, new Work(), 1, 1))).to.deep.equal([true, false])
  })

  it('is a lone star, or it is not', () => {
    expect(['*', '**', 'a', '', '*a', '?'].map(text => isAnyRun(patternOf(text)))).to.deep.equal([true, true, false, false, false, false])
    expect(isAnyRun(literalOf('*'))).to.equal(false)
  })
})

describe('the work of a pattern', () => {
  it('is at most the product of the two lengths, and the worst comes near to it', () => {
    const work = new Work()
    const [pattern, text] = [`*${'a'.repeat(400)}b`, 'a'.repeat(1_000)]
    expect(fits(pattern, text, work)).to.equal(false)
    expect(work.spent).to.be.within(text.length * 100, (text.length + 1) * (pattern.length + 1))
  })

  it('does not grow with the number of stars', () => {
    const spent = (stars: number) => {
      const work = new Work()
      fits(`${'*a'.repeat(stars)}*b`, 'a'.repeat(2_000), work)
      return work.spent
    }
    // A regular expression takes 2000^stars for that.
    expect(spent(40)).to.be.below(2 * spent(2))
  })

  it('ends where there is no more of it', () => {
    expect(() => fits(`*${'a'.repeat(4_000)}b`, 'a'.repeat(20_000), new Work(100_000))).to.throw(TooMuchWork)
  })
})
