/*
 * The rules of policies and grants once more, written from the documentation of AWS to be read and not to be quick: it works on the JSON as
 * it was written, compiles nothing, remembers nothing, and shares no line with src/domain/policy. Only for small inputs.
 */

export type Json = Readonly<Record<string, unknown>>

export interface PlainCaller {
  readonly type: string
  readonly accountId: string
  readonly arn: string
  /** Of a session, its role. */
  readonly principalArn: string
  readonly uniqueId: string
  readonly provider?: string
}

export interface PlainQuestion {
  readonly caller: PlainCaller
  readonly action: string
  readonly resource: string
  /** Whose key it is. */
  readonly accountId: string
  /** Condition keys in small letters. A key that may have several values has a list. */
  readonly context: Readonly<Record<string, string | readonly string[]>>
  readonly encryptionContext: Readonly<Record<string, string>>
  readonly keyPolicy: Json
  /** Unique ids by ARN, from when the policy was set. */
  readonly bindings: Readonly<Record<string, string>>
  readonly identityPolicies: readonly Json[]
  readonly boundary: Json | undefined
  readonly sessionPolicies: readonly Json[] | undefined
  readonly grants: readonly PlainGrant[]
}

export interface PlainGrant {
  readonly grantee: string
  readonly granteeId: string | undefined
  readonly operations: readonly string[]
  readonly equals: Readonly<Record<string, string>> | undefined
  readonly subset: Readonly<Record<string, string>> | undefined
}

export function isAllowed(question: PlainQuestion): boolean {
  const { keyPolicy, identityPolicies, boundary, sessionPolicies } = question
  const all = [keyPolicy, ...identityPolicies, ...boundary ? [boundary] : [], ...sessionPolicies ?? []]
  if (all.some(policy => statementsOf(policy).some(statement => statement.Effect === 'Deny' && isAbout(statement, policy, question)))) {
    return false
  }
  const named = statementsOf(keyPolicy).filter(statement => statement.Effect === 'Allow' && isAbout(statement, keyPolicy, question))
    .flatMap(statement => namesOf(statement, question))
  const byIdentity = allows(identityPolicies, question)
  const inBoundary = boundary === undefined || allows([boundary], question)
  const inSession = sessionPolicies === undefined || allows(sessionPolicies, question)
  if (question.caller.type === 'Service') return named.length > 0 || byGrant(question, false)
  if (question.caller.accountId !== question.accountId) {
    return (named.length > 0 && byIdentity && inBoundary && inSession) || (inBoundary && inSession && byGrant(question, byIdentity))
  }
  if (named.includes('session')) return true
  if (named.includes('user') && inSession) return true
  if (!inBoundary || !inSession) return false
  if (named.includes('role') || named.includes('everybody')) return true
  if (named.includes('account') && (byIdentity || question.caller.type === 'Account')) return true
  return byGrant(question, byIdentity)
}

function allows(policies: readonly Json[], question: PlainQuestion): boolean {
  return policies.some(policy => statementsOf(policy).some(statement =>
    statement.Effect === 'Allow' && isAbout(statement, policy, question)))
}

