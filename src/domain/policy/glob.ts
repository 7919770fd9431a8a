import type { Work } from './work.js'

/** A pattern: UTF-16 units, and in their place the two wildcards. What a policy variable stands for has no wildcards in it. */
export type Pattern = readonly number[]

/** `*`: any run of characters. `?`: one character. */
const [anyRun, oneCharacter] = [-1, -2]
const [star, questionMark] = ['*'.charCodeAt(0), '?'.charCodeAt(0)]
/** Steps between one look at what is left and the next. */
const stepsAtOnce = 1_024
/** Arguments that one call takes without trouble. */
const unitsAtOnce = 4_096

export function literalOf(text: string): Pattern {
  const units: number[] = []
  for (let at = 0; at < text.length; at++) units.push(text.charCodeAt(at))
  return units
}

export function patternOf(text: string): Pattern {
  const units: number[] = []
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit !== star) units.push(unit === questionMark ? oneCharacter : unit)
    // Two in a row are as good as one.
    else if (units.at(-1) !== anyRun) units.push(anyRun)
  }
  return units
}

/** Whether it is `*` and nothing else. */
export function isAnyRun(pattern: Pattern): boolean {
  return pattern.length === 1 && pattern[0] === anyRun
}

/** Of a pattern without wildcards. */
export function textOf(pattern: Pattern): string {
  if (pattern.length <= unitsAtOnce) return String.fromCharCode(...pattern)
  const parts: string[] = []
  for (let at = 0; at < pattern.length; at += unitsAtOnce) parts.push(String.fromCharCode(...pattern.slice(at, at + unitsAtOnce)))
  return parts.join('')
}

/** A pattern made ready: most have no wildcard, or only one at their end. */
export type Glob =
  | { readonly kind: 'text' | 'prefix', readonly text: string }
  | { readonly kind: 'pattern', readonly pattern: Pattern }

export function globOf(pattern: Pattern): Glob {
  const firstWildcard = pattern.findIndex(unit => unit < 0)
  if (firstWildcard < 0) return { kind: 'text', text: textOf(pattern) }
  const isPrefix = firstWildcard === pattern.length - 1 && pattern[firstWildcard] === anyRun
  return isPrefix ? { kind: 'prefix', text: textOf(pattern.slice(0, -1)) } : { kind: 'pattern', pattern }
}

/** Whether the whole text fits. */
export function matches(glob: Glob, text: string, work: Work): boolean {
  work.spend(1)
  switch (glob.kind) {
    case 'text': return text === glob.text
    case 'prefix': return text.startsWith(glob.text)
    case 'pattern': return matchesPattern(glob.pattern, text, work)
  }
}

/** Goes back to the last `*` only, so it takes at most as many steps as pattern and text have pairs of characters. */
function matchesPattern(pattern: Pattern, text: string, work: Work): boolean {
  let [at, inText, afterRun, resume, steps] = [0, 0, -1, 0, 0]
  while (inText < text.length) {
    steps++
    const unit = pattern[at]
    if (unit === anyRun) {
      afterRun = ++at
      resume = inText
    } else if (unit === oneCharacter) {
      at++
      inText += charactersAt(text, inText)
    } else if (unit !== undefined && unit === text.charCodeAt(inText)) {
      at++
      inText++
    } else if (afterRun >= 0) {
      at = afterRun
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
