import { ignoresCase, readerOf, type KeyReader } from './condition-keys.js'
import type { Condition, PolicyKind } from './document.js'
import { operators, parseOperator, type Comparison, type Operator, type OperatorName } from './operators.js'
import type { ContextValue, PolicyRequest } from './request.js'
import { isVariable, parseTemplate, resolveTemplate, type Template } from './variables.js'

/** Whether a condition holds for a request. */
export type Test = (request: PolicyRequest) => boolean

export interface CompiledCondition {
  /** As it was written. */
  readonly written: Condition
  readonly test: Test
  /** The values that the request has for the key; none if it has not got it. */
  readonly seen: (request: PolicyRequest) => readonly string[]
  /** Those of its values that have policy variables. */
  readonly templates: readonly Template[]
}

/** `valueOf` reads a policy variable. */
export interface ConditionOptions {
  readonly kind: PolicyKind
  readonly hasVariables: boolean
  readonly valueOf: (key: string, request: PolicyRequest) => string | undefined
}

/** One key under one operator (IAM User Guide, Conditions with multiple context keys or values). */
export function compileCondition(written: Condition, options: ConditionOptions): CompiledCondition {
  const name = parseOperator(written.operator)
  const read = readerOf(written.key, options.kind)
  const common = { written, seen: (request: PolicyRequest) => listOf(read(request)) }
  if (name?.base === 'Null') return { ...common, test: nullTest(written.values, read), templates: [] }
  const operator = name && operators.get(name.base)
  // The parser refuses it; what an older version let through applies to nothing.
  if (!name || !operator) return { ...common, test: () => false, templates: [] }
  const { matches, templates } = compileValues(written, operator, options)
  return { ...common, test: combined(name, operator, read, matches), templates }
}

/** Whether a value of the request is one of those in the policy. */
type Matches = (actual: string, request: PolicyRequest) => boolean

function compileValues(
  { key, values }: Condition, operator: Operator, { hasVariables, valueOf }: ConditionOptions,
): { readonly matches: Matches, readonly templates: readonly Template[] } {
  const folded = ignoresCase(key)
  const templates = values.map(value => parseTemplate(
    folded ? value.toLowerCase() : value, { variables: operator.variables && hasVariables, wildcards: operator.wildcards }, unreadable))
  const fixed = templates.filter(template => !template.some(isVariable))
    .map(template => operator.comparison(resolveTemplate(template, () => undefined)))
  const varying = templates.filter(template => template.some(isVariable))
  const matches: Matches = (written, request) => {
    const actual = folded ? written.toLowerCase() : written
    return anyOf(fixed, actual, request) || varying.some(template =>
      operator.comparison(resolveTemplate(template, variable => valueOf(variable, request)))(actual, request.work))
  }
  return { matches, templates: varying }
}

function anyOf(comparisons: readonly Comparison[], actual: string, { work }: PolicyRequest): boolean {
  for (const compare of comparisons) if (compare(actual, work)) return true
  return false
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

function nullTest(values: readonly string[], read: KeyReader): Test {
  const wanted = values.map(value => value.toLowerCase() === 'true')
  return request => wanted.includes(listOf(read(request)).length === 0)
}

function combined({ set, ifExists }: OperatorName, { negated }: Operator, read: KeyReader, matches: Matches): Test {
  return request => {
    const values = listOf(read(request))
    const isMatched = (value: string) => matches(value, request)
    if (values.length === 0) return ifExists || (set === undefined ? negated : set === 'ForAllValues')
    if (set === 'ForAllValues') return negated ? !values.some(isMatched) : values.every(isMatched)
    if (set === 'ForAnyValue' && negated) return !values.every(isMatched)
    return values.some(isMatched) !== negated
  }
}

const none: readonly string[] = []

function listOf(value: ContextValue | undefined): readonly string[] {
  if (value === undefined) return none
  return typeof value === 'string' ? [value] : value
}
