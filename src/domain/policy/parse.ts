import { KmsError } from '../errors.js'

/** KMS developer guide, Quotas: key policy document size. */
export const policyBytesMax = 32_768

const invalidPrincipals = 'Policy contains a statement with one or more invalid principals.'
const scalarTypes = ['string', 'number', 'boolean']

type Json = Readonly<Record<string, unknown>>

const documentMembers = ['Version', 'Id', 'Statement']
const statementMembers = [
  'Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition',
]
const principalTypes = ['AWS', 'Service', 'Federated', 'CanonicalUser']
const versions = ['2012-10-17', '2008-10-17']

/**
 * Throws unless `text` has the grammar of a key policy (IAM User Guide, Grammar of the JSON policy language). Only the form is checked:
 * what the statements mean is decided by domain/policy/decide.ts.
 */
export function checkPolicyDocument(text: string): void {
  if (Buffer.byteLength(text) > policyBytesMax) {
    throw new KmsError('LimitExceededException', `The key policy is larger than ${policyBytesMax} bytes`)
  }
  const document = object(parse(text), 'The policy document must be a JSON object')
  onlyMembers(document, documentMembers)
  if (document.Version !== undefined && !versions.includes(document.Version as string)) malformed('Unsupported policy version')
  if (document.Id !== undefined && typeof document.Id !== 'string') malformed('Id must be a string')
  const statements = Array.isArray(document.Statement) ? document.Statement : [document.Statement]
  if (statements.length === 0) malformed('The policy has no statement')
  for (const statement of statements) checkStatement(object(statement, 'A statement must be a JSON object'))
}

function checkStatement(statement: Json): void {
  onlyMembers(statement, statementMembers)
  if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') malformed('Effect must be Allow or Deny')
  if (statement.Sid !== undefined && typeof statement.Sid !== 'string') malformed('Sid must be a string')
  exactlyOne(statement, 'Principal', 'NotPrincipal')
  checkPrincipal(statement.Principal ?? statement.NotPrincipal)
  for (const pair of [['Action', 'NotAction'], ['Resource', 'NotResource']] as const) {
    // AWS KMS takes a statement without action or resource; it never applies to anything.
    if (pair.every(name => statement[name] === undefined)) continue
    exactlyOne(statement, pair[0], pair[1])
    strings(statement[pair[0]] ?? statement[pair[1]], pair[0])
  }
  if (statement.Condition !== undefined) checkCondition(object(statement.Condition, 'Condition must be a JSON object'))
}

function checkPrincipal(principal: unknown): void {
  if (principal === '*') return
  const types = Object.entries(object(principal, invalidPrincipals))
  if (types.length === 0 || types.some(([type]) => !principalTypes.includes(type))) malformed(invalidPrincipals)
  for (const [, value] of types) strings(value, 'Principal')
}

/** Operators, in each keys, and for each key a value or a list of values. Which operators there are is not looked at. */
function checkCondition(condition: Json): void {
  for (const keys of Object.values(condition)) {
    for (const values of Object.values(object(keys, 'A condition operator must be a JSON object'))) {
      const list: readonly unknown[] = Array.isArray(values) ? values : [values]
      if (!list.every(value => scalarTypes.includes(typeof value))) malformed('A condition value must be a string, a number or a boolean')
    }
  }
}

function strings(value: unknown, name: string): void {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0 || !list.every(item => typeof item === 'string')) malformed(`${name} must be a string or a list of strings`)
}

function exactlyOne(statement: Json, positive: string, negative: string): void {
  if ((statement[positive] === undefined) === (statement[negative] === undefined)) {
    malformed(`A statement needs exactly one of ${positive} and ${negative}`)
  }
}

function onlyMembers(value: Json, members: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!members.includes(name)) malformed('The policy has an unknown element')
  }
}

function object(value: unknown, otherwise: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) malformed(otherwise)
  return value as Json
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    malformed('The policy is not valid JSON')
  }
}

function malformed(message: string): never {
  throw new KmsError('MalformedPolicyDocumentException', message)
}
