import {
  applies, hasAction, hasResource, missingVariables, namingBy, type CompiledPolicy, type CompiledStatement,
} from './compile.js'
import { holds, listOf, seenBy } from './conditions.js'
import type { Decider, Question } from './decide.js'
import { statementName } from './document.js'
import type { Naming } from './principals.js'
import { PolicyRequest } from './request.js'
import { TooMuchWork } from './work.js'

/** One statement held against a question: what of it fits, by the very functions that decide. */
export interface StatementTrace {
  readonly by: Decider
  readonly policy: string
  readonly statement: string
  readonly effect: 'Allow' | 'Deny'
  /** Whether it counts: all of the following fit. */
  readonly applies: boolean
  readonly action: boolean
  /** How it names the caller; of a policy of an identity, which is about nobody else, `identity`. undefined: it does not. */
  readonly naming: Naming | 'identity' | undefined
  readonly resource: boolean
  readonly conditions: readonly ConditionTrace[]
  /** Policy variables that the request has no value for. */
  readonly missing: readonly string[]
}

export interface ConditionTrace {
  readonly operator: string
  readonly key: string
  readonly values: readonly string[]
  /** None: the request has not got the key. */
  readonly seen: readonly string[]
  readonly holds: boolean
}

/** Every statement that the decision may rest on, in the order in which policies are asked. Not the decision: see decide.ts. */
export function explain(question: Question): readonly StatementTrace[] {
  return policiesOf(question).flatMap(([by, policies]) =>
    policies.flatMap(({ statements }) => statements.map(statement => trace(by, statement, question))))
}

function policiesOf({ caller, resource }: Question): readonly (readonly [Decider, readonly CompiledPolicy[]])[] {
  return [
    ['resource policy', resource ? [resource.policy] : []],
    ['identity policy', caller.policies],
    ['permissions boundary', caller.boundary ? [caller.boundary] : []],
    ['session policy', caller.session?.policies ?? []],
  ]
}

function trace(by: Decider, statement: CompiledStatement, { caller, request }: Question): StatementTrace {
  const { policy, effect, kind } = statement
  // Each statement has the steps of a whole decision: what comes late must not look as if it did not fit.
  const asked = () => new PolicyRequest(request.action, request.resource, request.facts)
  const isAbout = fits(() => hasAction(statement, request.action, asked().work))
  return {
    by, policy, statement: statementName(statement), effect,
    applies: isAbout && fits(() => applies(statement, caller, asked()) !== undefined),
    action: isAbout,
    naming: namingBy(statement, caller),
    resource: fits(() => hasResource(statement, asked())),
    conditions: statement.conditions.map(condition => ({
      operator: condition.rule.written, key: condition.key, values: listOf(condition.written),
      seen: seenBy(condition, kind, asked()), holds: fits(() => holds(condition, kind, asked())),
    })),
    missing: missingVariables(statement, asked()),
  }
}

/** What takes too many steps allows nothing. */
function fits(test: () => boolean): boolean {
  try {
    return test()
  } catch (error) {
    if (error instanceof TooMuchWork) return false
    throw error
  }
}
