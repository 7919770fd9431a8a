import { ignoresCase, readerOf, type KeyReader } from './condition-keys.js'
import type { Condition, PolicyKind, Statement } from './document.js'
import type { Pattern } from './glob.js'
import { operators, parseOperator, type Matcher, type Operator, type OperatorName } from './operators.js'
import type { ContextValue, PolicyRequest } from './request.js'
import { fixedPattern, parseTemplate, resolveTemplate, variablesOf, type Template } from './variables.js'

/** Whether a condition holds for a request. */
export type Test = (request: PolicyRequest) => boolean

export interface CompiledCondition {
  /** As it was written. */
  readonly written: Condition
  readonly test: Test
  /** The values that the request has for the key; none if it has not got it. */
  readonly seen: (request: PolicyRequest) => readonly string[]
  readonly templates: readonly Template[]
}

export interface ConditionOptions {
  readonly kind: PolicyKind
  readonly effect: Statement['effect']
  readonly hasVariables: boolean
}

/** One key under one operator (IAM User Guide, Conditions with multiple context keys or values). */
export function compileCondition(written: Condition, options: ConditionOptions): CompiledCondition {
  const { key, values } = written
  const name = parseOperator(written.operator)
  const read = readerOf(key, options.kind)
  const common = { written, seen: (request: PolicyRequest) => [read(request) ?? []].flat() }
  if (name?.base === 'Null') return { ...common, test: nullTest(values, read), templates: [] }
  const operator = name && operators.get(name.base)
  // The parser refuses it; what an older version let through applies to nothing.
  if (!name || !operator) return { ...common, test: () => false, templates: [] }
  const templates = values.map(value =>
    parseTemplate(value, { variables: operator.variables && options.hasVariables, wildcards: operator.wildcards }, unreadable))
  const matcherFor = compileValues(templates, ignoresCase(key) ? foldingCase(operator) : operator, options.kind)
  return { ...common, test: testOf(ruleOf(name, operator, options.effect), read, matcherFor), templates }
}

type MatcherFor = (request: PolicyRequest) => Matcher

function compileValues(templates: readonly Template[], operator: Operator, kind: PolicyKind): MatcherFor {
  const fixed = templates.filter(template => variablesOf(template).length === 0).map(fixedPattern)
  const varying = templates.filter(template => variablesOf(template).length > 0)
  if (varying.length === 0) {
    const matcher = operator.anyOf(fixed)
    return () => matcher
  }
  const valueOf = variableReader(varying, kind)
  return request => {
    const resolved = varying.map(template => resolveTemplate(template, key => valueOf(key, request), request.work))
    return operator.anyOf([...fixed, ...resolved])
  }
}

/** The value of a policy variable; of a key with several values there is none. */
export type VariableReader = (key: string, request: PolicyRequest) => string | undefined

export function variableReader(templates: readonly Template[], kind: PolicyKind): VariableReader {
  const readers = new Map(templates.flatMap(variablesOf).map(({ key }) => [key, readerOf(key, kind)]))
  return (key, request) => {
    const value = readers.get(key)?.(request)
    return typeof value === 'string' ? value : undefined
  }
}

/** Both sides in small letters; a wildcard is no letter. */
function foldingCase(operator: Operator): Operator {
  const small = (pattern: Pattern) => pattern.map(unit => unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit)
  return {
    ...operator,
    anyOf(wanted) {
      const matcher = operator.anyOf(wanted.map(small))
      return (actual, work) => matcher(actual.toLowerCase(), work)
    },
  }
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

function nullTest(values: readonly string[], read: KeyReader): Test {
  const wanted = values.map(value => value.toLowerCase() === 'true')
  return request => wanted.includes(present(read(request)) === undefined)
}

/** A key that may have several values, and has none, is as good as absent. */
function present(value: ContextValue | undefined): ContextValue | undefined {
  return value?.length === 0 && typeof value !== 'string' ? undefined : value
}

interface Rule {
  /** What is said of a key that the request has not got. */
  readonly ofAbsent: boolean
  /** Whether every value must be right, or any. */
  readonly every: boolean
  /** What is right: to match a value of the policy, or to match none. */
  readonly wanted: boolean
}

/**
 * Several values under an operator without a set prefix are more than whoever wrote the policy thought of, such as pairs of the encryption
 * context whose names differ in case only: an Allow needs every one of them to be right, to a Deny one is enough.
 */
function ruleOf({ set, ifExists }: OperatorName, { negated }: Operator, effect: Statement['effect']): Rule {
  const every = set === undefined ? effect === 'Allow' : set === 'ForAllValues'
  return { ofAbsent: ifExists || (set === undefined ? negated : every), every, wanted: !negated }
}

function testOf({ ofAbsent, every, wanted }: Rule, read: KeyReader, matcherFor: MatcherFor): Test {
  return request => {
    const value = present(read(request))
    if (value === undefined) return ofAbsent
    const matcher = matcherFor(request)
    if (typeof value === 'string') return matcher(value, request.work) === wanted
    for (const one of value) if ((matcher(one, request.work) === wanted) !== every) return !every
    return every
  }
}