function statementsOf(policy: Json): readonly Json[] {
  return listOf(policy.Statement) as readonly Json[]
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function isAbout(statement: Json, policy: Json, question: PlainQuestion): boolean {
  const hasVariables = policy.Version === '2012-10-17'
  return isAboutAction(statement, question) && isAboutResource(statement, hasVariables, question)
    && (isIdentityPolicy(statement) || namesOf(statement, question).length > 0)
    && resolves(statement, hasVariables, question)
    && conditionsHold(statement, hasVariables, question)
}

function isIdentityPolicy(statement: Json): boolean {
  return statement.Principal === undefined && statement.NotPrincipal === undefined
}

function isAboutAction({ Action: is, NotAction: isNot }: Json, { action }: PlainQuestion): boolean {
  const matches = (pattern: unknown) => like(wildcards(String(pattern).toLowerCase()), action.toLowerCase())
  if (is !== undefined) return listOf(is).some(matches)
  return isNot !== undefined && !listOf(isNot).some(matches)
}

function isAboutResource({ Resource: is, NotResource: isNot }: Json, hasVariables: boolean, question: PlainQuestion): boolean {
  const matches = (pattern: unknown) => like(tokens(String(pattern), true, hasVariables, question), question.resource)
  if (is !== undefined) return listOf(is).some(matches)
  return isNot !== undefined && !listOf(isNot).some(matches)
}

type Name = 'session' | 'role' | 'user' | 'account' | 'service' | 'everybody'

/** All ways in which a statement means the caller. */
function namesOf(statement: Json, { caller, bindings }: PlainQuestion): readonly Name[] {
  const written = statement.Principal ?? statement.NotPrincipal
  const names = principals(written).flatMap(principal => nameOf(principal, caller, bindings))
  if (statement.NotPrincipal === undefined) {
    // In a Deny, the account is everybody in it; for an Allow the difference matters.
    return names
  }
  if (names.includes('everybody')) return []
  if (statement.Effect === 'Allow') return names.length > 0 ? [] : ['everybody']
  const needed: readonly Name[] = caller.type === 'Service' ? ['service']
    : caller.type === 'Account' ? ['account'] : caller.type === 'User' ? ['account', 'user'] : ['account', 'role', 'session']
  return needed.every(name => names.includes(name)) ? [] : ['everybody']
}

function principals(written: unknown): readonly (readonly [string, string])[] {
  if (written === '*') return [['AWS', '*']]
  return Object.entries(written as Json).flatMap(([type, names]) => listOf(names).map(name => [type, String(name)] as const))
}

function nameOf([type, name]: readonly [string, string], caller: PlainCaller, bindings: PlainQuestion['bindings']): readonly Name[] {
  if (type === 'Service') return caller.type === 'Service' && caller.uniqueId === name ? ['service'] : []
  if (type !== 'AWS') return []
  if (name === '*') return ['everybody']
  if (name === caller.accountId || name === `arn:aws:iam::${caller.accountId}:root`) return ['account']
  const bound = bindings[name]
  if (bound !== undefined && bound !== caller.uniqueId) return []
  if (caller.type === 'User' && name === caller.arn) return ['user']
  if (caller.type === 'AssumedRole' && name === caller.arn) return ['session']
  return caller.type === 'AssumedRole' && name === caller.principalArn ? ['role'] : []
}

/** Every variable of a statement must have a value, or a default of its own. */
function resolves(statement: Json, hasVariables: boolean, { context }: PlainQuestion): boolean {
  if (!hasVariables) return true
  const resources = listOf(statement.Resource ?? statement.NotResource ?? []).flatMap(text => [...listOf(text)])
  const values = conditionsOf(statement).filter(({ operator }) => /String|Arn/.test(operator)).flatMap(({ values: texts }) => texts)
  const variables = [...resources, ...values].flatMap(text =>
    [...String(text).matchAll(/\$\{([^}]*)\}/g)].map(([, inside = '']) => inside))
  return variables.every(inside =>
    ['*', '?', '$'].includes(inside) || inside.includes(',') || typeof context[inside.trim().toLowerCase()] === 'string')
}

interface PlainCondition { readonly operator: string, readonly key: string, readonly values: readonly string[] }

function conditionsOf({ Condition: condition = {} }: Json): readonly PlainCondition[] {
  return Object.entries(condition as Json).flatMap(([operator, keys]) =>
    Object.entries(keys as Json).map(([key, values]) => ({ operator, key: key.toLowerCase(), values: listOf(values).map(String) })))
}

function conditionsHold(statement: Json, hasVariables: boolean, question: PlainQuestion): boolean {
  return conditionsOf(statement).every(condition => holds(condition, String(statement.Effect), hasVariables, question))
}

function holds(
  { operator: written, key, values }: PlainCondition, effect: string, hasVariables: boolean, question: PlainQuestion,
): boolean {
  const [set, name] = written.includes(':') ? written.split(':') as [string, string] : ['', written]
  const given = question.context[key]
  const actual = given === undefined ? [] : listOf(given).map(String)
  if (name === 'Null') return values.includes(String(actual.length === 0))
  const ifExists = name.endsWith('IfExists')
  const base = name.replace(/IfExists$/, '')
  const isNegated = base.includes('Not')
  const isMatched = (value: string) => values.some(wanted => compare(base.replace('Not', ''), value, wanted, hasVariables, question))
  const isRight = (value: string) => isMatched(value) !== isNegated
  if (actual.length === 0) {
    if (ifExists) return true
    return set === '' ? isNegated : set === 'ForAllValues'
  }
  if (set === 'ForAllValues') return actual.every(isRight)
  if (set === 'ForAnyValue') return actual.some(isRight)
  return effect === 'Allow' ? actual.every(isRight) : actual.some(isRight)
}

