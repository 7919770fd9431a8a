import type { Caller } from '../caller.js'
import { compileCondition, type CompiledCondition } from './conditions.js'
import { readerOf } from './condition-keys.js'
import { statementName, type PolicyDocument, type PolicyKind, type Statement, type Texts } from './document.js'
import { matchesPattern, patternOf } from './glob.js'
import { parsePolicy } from './parse.js'
import { compilePrincipals, type Bindings, type Naming, type PrincipalTest } from './principals.js'
import type { PolicyRequest } from './request.js'
import { neededKeys, parseTemplate, resolveTemplate, type Template } from './variables.js'
import { Work } from './work.js'

/** Answers of one statement for one action are remembered; there are as many actions as the service has, and then some. */
const rememberedActionsMax = 1_024

/** A policy made ready to be asked many times. */
export interface CompiledPolicy {
  /** What people know it by: `key policy`, or the ARN or name of an identity policy. */
  readonly name: string
  readonly statements: readonly CompiledStatement[]
  /** Condition keys that it asks for, in small letters. */
  readonly keys: ReadonlySet<string>
  /** What it was compiled from, where that was a text. */
  readonly text?: string
}

export interface CompiledStatement {
  readonly policy: string
  readonly name: string
  readonly effect: 'Allow' | 'Deny'
  /** How it names the caller; undefined for a policy of an identity, which is about nobody else. */
  readonly naming: PrincipalTest | undefined
  readonly hasAction: (action: string) => boolean
  readonly hasResource: (request: PolicyRequest) => boolean
  /** All of its conditions, and that its policy variables have values. */
  readonly holds: (request: PolicyRequest) => boolean
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
  return {
    name,
    statements: statements.map(statement => compileStatement(statement, { name, kind, bindings, hasVariables })),
    keys: new Set(statements.flatMap(({ conditions }) => conditions.map(({ key }) => key.toLowerCase()))),
  }
}

type Options = Required<CompileOptions> & { readonly hasVariables: boolean }

function compileStatement(statement: Statement, { name, kind, bindings, hasVariables }: Options): CompiledStatement {
  const valueOf = (key: string, request: PolicyRequest) => {
    const value = readerOf(key, kind)(request)
    return typeof value === 'string' ? value : undefined
  }
  const conditions = statement.conditions.map(condition => compileCondition(condition, { kind, hasVariables, valueOf }))
  const resources = (statement.resources?.texts ?? [])
    .map(text => parseTemplate(text, { variables: hasVariables, wildcards: true }, unreadable))
  const needed = [...resources, ...conditions.flatMap(({ templates }) => templates)].flatMap(neededKeys)
  return {
    policy: name,
    name: statementName(statement),
    effect: statement.effect,
    naming: statement.principals && compilePrincipals(statement.principals, bindings),
    hasAction: compileActions(statement.actions),
    // A trust policy is about its role and nothing else.
    hasResource: kind === 'trust' ? () => true : compileResources(statement.resources, resources, valueOf),
    holds: allHold(conditions, needed, valueOf),
    conditions,
    missingVariables: request => needed.filter(key => valueOf(key, request) === undefined),
  }
}

function unreadable(sentence: string): never {
  throw new TypeError(sentence)
}

function compileActions(actions: Texts | undefined): (action: string) => boolean {
  if (!actions) return () => false
  const patterns = actions.texts.map(text => patternOf(text.toLowerCase()))
  const remembered = new Map<string, boolean>()
  return action => {
    let has = remembered.get(action)
    if (has !== undefined) return has
    has = patterns.some(pattern => matchesPattern(pattern, action.toLowerCase(), new Work())) !== actions.not
    if (remembered.size < rememberedActionsMax) remembered.set(action, has)
    return has
  }
}

type ValueOf = (key: string, request: PolicyRequest) => string | undefined

function compileResources(of: Texts | undefined, templates: readonly Template[], valueOf: ValueOf): (request: PolicyRequest) => boolean {
  if (!of) return () => false
  if (!of.not && of.texts.includes('*')) return () => true
  return request => templates.some(template =>
    matchesPattern(resolveTemplate(template, key => valueOf(key, request)), request.resource, request.work)) !== of.not
}

/** Conditions, and that every policy variable without a default has a value. */
function allHold(
  conditions: readonly CompiledCondition[], needed: readonly string[], valueOf: ValueOf,
): (request: PolicyRequest) => boolean {
  const tests = conditions.map(({ test }) => test)
  return request => {
    for (const key of needed) if (valueOf(key, request) === undefined) return false
    for (const test of tests) if (!test(request)) return false
    return true
  }
}

/** Whether the statement is about this request of this caller, and how it names the caller. */
export function applies(statement: CompiledStatement, caller: Caller, request: PolicyRequest): Naming | 'identity' | undefined {
  if (!statement.hasAction(request.action)) return undefined
  const naming = statement.naming ? statement.naming(caller, statement.effect) : 'identity'
  if (naming === undefined || !statement.hasResource(request) || !statement.holds(request)) return undefined
  return naming
}
