import { foldCase } from './fold-case.js'

/** Nesting of a policy: document, list of statements, statement, condition, operator, list of values. */
const depthMax = 6

export type Json = Readonly<Record<string, unknown>>

/**
 * JSON, and stricter: no name twice in one object (JSON.parse would keep the last, other readers the first), and no deeper than a policy
 * goes, or `nestingMax`. `fail` gets a sentence and must throw.
 */
export function parseStrictly(text: string, fail: (sentence: string) => never, nestingMax = depthMax): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    fail('The policy is not valid JSON')
  }
  refuseDuplicates(text, fail, nestingMax)
  return value
}

/** Every string with what follows it, and every bracket. Of a text that JSON.parse took, so that every string ends. */
const token = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g

function refuseDuplicates(text: string, fail: (sentence: string) => never, nestingMax: number): void {
  /** The names of each open object; undefined for a list. */
  const open: (Set<string> | undefined)[] = []
  for (const [whole, quoted, colon] of text.matchAll(token)) {
    if (whole === '{' || whole === '[') {
      open.push(whole === '{' ? new Set() : undefined)
      if (open.length > nestingMax) fail('The policy is nested too deeply')
    } else if (whole === '}' || whole === ']') {
      open.pop()
    } else if (quoted !== undefined && colon !== undefined) {
      const name = foldCase(quoted.includes('\\') ? JSON.parse(quoted) as string : quoted.slice(1, -1))
      const names = open.at(-1)
      // Element names and condition keys are told apart without regard to case.
      if (names?.has(name)) fail('The policy has an element twice')
      names?.add(name)
    }
  }
}

export function isJsonObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
