import { foldCase } from './fold-case.js'
import { literalOf, patternOf, type Pattern } from './glob.js'
import type { Work } from './work.js'

/** A text of a policy: patterns, and between them what the request decides (IAM User Guide, Policy variables). */
export type Template = readonly (Pattern | Variable)[]

export interface Variable {
  /** Of a condition key, in small letters. */
  readonly key: string
  /** What stands for a key that the request has not got; without it the statement does not apply. */
  readonly otherwise: string | undefined
}

export interface TemplateOptions { readonly variables: boolean, readonly wildcards: boolean }

/** `${*}`, `${?}` and `${$}` are those characters and nothing more. */
const literals: ReadonlySet<string> = new Set(['*', '?', '$'])
/** A key, in which tags may have spaces; and perhaps a default. */
const variable = /^\s*([^\s,'"${}](?:[^,'"${}]*[^\s,'"${}])?)\s*(?:,\s*'([^']*)'\s*)?$/

/** `fail` gets a sentence and must throw. */
export function parseTemplate(text: string, { variables, wildcards }: TemplateOptions, fail: (sentence: string) => never): Template {
  const fixed = wildcards ? patternOf : literalOf
  if (!variables || !text.includes('${')) return [fixed(text)]
  const template: (Pattern | Variable)[] = []
  let from = 0
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', from)) {
    const end = text.indexOf('}', at)
    if (end < 0) fail('A policy variable has no end')
    template.push(fixed(text.slice(from, at)), variableOf(text.slice(at + 2, end), fail))
    from = end + 1
  }
  template.push(fixed(text.slice(from)))
  return template
}

function variableOf(text: string, fail: (sentence: string) => never): Pattern | Variable {
  if (literals.has(text)) return literalOf(text)
  const [, key, otherwise] = variable.exec(text) ?? []
  if (key === undefined) fail('A policy variable must be ${key} or ${key, \'default\'}')
  return { key: foldCase(key), otherwise }
}

function isVariable(part: Pattern | Variable): part is Variable {
  return !Array.isArray(part)
}

export function variablesOf(template: Template): readonly Variable[] {
  return template.filter(isVariable)
}

/** Of a template without variables. */
export function fixedPattern(template: Template): Pattern {
  return template.flatMap(part => isVariable(part) ? [] : part)
}

/** With the values of a request put in, as they are: a wildcard in a value is a character like any other. */
export function resolveTemplate(template: Template, valueOf: (key: string) => string | undefined, work: Work): Pattern {
  return template.flatMap(part => {
    if (!isVariable(part)) return part
    const value = valueOf(part.key) ?? part.otherwise ?? ''
    work.spend(value.length)
    return literalOf(value)
  })
}
