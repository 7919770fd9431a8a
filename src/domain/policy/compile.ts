import type { Caller } from '../caller.js'
import { isOwnKey } from './condition-keys.js'
import { compileCondition, holds, listOf, variablesIn, type CompiledCondition } from './conditions.js'
import type { PolicyDocument, PolicyKind, Statement, Texts } from './document.js'
import { matches, patternOf, type Pattern } from './glob.js'
import { parseStoredPolicy } from './parse.js'
import { compilePrincipals, namingOf, type Bindings, type CompiledPrincipals, type Naming } from './principals.js'
import type { PolicyRequest } from './request.js'
import { parseTemplate, resolveTemplate, variablesOf, type Template, type Variable, type Varying } from './variables.js'
import type { Work } from './work.js'

/** Actions whose statements are remembered, of each policy: a key or a user is asked for few. Beyond it the oldest goes. */
const rememberedActionsMax = 16
/** Statements about one action that are remembered; where there are more, to look for them is not what takes the time. */
const rememberedStatementsMax = 64

/**
 * A policy made ready to be asked many times. It weighs a small multiple of its text, whatever that is made of, because many are kept: it
 * is data throughout, has the texts of the document for patterns, and no function or object of its own for a value.
 */
export interface CompiledPolicy {
  /** What people know it by: `key policy`, or the ARN or name of an identity policy. */
  readonly name: string
  readonly statements: readonly CompiledStatement[]
  /** Condition keys of the service that it asks for, in small letters; not those that have a name of somebody's own in them. */
  readonly keys: ReadonlySet<string>
  /** Its statements about an action, in the order in which they stand. */
  readonly about: (action: string, work: Work) => StatementsByEffect
  /** What it was compiled from, where that was a text. */
  readonly text?: string
}

export type StatementsByEffect = Readonly<Record<Statement['effect'], readonly CompiledStatement[]>>

export interface CompiledStatement extends Pick<Statement, 'number' | 'sid' | 'effect'> {
  /** Name of its policy. */
  readonly policy: string
  readonly kind: PolicyKind
  /** undefined: it never applies. */
  readonly actions: Patterns | undefined
  /** undefined for a policy of an identity, which is about nobody else. */
  readonly principals: CompiledPrincipals | undefined
  /** `any`: whatever it is. undefined: it never applies. */
  readonly resources: Resources | 'any' | undefined
  readonly conditions: readonly CompiledCondition[]
  /** Keys of its policy variables that have no default: without a value it does not apply. */
  readonly needed: readonly string[]
}

interface Patterns { readonly not: boolean, readonly patterns: readonly Pattern[] }
interface Resources extends Patterns { readonly varying: readonly Varying[] }

export interface CompileOptions { readonly name: string, readonly kind: PolicyKind, readonly bindings?: Bindings }

/** Throws as `parseStoredPolicy` does. */
export function compilePolicyText(text: string, options: CompileOptions): CompiledPolicy {
  return { ...compilePolicy(parseStoredPolicy(text, options.kind), options), text }
}

export function compilePolicy({ statements, hasVariables }: PolicyDocument, { name, kind, bindings = {} }: CompileOptions): CompiledPolicy {
  const options: Options = { name, kind, bindings, hasVariables, variables: new Map() }
  const compiled = statements.map(statement => compileStatement(statement, options))
  const variables = [...options.variables.values()].map(({ key }) => key)
  const keys = compiled.flatMap(({ conditions }) => conditions.map(({ lower }) => lower))
  return policyOf(name, compiled, [...keys, ...variables].filter(isOwnKey))
}

/** Of whatever should have a policy and has none: it allows nothing. */
export function emptyPolicy(name: string): CompiledPolicy {
  return policyOf(name, [], [])
}

const none: readonly never[] = []

function policyOf(name: string, statements: readonly CompiledStatement[], keys: readonly string[]): CompiledPolicy {
  const remembered = new Map<string, StatementsByEffect>()
  return {
    name, statements, keys: new Set(keys),
    about(action, work) {
      const known = remembered.get(action)
      if (known) return known
      const those = statements.filter(statement => hasAction(statement, action, work))
      const of = (effect: Statement['effect']) => {
        const found = those.filter(statement => statement.effect === effect)
        return found.length === 0 ? none : found
      }
      const found = { Allow: of('Allow'), Deny: of('Deny') }
      if (those.length > rememberedStatementsMax) return found
      const [oldest] = remembered.keys()
      if (remembered.size >= rememberedActionsMax && oldest !== undefined) remembered.delete(oldest)
      remembered.set(action, found)
      return found
    },
  }
}

