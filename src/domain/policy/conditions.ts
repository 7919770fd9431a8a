import { conditionKey, ignoresCase, readKey, type ConditionKey } from './condition-keys.js'
import type { Condition, PolicyKind, Statement } from './document.js'
import { foldCase } from './fold-case.js'
import { operators, parseOperator, type Operator, type OperatorName, type Wanted } from './operators.js'
import type { ContextValue, PolicyRequest } from './request.js'
import { parseTemplate, resolveTemplate, type TemplateOptions, type Variable, type VariableReader, type Varying } from './variables.js'

/**
 * One key under one operator, ready to be asked. Policies have many of them, so it is data and no function, and where there is one value
 * there is no list around it.
 */
export interface CompiledCondition {
  readonly rule: Rule
  /** As it was written. */
  readonly key: string
  readonly lower: string
  readonly known: ConditionKey | undefined
  /** The values as they were written. */
  readonly written: OneOrMore<string>
  /** Those without variables, ready to be compared with, and the others. */
  readonly fixed: OneOrMore<Wanted>
  readonly varying: OneOrMore<Varying>
}

type OneOrMore<T> = T | readonly T[]

/** An operator as it is written, in a statement of one effect; there are a few hundred at most, and every condition shares them. */
export interface Rule {
  readonly written: string
  /** undefined for `Null`, and for what is no operator: the parser refuses it, what an older version let through applies to nothing. */
  readonly operator: Operator | undefined
  readonly isNull: boolean
  /** What is said of a key that the request has not got. */
  readonly ofAbsent: boolean
  /** Whether every value must be right, or any. */
  readonly every: boolean
  /** What is right: to match a value of the policy, or to match none. */
  readonly wanted: boolean
}

export interface ConditionOptions {
  readonly effect: Statement['effect']
  readonly hasVariables: boolean
  readonly variables: Map<string, Variable>
}

const none: readonly never[] = []

/** IAM User Guide, Conditions with multiple context keys or values. */
export function compileCondition(
  { operator: name, key, values }: Condition, { effect, hasVariables, variables }: ConditionOptions,
): CompiledCondition {
  const rule = ruleOf(name, effect)
  const lower = foldCase(key)
  const { fixed, varying } = valuesOf(values, rule, lower, { variables: hasVariables, known: variables })
  const written = oneOrMore(values)
  // Most are compared with as they are written.
  const isSame = fixed.length === values.length && fixed.every((value, at) => value === values[at])
  // All in one literal: what is added to an object later weighs more.
  return {
    rule, key, lower, known: conditionKey(lower), written, fixed: isSame ? written : oneOrMore(fixed), varying: oneOrMore(varying),
  }
}

function valuesOf(
  values: readonly string[], { isNull, operator }: Rule, lower: string, of: Omit<TemplateOptions, 'wildcards'>,
): { readonly fixed: readonly Wanted[], readonly varying: readonly Varying[] } {
  if (isNull) return { fixed: values.map(value => value.toLowerCase()), varying: none }
  if (!operator) return { fixed: none, varying: none }
  const options = { variables: operator.variables && of.variables, wildcards: operator.wildcards, ...of.known && { known: of.known } }
  const templates = values.map(value => parseTemplate(value, options, unreadable))
  return {
    fixed: templates.filter(template => typeof template === 'string').map(text => wantedOf(text, operator, lower)),
    varying: templates.filter(template => typeof template !== 'string'),
  }
}

function oneOrMore<T>(of: readonly T[]): OneOrMore<T> {
  return of.length === 0 ? none : of.length === 1 ? of[0] as T : of.slice()
}

function isList<T>(of: OneOrMore<T>): of is readonly T[] {
  return Array.isArray(of)
}

export function listOf<T>(of: OneOrMore<T>): readonly T[] {
  return isList(of) ? of : [of]
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

/** Where case says nothing, both sides in small letters; a wildcard is no letter. */
function wantedOf(text: string, operator: Operator, lower: string): Wanted {
  return operator.wantedOf(ignoresCase(lower) ? text.replace(/[A-Z]+/g, letters => letters.toLowerCase()) : text)
}

const rules = new Map<string, Rule>()

function ruleOf(written: string, effect: Statement['effect']): Rule {
  const place = `${effect} ${written}`
  const known = rules.get(place)
  if (known) return known
  const name = parseOperator(written)
  const operator = name && operators.get(name.base)
  const rule = { written, operator, isNull: name?.base === 'Null', ...operator ? saidBy(name, operator, effect) : nothing }
  // There are only so many names that are ones.
  if (name) rules.set(place, rule)
  return rule
}

const nothing = { ofAbsent: false, every: false, wanted: true }

/**
 * Several values under an operator without a set prefix are more than whoever wrote the policy thought of, such as pairs of the encryption
 * context whose names differ in case only: an Allow needs every one of them to be right, to a Deny one is enough.
 */
function saidBy({ set, ifExists }: OperatorName, { negated }: Operator, effect: Statement['effect']) {
  const every = set === undefined ? effect === 'Allow' : set === 'ForAllValues'
  return { ofAbsent: ifExists || (set === undefined ? negated : every), every, wanted: !negated }
}

/** The values of the policy variables of a request; of a key with several values there is none. */
export function variablesIn(request: PolicyRequest, kind: PolicyKind): VariableReader {
  return key => {
    const value = readKey(key, conditionKey(key), kind, request)
    return typeof value === 'string' ? value : undefined
  }
}

/** The values that the request has for the key; none if it has not got it. */
export function seenBy({ lower, known }: CompiledCondition, kind: PolicyKind, request: PolicyRequest): readonly string[] {
  return [readKey(lower, known, kind, request) ?? []].flat()
}

/** Whether a condition holds for a request. */
export function holds(condition: CompiledCondition, kind: PolicyKind, request: PolicyRequest): boolean {
  const { rule: { operator, isNull, ofAbsent, every, wanted }, lower, known } = condition
  const value = present(readKey(lower, known, kind, request))
  if (isNull) return listOf(condition.fixed).includes(String(value === undefined))
  if (!operator) return false
  if (value === undefined) return ofAbsent
  const { work } = request
  const values = wantedBy(condition, operator, kind, request)
  const isRight = (one: string) => operator.isOneOf(ignoresCase(lower) ? one.toLowerCase() : one, values, work) === wanted
  if (typeof value === 'string') return isRight(value)
  for (const one of value) if (isRight(one) !== every) return !every
  return every
}

function wantedBy(
  { fixed, varying, lower }: CompiledCondition, operator: Operator, kind: PolicyKind, request: PolicyRequest,
): readonly Wanted[] {
  if (varying === none) return listOf(fixed)
  const valueOf = variablesIn(request, kind)
  const resolve = (template: Varying) =>
    wantedOf(resolveTemplate(template, operator.wildcards, valueOf, request.work), operator, lower)
  return [...listOf(fixed), ...listOf(varying).map(resolve)]
}

/** A key that may have several values, and has none, is as good as absent. */
function present(value: ContextValue | undefined): ContextValue | undefined {
  return value?.length === 0 && typeof value !== 'string' ? undefined : value
}
