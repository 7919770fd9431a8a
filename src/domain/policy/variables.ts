import { foldCase } from './fold-case.js'
import { literalOf, patternOf } from './glob.js'
import type { Work } from './work.js'

/** A text of a policy (IAM User Guide, Policy variables): fixed, as it is or as a pattern, or with parts that the request decides. */
export type Template = string | Varying

/** A variable and nothing else, as most are, or several parts. */
export type Varying = Variable | { readonly parts: readonly (string | Variable)[] }

export interface Variable {
  /** Of a condition key, in small letters. */
  readonly key: string
  /** What stands for a key that the request has not got; without it the statement does not apply. */
  readonly otherwise: string | undefined
}

export interface TemplateOptions {
  readonly variables: boolean
  /** Whether `*` and `?` are wildcards: then what comes of it is a pattern, else a text. */
  readonly wildcards: boolean
  /** The variables of the same policy by what is between their brackets: each is kept once. */
  readonly known?: Map<string, Variable>
}

/** `${*}`, `${?}` and `${$}` are those characters and nothing more. */
const literals: ReadonlySet<string> = new Set(['*', '?', '$'])
/** A key, in which tags may have spaces; and perhaps a default. */
const variable = /^\s*([^\s,'"${}](?:[^,'"${}]*[^\s,'"${}])?)\s*(?:,\s*'([^']*)'\s*)?$/

/** `fail` gets a sentence and must throw. */
export function parseTemplate(text: string, options: TemplateOptions, fail: (sentence: string) => never): Template {
  const fixed = options.wildcards ? patternOf : asItIs
  if (!options.variables || !text.includes('${')) return fixed(text)
  const parts: (string | Variable)[] = []
  const add = (part: string | Variable) => {
    const last = parts.at(-1)
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part
    else if (part !== '') parts.push(part)
  }
  let from = 0
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', from)) {
    const end = text.indexOf('}', at)
    if (end < 0) fail('A policy variable has no end')
    add(fixed(text.slice(from, at)))
    add(variableOf(text.slice(at + 2, end), options, fail))
    from = end + 1
  }
  add(fixed(text.slice(from)))
  const [only = '', ...more] = parts
  // A copy has no room for more, of which a list that grew has much.
  return more.length === 0 ? only : { parts: parts.slice() }
}

function asItIs(text: string): string {
  return text
}

function variableOf(text: string, { wildcards, known }: TemplateOptions, fail: (sentence: string) => never): string | Variable {
  if (literals.has(text)) return wildcards ? literalOf(text) : text
  const same = known?.get(text)
  if (same) return same
  const [, key, otherwise] = variable.exec(text) ?? []
  if (key === undefined) fail('A policy variable must be ${key} or ${key, \'default\'}')
  const parsed = { key: foldCase(key), otherwise }
  known?.set(text, parsed)
  return parsed
}

export function variablesOf(template: Template): readonly Variable[] {
  if (typeof template === 'string') return []
  return 'parts' in template ? template.parts.filter(part => typeof part !== 'string') : [template]
}

export type VariableReader = (key: string) => string | undefined

/** With the values of a request put in, as they are: with `wildcards`, one in a value is a character like any other. */
export function resolveTemplate(template: Template, wildcards: boolean, valueOf: VariableReader, work: Work): string {
  if (typeof template === 'string') return template
  const resolve = ({ key, otherwise = '' }: Variable) => {
    const value = valueOf(key) ?? otherwise
    work.spend(value.length)
    return wildcards ? literalOf(value) : value
  }
  if (!('parts' in template)) return resolve(template)
  let resolved = ''
  for (const part of template.parts) resolved += typeof part === 'string' ? part : resolve(part)
  return resolved
}
