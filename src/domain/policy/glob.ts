import type { Work } from './work.js'

/**
 * A pattern as policies write it, and in it a backslash before every `*`, `?` and backslash that stands for itself: most are the very text
 * of the policy and weigh nothing beside it. What a policy variable stands for has no wildcards in it.
 */
export type Pattern = string

/** `*`: any run of characters. `?`: one character. */
const [star, questionMark, backslash] = ['*'.charCodeAt(0), '?'.charCodeAt(0), '\\'.charCodeAt(0)]
const special = /[*?\\]/
/** Steps between one look at what is left and the next. */
const stepsAtOnce = 1_024

export function literalOf(text: string): Pattern {
  return special.test(text) ? text.replace(/[*?\\]/g, '\\$&') : text
}

export function patternOf(text: string): Pattern {
  const escaped = text.includes('\\') ? text.replaceAll('\\', '\\\\') : text
  // Two in a row are as good as one.
  return escaped.includes('**') ? escaped.replace(/\*{2,}/g, '*') : escaped
}

/** Whether it is `*` and nothing else. */
export function isAnyRun(pattern: Pattern): boolean {
  return pattern === '*'
}

/**
 * Whether the whole text fits the pattern, or its part from `from` to `to`. Goes back to the last `*` only, so it takes at most as many
 * steps as pattern and text have pairs of characters.
 */
export function matches(pattern: Pattern, text: string, work: Work, from = 0, to = pattern.length): boolean {
  let at = from
  let inText = 0
  let afterRun = -1
  let resume = 0
  let steps = 1
  while (inText < text.length) {
    const unit = at < to ? pattern.charCodeAt(at) : NaN
    const size = unit === backslash ? 2 : 1
    // Going through both once is quick; only what goes back can be long.
    if (afterRun >= 0) steps++
    if (unit === star) {
      afterRun = ++at
      resume = inText
      if (afterRun === to) inText = text.length
    } else if (unit === questionMark) {
      at++
      inText += charactersAt(text, inText)
    } else if ((size === 2 ? pattern.charCodeAt(at + 1) : unit) === text.charCodeAt(inText)) {
      at += size
      inText++
    } else if (afterRun >= 0) {
      at = afterRun
      inText = ++resume
      if (steps > stepsAtOnce) {
        work.spend(steps)
        steps = 0
      }
    } else {
      work.spend(steps + (inText >>> 4))
      return false
    }
  }
  work.spend(steps + (at - from >>> 4))
  while (at < to && pattern.charCodeAt(at) === star) at++
  return at === to
}

/** Units of the character there: two for a surrogate pair. */
function charactersAt(text: string, at: number): 1 | 2 {
  const [high, low] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000 ? 2 : 1
}
