import type { Caller } from '../caller.js'
import { compileCondition, variableReader, type CompiledCondition, type Test, type VariableReader } from './conditions.js'
import { statementName, type PolicyDocument, type PolicyKind, type Statement, type Texts } from './document.js'
import { foldCase } from './fold-case.js'
import { globOf, matches, patternOf, type Glob } from './glob.js'
import { parsePolicy } from './parse.js'
import { compilePrincipals, type Bindings, type Naming, type PrincipalTest } from './principals.js'
import type { PolicyRequest } from './request.js'
import { fixedPattern, parseTemplate, resolveTemplate, variablesOf, type Template } from './variables.js'
import type { Work } from './work.js'

/** Actions whose statements are remembered, of each policy; there are as many as the service has, and then some. */
const rememberedActionsMax = 1_024

/** A policy made ready to be asked many times. */
export interface CompiledPolicy {
  /** What people know it by: `key policy`, or the ARN or name of an identity policy. */
  readonly name: string
  readonly statements: readonly CompiledStatement[]
  /** Condition keys that it asks for, in small letters. */
  readonly keys: ReadonlySet<string>
  /** Its statements about an action, in the order in which they stand. */
  readonly about: (action: string, work: Work) => StatementsByEffect
  /** What it was compiled from, where that was a text. */
  readonly text?: string
}

export type StatementsByEffect = Readonly<Record<Statement['effect'], readonly CompiledStatement[]>>

export interface CompiledStatement {
  readonly policy: string
  readonly name: string
  readonly effect: Statement['effect']
  readonly hasAction: (action: string, work: Work) => boolean
  /** How it names the caller; undefined for a policy of an identity, which is about nobody else. */
  readonly naming: PrincipalTest | undefined
  readonly hasResource: Test
  /** All of its conditions, and that its policy variables have values. */
  readonly holds: Test
  /** The same one by one, for explain.ts. */
  readonly conditions: readonly CompiledCondition[]
  readonly missingVariables: (request: PolicyRequest) => readonly string[]
}

export interface CompileOptions { readonly name: string, readonly kind: PolicyKind, readonly bindings?: Bindings }

/** Throws as `parsePolicy` does. */
export function compilePolicyText(text: string, options: CompileOptions): CompiledPolicy {
  return { ...compilePolicy(parsePolicy(text, options.kind), options), text }
}

export function compilePolicy({ statements, hasVariables }: PolicyDocument, { name, kind, bindings = {} }: CompileOptions): CompiledPolicy {
  const parts = statements.map(statement => compileStatement(statement, { name, kind, bindings, hasVariables }))
  return policyOf(name, parts.map(({ compiled }) => compiled), parts.flatMap(({ keys }) => keys))
}

/** Of whatever should have a policy and has none: it allows nothing. */
export function emptyPolicy(name: string): CompiledPolicy {
  return policyOf(name, [], [])
}

function policyOf(name: string, statements: readonly CompiledStatement[], keys: readonly string[]): CompiledPolicy {
  const remembered = new Map<string, StatementsByEffect>()
  return {
    name, statements, keys: new Set(keys),
    about(action, work) {
      const known = remembered.get(action)
      if (known) return known
      const those = statements.filter(({ hasAction }) => hasAction(action, work))
      const of = (effect: Statement['effect']) => those.filter(statement => statement.effect === effect)
      const found = { Allow: of('Allow'), Deny: of('Deny') }
      if (remembered.size < rememberedActionsMax) remembered.set(action, found)
      return found
    },
  }
}

type Options = Required<CompileOptions> & { readonly hasVariables: boolean }

/** `keys`: what it asks for, be it in a condition or as a policy variable. */
function compileStatement(
  statement: Statement, { name, kind, bindings, hasVariables }: Options,
): { readonly compiled: CompiledStatement, readonly keys: readonly string[] } {
  const { effect } = statement
  const conditions = statement.conditions.map(condition => compileCondition(condition, { kind, effect, hasVariables }))
  const resources = (statement.resources?.texts ?? [])
    .map(text => parseTemplate(text, { variables: hasVariables, wildcards: true }, unreadable))
  const templates = [...resources, ...conditions.flatMap(condition => condition.templates)]
  const valueOf = variableReader(templates, kind)
  const needed = neededKeys(templates)
  return {
    compiled: {
      policy: name, name: statementName(statement), effect,
      hasAction: compileActions(statement.actions),
      naming: statement.principals && compilePrincipals(statement.principals, bindings),
      // A trust policy is about its role and nothing else.
      hasResource: kind === 'trust' ? () => true : compileResources(statement.resources, resources, valueOf),
      holds: allHold(conditions.map(({ test }) => test), needed, valueOf),
      conditions,
      missingVariables: request => needed.filter(key => valueOf(key, request) === undefined),
    },
    keys: [...statement.conditions.map(({ key }) => foldCase(key)), ...templates.flatMap(variablesOf).map(({ key }) => key)],
  }
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

function compileActions(actions: Texts | undefined): (action: string, work: Work) => boolean {
  if (!actions) return () => false
  const globs = actions.texts.map(text => globOf(patternOf(text.toLowerCase())))
  return (action, work) => anyMatches(globs, action.toLowerCase(), work) !== actions.not
}

function compileResources(of: Texts | undefined, templates: readonly Template[], valueOf: VariableReader): Test {
  if (!of) return () => false
  if (!of.not && of.texts.includes('*')) return () => true
  const fixed = templates.filter(template => variablesOf(template).length === 0).map(template => globOf(fixedPattern(template)))
  const varying = templates.filter(template => variablesOf(template).length > 0)
  return request => {
    const { resource, work } = request
    const isOne = anyMatches(fixed, resource, work) || varying.some(template =>
      matches(globOf(resolveTemplate(template, key => valueOf(key, request), work)), resource, work))
    return isOne !== of.not
  }
}

function anyMatches(globs: readonly Glob[], text: string, work: Work): boolean {
  for (const glob of globs) if (matches(glob, text, work)) return true
  return false
}

/** Policy variables without a default. */
function neededKeys(templates: readonly Template[]): readonly string[] {
  return [...new Set(templates.flatMap(variablesOf).filter(({ otherwise }) => otherwise === undefined).map(({ key }) => key))]
}

/** Conditions, and that every policy variable without a default has a value. */
function allHold(tests: readonly Test[], needed: readonly string[], valueOf: VariableReader): Test {
  return request => {
    for (const key of needed) if (valueOf(key, request) === undefined) return false
    for (const test of tests) if (!test(request)) return false
    return true
  }
}

/** Of a statement about the action: whether it is about this request of this caller, and how it names the caller. */
export function applies(
  { naming, effect, hasResource, holds }: CompiledStatement, caller: Caller, request: PolicyRequest,
): Naming | 'identity' | undefined {
  request.work.spend(1)
  const how = naming ? naming(caller, effect) : 'identity'
  return how !== undefined && hasResource(request) && holds(request) ? how : undefined
}
