import type * as api from '../../api/iam/decisions.js'
import type { Output } from '../../api/shape.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import type { Reason } from '../../domain/policy/decide.js'
import type { StatementTrace } from '../../domain/policy/explain.js'
import type { Access } from '../authorization/access.js'

export type Explained = Output<typeof api.explainDecision>

/** A call that is not made. */
export interface Thought {
  readonly access: Access
  readonly caller: Caller
  /** Of what was decided last. */
  readonly reason: () => Reason | undefined
}

/** Statements that one answer shows. */
const statementsMax = 1_000

export async function refusalOf(act: () => Promise<void>): Promise<KmsError | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    if (error instanceof KmsError) return error
    throw error
  }
}

const verdicts = { allow: 'allowed', deny: 'explicitDeny', no: 'implicitDeny' } as const

/**
 * What is shown of the reason: `outcome` no more than whether, because even the kind of policy that refuses tells of the others that did
 * not; `own side` not the names of what the policy of the key or a grant says.
 */
export function verdictOf(reason: Reason | undefined, refusal: KmsError | undefined, show: 'all' | 'own side' | 'outcome'): Explained {
  const answered = refusal ? { ErrorCode: refusal.code, ErrorMessage: refusal.message } : {}
  // What the service does not let anybody do depends on nothing that there is.
  const isByName = reason?.by === 'service' && reason.verdict === 'no'
  if (!reason || (show === 'outcome' && !isByName)) return { EvalDecision: refusal ? 'implicitDeny' : 'allowed', ...answered }
  const { verdict, by, policy, statement, and } = reason
  const isHidden = show === 'own side' && (by === 'resource policy' || by === 'grant')
  return {
    EvalDecision: refusal && verdict === 'allow' ? 'implicitDeny' : verdicts[verdict],
    DecidedBy: by,
    ...!isHidden && policy !== undefined && { PolicyName: policy },
    ...!isHidden && statement !== undefined && { Statement: statement },
    ...and && { AndPolicyName: and.policy, AndStatement: and.statement },
    ...answered,
  }
}

export function shown(statements: readonly StatementTrace[]): Pick<Explained, 'Statements' | 'IsTruncated'> {
  return { Statements: statements.slice(0, statementsMax).map(shownStatement), IsTruncated: statements.length > statementsMax }
}

function shownStatement(statement: StatementTrace): NonNullable<Explained['Statements']>[number] {
  const { naming, missing } = statement
  return {
    PolicyType: statement.by, PolicyName: statement.policy, Statement: statement.statement, Effect: statement.effect,
    Applies: statement.applies, ActionFits: statement.action, ResourceFits: statement.resource, PrincipalFits: naming !== undefined,
    ...naming !== undefined && naming !== 'identity' && { NamesCallerAs: naming },
    Conditions: statement.conditions.map(({ operator, key, values, seen, holds }) => ({
      Operator: operator, Key: key, Values: values, Holds: holds, ...seen.length > 0 && { Seen: seen },
    })),
    ...missing.length > 0 && { MissingVariables: missing },
  }
}