/** Of an operator that is not negated. */
function compare(operator: string, actual: string, wanted: string, hasVariables: boolean, question: PlainQuestion): boolean {
  const literal = () => tokens(wanted, false, hasVariables, question).join('')
  switch (operator) {
    case 'StringEquals': return actual === literal()
    case 'StringEqualsIgnoreCase': return actual.toLowerCase() === literal().toLowerCase()
    case 'StringLike': return like(tokens(wanted, true, hasVariables, question), actual)
    case 'Bool': return actual === wanted.toLowerCase()
    case 'NumericEquals': case 'DateEquals': return order(operator, actual) === order(operator, wanted)
    case 'NumericLessThan': case 'DateLessThan': return order(operator, actual) < order(operator, wanted)
    case 'NumericLessThanEquals': case 'DateLessThanEquals': return order(operator, actual) <= order(operator, wanted)
    case 'NumericGreaterThan': case 'DateGreaterThan': return order(operator, actual) > order(operator, wanted)
    case 'NumericGreaterThanEquals': case 'DateGreaterThanEquals': return order(operator, actual) >= order(operator, wanted)
    case 'IpAddress': return inRange(actual, wanted)
    case 'ArnEquals': case 'ArnLike': return sameArn(actual, tokens(wanted, true, hasVariables, question))
    default: throw new Error(`the reference does not know ${operator}`)
  }
}

function order(operator: string, text: string): number {
  if (operator.startsWith('Numeric')) return /^-?[0-9.]+$/.test(text) ? Number(text) : NaN
  return /^[0-9]{5,}$/.test(text) ? Number(text) * 1000 : Date.parse(text)
}

/** IPv4 only: ranges by comparing the binary digits. */
function inRange(actual: string, wanted: string): boolean {
  const digits = (address: string) => address.split('.').map(part => Number(part).toString(2).padStart(8, '0')).join('')
  const [network = '', length = '32'] = wanted.split('/')
  return digits(actual).slice(0, Number(length)) === digits(network).slice(0, Number(length))
}

function sameArn(actual: string, pattern: readonly Token[]): boolean {
  if (pattern.length === 1 && pattern[0] === anyRun) return actual.split(':').length >= 6
  const parts: Token[][] = [[]]
  for (const token of pattern) {
    if (token === ':' && parts.length < 6) parts.push([])
    else parts.at(-1)?.push(token)
  }
  const [given, rest] = [actual.split(':').slice(0, 5), actual.split(':').slice(5).join(':')]
  return parts.length === 6 && actual.split(':').length >= 6 && parts.every((part, at) => like(part, at < 5 ? given[at] ?? '' : rest))
}

const anyRun = Symbol('*')
const oneCharacter = Symbol('?')
type Token = string | typeof anyRun | typeof oneCharacter

function wildcards(text: string): readonly Token[] {
  return [...text].map(character => character === '*' ? anyRun : character === '?' ? oneCharacter : character)
}

/** With variables replaced by their values, in which `*` and `?` mean themselves. */
function tokens(text: string, hasWildcards: boolean, hasVariables: boolean, question: PlainQuestion): readonly Token[] {
  const plain = (part: string): readonly Token[] => hasWildcards ? wildcards(part) : [...part]
  if (!hasVariables) return plain(text)
  return text.split(/(\$\{[^}]*\})/).flatMap((part, at) => at % 2 === 0 ? plain(part) : valueOf(part.slice(2, -1), question))
}

function valueOf(inside: string, { context }: PlainQuestion): readonly Token[] {
  if (['*', '?', '$'].includes(inside)) return [inside]
  const [key = '', otherwise = "''"] = inside.split(',').map(part => part.trim())
  const value = context[key.toLowerCase()]
  return [...typeof value === 'string' ? value : otherwise.slice(1, -1)]
}

function like([first, ...rest]: readonly Token[], text: string): boolean {
  if (first === undefined) return text === ''
  const [character, ...others] = [...text]
  if (first === anyRun) return like(rest, text) || (character !== undefined && like([first, ...rest], others.join('')))
  return character !== undefined && (first === oneCharacter || first === character) && like(rest, others.join(''))
}

const withoutContext = ['DescribeKey', 'RetireGrant']

function byGrant({ caller, action, encryptionContext, grants }: PlainQuestion, byIdentity: boolean): boolean {
  const operation = action.slice('kms:'.length)
  return grants.some(grant => {
    const isAccount = grant.grantee === `arn:aws:iam::${caller.accountId}:root`
    const isCaller = caller.type === 'Service' ? grant.grantee === caller.uniqueId
      : [caller.arn, caller.principalArn].includes(grant.grantee) && (grant.granteeId ?? caller.uniqueId) === caller.uniqueId
    return (isCaller || (isAccount && byIdentity)) && grant.operations.includes(operation)
      && (withoutContext.includes(operation) || fits(grant, encryptionContext))
  })
}

function fits({ equals, subset }: PlainGrant, pairs: Readonly<Record<string, string>>): boolean {
  const has = (wanted: Readonly<Record<string, string>>) => Object.entries(wanted).every(([name, value]) => pairs[name] === value)
  const isSame = equals === undefined || (has(equals) && Object.keys(equals).length === Object.keys(pairs).length)
  return isSame && (subset === undefined || has(subset))
}
