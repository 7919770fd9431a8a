import type { Work } from './work.js'

/** A pattern: UTF-16 units, and in their place the two wildcards. What a policy variable stands for has no wildcards in it. */
export type Pattern = readonly number[]

/** `*`: any run of characters. `?`: one character. */
const [anyRun, oneCharacter] = [-1, -2]
/** Steps between one look at what is left and the next. */
const stepsAtOnce = 1_024

export function literalOf(text: string): Pattern {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
}

export function patternOf(text: string): Pattern {
  return literalOf(text).map(unit => unit === 0x2a ? anyRun : unit === 0x3f ? oneCharacter : unit)
}

export function hasWildcards(pattern: Pattern): boolean {
  return pattern.some(unit => unit < 0)
}

export function textOf(pattern: Pattern): string {
  return pattern.map(unit => String.fromCharCode(unit)).join('')
}

/**
 * Whether the whole text fits. Goes back to the last `*` only, so it takes at most as many steps as pattern and text have pairs of
 * characters; they are taken from `work`.
 */
export function matchesPattern(pattern: Pattern, text: string, work: Work): boolean {
  let [at, inText, star, resume, steps] = [0, 0, -1, 0, 0]
  while (inText < text.length) {
    steps++
    const unit = pattern[at]
    if (unit === anyRun) {
      star = at++
      resume = inText
    } else if (unit === oneCharacter) {
      at++
      inText += charactersAt(text, inText)
    } else if (unit !== undefined && unit === text.charCodeAt(inText)) {
      at++
      inText++
    } else if (star >= 0) {
      at = star + 1
      inText = ++resume
      // Only what goes back can be long.
      if (steps > stepsAtOnce) {
        work.spend(steps)
        steps = 0
      }
    } else {
      work.spend(steps)
      return false
    }
  }
  work.spend(steps)
  while (pattern[at] === anyRun) at++
  return at === pattern.length
}

/** Units of the character there: two for a surrogate pair. */
function charactersAt(text: string, at: number): 1 | 2 {
  const [high, low] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000 ? 2 : 1
}