type Options = Required<CompileOptions> & { readonly hasVariables: boolean, readonly variables: Map<string, Variable> }

function compileStatement(statement: Statement, { name, kind, bindings, hasVariables, variables }: Options): CompiledStatement {
  const { number, sid, effect, principals } = statement
  const conditions = statement.conditions.map(condition => compileCondition(condition, { effect, hasVariables, variables }))
  const resources = (statement.resources?.texts ?? [])
    .map(text => parseTemplate(text, { variables: hasVariables, wildcards: true, known: variables }, unreadable))
  const templates = [...resources, ...conditions.flatMap(({ varying }) => listOf(varying))]
  return {
    policy: name, number, sid, effect, kind,
    actions: statement.actions && compileActions(statement.actions),
    principals: principals && compilePrincipals(principals, bindings),
    // A trust policy is about its role and nothing else.
    resources: kind === 'trust' ? 'any' : statement.resources && compileResources(statement.resources, resources),
    conditions: orNone(conditions),
    needed: neededKeys(templates),
  }
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

/** As it is to be kept: an empty list once for all. */
function orNone<T>(list: readonly T[]): readonly T[] {
  // `filter` leaves room for more.
  return list.length === 0 ? none : list.slice()
}

function compileActions({ not, texts }: Texts): Patterns {
  return { not, patterns: texts.map(text => patternOf(text.toLowerCase())) }
}

function compileResources({ not, texts }: Texts, templates: readonly Template[]): Resources | 'any' {
  if (!not && texts.includes('*')) return 'any'
  return {
    not, patterns: orNone(templates.filter(template => typeof template === 'string')),
    varying: orNone(templates.filter(template => typeof template !== 'string')),
  }
}

/** Policy variables without a default. */
function neededKeys(templates: readonly Template[]): readonly string[] {
  return orNone([...new Set(templates.flatMap(variablesOf).filter(({ otherwise }) => otherwise === undefined).map(({ key }) => key))])
}

function anyMatches(patterns: readonly Pattern[], text: string, work: Work): boolean {
  for (const pattern of patterns) if (matches(pattern, text, work)) return true
  return false
}

export function hasAction({ actions }: CompiledStatement, action: string, work: Work): boolean {
  return actions !== undefined && anyMatches(actions.patterns, action.toLowerCase(), work) !== actions.not
}

export function hasResource({ resources, kind }: CompiledStatement, request: PolicyRequest): boolean {
  if (resources === undefined || resources === 'any') return resources === 'any'
  const { resource, work } = request
  const isOne = anyMatches(resources.patterns, resource, work) || resources.varying.some(template =>
    matches(resolveTemplate(template, true, variablesIn(request, kind), work), resource, work))
  return isOne !== resources.not
}

/** How it names the caller; a policy of an identity is about nobody else. */
export function namingBy({ principals, effect }: CompiledStatement, caller: Caller): Naming | 'identity' | undefined {
  return principals ? namingOf(principals, caller, effect) : 'identity'
}

/** The policy variables that the request has no value for. */
export function missingVariables({ needed, kind }: CompiledStatement, request: PolicyRequest): readonly string[] {
  if (needed.length === 0) return none
  const valueOf = variablesIn(request, kind)
  return needed.filter(key => valueOf(key) === undefined)
}

/** Conditions, and that every policy variable without a default has a value. */
function allHold(statement: CompiledStatement, request: PolicyRequest): boolean {
  const { conditions, kind } = statement
  if (missingVariables(statement, request).length > 0) return false
  for (const condition of conditions) if (!holds(condition, kind, request)) return false
  return true
}

/** Of a statement about the action: whether it is about this request of this caller, and how it names the caller. */
export function applies(statement: CompiledStatement, caller: Caller, request: PolicyRequest): Naming | 'identity' | undefined {
  request.work.spend(1)
  const how = namingBy(statement, caller)
  return how !== undefined && hasResource(statement, request) && allHold(statement, request) ? how : undefined
}
