import { explainDecision } from '../../api/iam/decisions.js'
import type { Input, Output } from '../../api/shape.js'
import { exitCodes, print, type OutputOptions } from '../output.js'
import { IamClient, RefusedCall } from './client.js'
import { pairOf, textOf } from './options.js'
import { indented } from './show.js'

interface ExplainOptions extends OutputOptions {
  readonly principal: string
  readonly action: string
  readonly key?: string
  readonly resource?: string
  readonly context?: readonly string[]
  readonly sessionPolicy?: string
  readonly region?: string
}

type Explained = Output<typeof explainDecision>
type Statement = NonNullable<Explained['Statements']>[number]

/** Of an encryption context pair whose name has a colon, which would be taken for a condition key without it. */
const pairPrefix = /^kms:EncryptionContext:/i

/** Exit code 1 when it is not allowed, for scripts that ask. */
export async function explain(options: ExplainOptions): Promise<void> {
  const explained = await ask(inputOf(options))
  print(options, explained, () => lines(options, explained))
  if (explained.EvalDecision !== 'allowed') process.exitCode = exitCodes.bad
}

/** Options of this command for members that a refusal names. */
const optionOf: Readonly<Record<string, string>> = {
  KeyId: '--key', ResourceArn: '--resource', PrincipalArn: '--principal', SessionPolicy: '--session-policy', Region: '--region',
}

async function ask(input: Input<typeof explainDecision>): Promise<Explained> {
  try {
    return await new IamClient().call(explainDecision, input)
  } catch (error) {
    if (!(error instanceof RefusedCall) || error.name !== 'ValidationException') throw error
    throw new RefusedCall(error.name, error.message.replace(/(?<= with |: leave |^)[A-Z][A-Za-z]+/g, name => optionOf[name] ?? name))
  }
}

/** What has a colon in its name is a condition key, the rest are pairs of the encryption context. */
export function inputOf(
  { principal, action, key, resource, context = [], sessionPolicy, region }: ExplainOptions,
): Input<typeof explainDecision> {
  const pairs: [string, string][] = []
  const entries = new Map<string, string[]>()
  for (const text of context) {
    const [name, value] = pairOf(text, '--context')
    if (pairPrefix.test(name)) pairs.push([name.replace(pairPrefix, ''), value])
    else if (!name.includes(':')) pairs.push([name, value])
    else entries.set(name, [...entries.get(name) ?? [], value])
  }
  return {
    PrincipalArn: principal, Action: action,
    ...key !== undefined && { KeyId: key },
    ...resource !== undefined && { ResourceArn: resource },
    ...region !== undefined && { Region: region },
    ...sessionPolicy !== undefined && { SessionPolicy: textOf(sessionPolicy) },
    ...pairs.length > 0 && { EncryptionContext: Object.fromEntries(pairs) },
    ...entries.size > 0 && {
      ContextEntries: [...entries].map(([ContextKeyName, ContextKeyValues]) => ({ ContextKeyName, ContextKeyValues })),
    },
  }
}

const verdicts: Readonly<Record<NonNullable<Explained['EvalDecision']>, string>> = {
  allowed: 'ALLOWED', explicitDeny: 'DENIED by a statement', implicitDeny: 'NOT ALLOWED',
}

function lines({ principal, action, key, resource }: ExplainOptions, explained: Explained): readonly string[] {
  const { EvalDecision: decision, Statements: statements = [], ErrorCode: code, ErrorMessage: message } = explained
  return [
    `${decision ? verdicts[decision] : ''}${waiting(explained)}: ${principal} ${action}`
      + (key ?? resource ? ` on ${key ?? resource ?? ''}` : ''),
    ...because(explained),
    ...code === undefined ? [] : [`  answered: ${code}: ${message ?? ''}`],
    ...hidden(explained),
    '',
    ...statements.flatMap(statementLines),
    ...explained.IsTruncated ? ['(further statements are not shown)'] : [],
  ]
}

function waiting({ ApprovalsNeeded: needed, ApprovalRule: rule }: Explained): string {
  if (needed === undefined) return ''
  return `, and waits for ${needed === 1 ? '1 approval' : `${needed} approvals`} (rule ${rule ?? ''})`
}

function because(explained: Explained): readonly string[] {
  const { EvalDecision: decision, DecidedBy: by, PolicyName: policy, Statement: statement, AndPolicyName: and, AndStatement } = explained
  if (by === undefined) return []
  if (decision === 'implicitDeny') return [by === 'service' ? keptInside : `  nothing in: ${resourcePolicyOf(explained, by)}`]
  const second = and === undefined ? '' : `, together with ${and}: ${AndStatement ?? ''}`
  return [`  by: ${[by, policy, statement].filter(part => part !== undefined).join(', ')}${second}`]
}

const keptInside = '  by: service, which lets nobody do this outside of their own account'

/** What kind of policy it is that the key or the role has. */
function resourcePolicyOf({ TrustPolicyShown: ofRole }: Explained, by: string): string {
  if (by !== 'resource policy') return by
  return ofRole === undefined ? 'key policy' : 'trust policy'
}

/** Why the policy of the key or the role is not among the statements. */
function hidden({ KeyPolicyShown: ofKey, TrustPolicyShown: ofRole, KeyNotFound: isMissing, DecidedBy: by }: Explained): readonly string[] {
  if (isMissing) return ['  NotFoundException: there is no such key or alias']
  if (by === 'service') return []
  if (ofRole === false) return ['  the trust policy is not shown: there is no such role, or who asks may not get it']
  return ofKey === false ? ['  the policy of the key is not shown: it may not be read by who asks, or there is no such key'] : []
}

function statementLines(statement: Statement): readonly string[] {
  const { PolicyType: type, PolicyName: name, Statement: of, Effect: effect, Applies: applies } = statement
  const parts: readonly (readonly [string, boolean | undefined])[] = [
    [`principal${statement.NamesCallerAs === undefined ? '' : ` (${statement.NamesCallerAs})`}`, statement.PrincipalFits],
    ['action', statement.ActionFits], ['resource', statement.ResourceFits],
  ]
  return [
    `${applies ? '*' : ' '} ${effect} ${type}: ${name}, ${of}`,
    ...indented(indented([
      parts.map(([what, fits]) => `${what} ${fits ? 'fits' : 'does not fit'}`).join(', '),
      ...(statement.Conditions ?? []).map(({ Operator: operator, Key: key, Values: values = [], Seen: seen, Holds: holds }) =>
        `condition ${holds ? 'holds' : 'does not hold'}: ${operator} ${key} ${JSON.stringify(values)}, the call has `
        + `${seen ? JSON.stringify(seen) : 'none'}`),
      ...(statement.MissingVariables ?? []).map(variable => `there is no value for \${${variable}}`),
    ])),
  ]
}
