import { KmsError } from '../errors.js'
import { parsePrincipal } from '../principal.js'
import {
  statementName, type Condition, type PolicyDocument, type PolicyKind, type PrincipalName, type PrincipalType, type Principals,
  type Statement, type Texts,
} from './document.js'
import { foldCase } from './fold-case.js'
import { isJsonObject, parseStrictly, type Json } from './json.js'
import { operators, parseOperator, type OperatorName } from './operators.js'
import { checkParts } from './size.js'
import { parseTemplate } from './variables.js'

/** KMS developer guide, Quotas: key policy document size. */
export const policyBytesMax = 32_768
/** IAM API Reference: the longest PolicyDocument. Whoever stores a policy counts more closely (domain/identity.ts). */
const documentCharactersMax = 131_072
/** Of a text of the policy that a refusal repeats. */
const repeatedCharactersMax = 128

const invalidPrincipals = 'Policy contains a statement with one or more invalid principals.'
const documentElements = ['Version', 'Id', 'Statement']
const statementElements = [
  'Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition',
]
const principalTypes: readonly PrincipalType[] = ['AWS', 'Service', 'Federated', 'CanonicalUser']
const versions = ['2012-10-17', '2008-10-17']
const scalarTypes = ['string', 'number', 'boolean']
/** IAM API Reference, Statement: only those of key policies may have spaces. */
const identitySid = /^[A-Za-z0-9]*$/
const actionForm = /^(?:\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$/i
const serviceName = /^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$/
/** A prefix and a name; prefixes of identity providers may be hosts with ports and paths. */
const conditionKeyForm = /^[^\s:]+:\S.*$/
/** Keys that a `ForAllValues` lets through when the request has none (KMS developer guide, Condition keys). */
const overlyPermissive = /^(?:kms:encryptioncontext:|aws:requesttag\/)/

interface Rules {
  readonly principal: 'required' | 'forbidden'
  readonly resource: 'optional' | 'required' | 'forbidden'
  /** Whether a statement without Action may stand there, and never apply (KMS developer guide, Key policies). */
  readonly actionOptional: boolean
  readonly sid: RegExp | undefined
}

const rulesOf: Readonly<Record<PolicyKind, Rules>> = {
  key: { principal: 'required', resource: 'optional', actionOptional: true, sid: undefined },
  trust: { principal: 'required', resource: 'forbidden', actionOptional: false, sid: identitySid },
  identity: { principal: 'forbidden', resource: 'required', actionOptional: false, sid: identitySid },
  limit: { principal: 'forbidden', resource: 'required', actionOptional: false, sid: identitySid },
}

/**
 * Reads a policy document that somebody brings (IAM User Guide, Grammar of the JSON policy language). Throws
 * MalformedPolicyDocumentException, naming the statement or the limit, and for a key policy that is too large LimitExceededException.
 */
export function parsePolicy(text: string, kind: PolicyKind): PolicyDocument {
  const document = parseStoredPolicy(text, kind)
  checkParts(document, malformed)
  return document
}

/** `parsePolicy` of one that is stored: it may have more parts than a new one, because it was stored before there was a limit to them. */
export function parseStoredPolicy(text: string, kind: PolicyKind): PolicyDocument {
  if (kind === 'key' && Buffer.byteLength(text) > policyBytesMax) {
    throw new KmsError('LimitExceededException', `The key policy is larger than ${policyBytesMax} bytes`)
  }
  if (text.length > documentCharactersMax) malformed(`The policy is longer than ${documentCharactersMax} characters`)
  const json = parseStrictly(text, malformed)
  if (!isJsonObject(json)) malformed('The policy document must be a JSON object')
  const document = elementsOf(json, documentElements, malformed)
  if (document.Version !== undefined && !versions.includes(document.Version as string)) malformed('Unsupported policy version')
  if (document.Id !== undefined && typeof document.Id !== 'string') malformed('Id must be a string')
  const written: readonly unknown[] = Array.isArray(document.Statement) ? document.Statement : [document.Statement]
  if (document.Statement === undefined || written.length === 0) malformed('The policy has no statement')
  const hasVariables = document.Version === '2012-10-17'
  const statements = written.map((statement, at) => new StatementReader(at + 1, kind, hasVariables).read(statement))
  refuseSameSids(statements)
  return { hasVariables, statements }
}

function refuseSameSids(statements: readonly Statement[]): void {
  const sids = new Set<string>()
  for (const { sid, number } of statements) {
    if (sid === undefined || sid === '') continue
    if (sids.has(sid)) malformed(`Statement ${number} has the Sid of another one: ${quoted(sid)}`)
    sids.add(sid)
  }
}

/** One statement. Every fault names it. */
class StatementReader {
  readonly #number: number
  readonly #kind: PolicyKind
  readonly #hasVariables: boolean
  #sid: string | undefined
  readonly #fail: (sentence: string) => never = sentence =>
    malformed(`In ${statementName({ number: this.#number, sid: this.#sid })}: ${sentence}`)

  constructor(number: number, kind: PolicyKind, hasVariables: boolean) {
    this.#number = number
    this.#kind = kind
    this.#hasVariables = hasVariables
  }

  read(json: unknown): Statement {
    if (!isJsonObject(json)) this.#fail('A statement must be a JSON object')
    const elements = elementsOf(json, statementElements, this.#fail)
    const rules = rulesOf[this.#kind]
    this.#sid = this.#readSid(elements.Sid, rules)
    if (elements.Effect !== 'Allow' && elements.Effect !== 'Deny') this.#fail('Effect must be Allow or Deny')
    const principals = this.#readPrincipals(elements, rules)
    const actions = this.#texts(elements, 'Action', 'NotAction')
    if (!actions && !rules.actionOptional) this.#fail('Action is missing')
    for (const action of actions?.texts ?? []) if (!actionForm.test(action)) this.#fail(`${quoted(action)} is not an action`)
    const resources = this.#readResources(elements, rules)
    return {
      number: this.#number, sid: this.#sid, effect: elements.Effect, principals, actions, resources,
      conditions: elements.Condition === undefined ? [] : this.#readConditions(elements.Condition),
    }
  }

  #readSid(sid: unknown, rules: Rules): string | undefined {
    if (sid === undefined) return undefined
    if (typeof sid !== 'string') this.#fail('Sid must be a string')
    if (rules.sid && !rules.sid.test(sid)) this.#fail('Sid may have letters and digits only')
    return sid
  }

  #readPrincipals(elements: Json, { principal: rule }: Rules): Principals | undefined {
    const { Principal: positive, NotPrincipal: negative } = elements
    if (rule === 'forbidden') {
      if (positive !== undefined || negative !== undefined) this.#fail('A policy of an identity has no Principal')
      return undefined
    }
    if ((positive === undefined) === (negative === undefined)) this.#fail('A statement needs exactly one of Principal and NotPrincipal')
    return { not: positive === undefined, names: this.#principalNames(positive ?? negative) }
  }

  #principalNames(principal: unknown): readonly PrincipalName[] {
    if (principal === '*') return [{ type: 'AWS', name: '*' }]
    if (!isJsonObject(principal)) this.#failPrincipal(principal)
    const types = Object.entries(principal)
    if (types.length === 0) this.#failPrincipal(principal)
    return types.flatMap(([type, value]) => {
      const known = principalTypes.find(one => one === type)
      if (!known) this.#failPrincipal(type)
      return this.#strings(value, 'Principal').map(name => this.#principalName(known, name))
    })
  }

  #principalName(type: PrincipalType, name: string): PrincipalName {
    const isGood = type === 'AWS' ? name === '*' || parsePrincipal(name) !== undefined : type !== 'Service' || serviceName.test(name)
    if (!isGood) this.#failPrincipal(name)
    return { type, name }
  }

  /** The first sentence is that of AWS KMS; who reads further learns where to look. */
  #failPrincipal(what: unknown): never {
    throw invalidPrincipal({ number: this.#number, sid: this.#sid }, typeof what === 'string' ? what : undefined)
  }

  #readResources(elements: Json, { resource: rule }: Rules): Texts | undefined {
    const resources = this.#texts(elements, 'Resource', 'NotResource')
    if (rule === 'forbidden' && resources) this.#fail('A trust policy has no Resource')
    if (rule === 'required' && !resources) this.#fail('Resource is missing')
    for (const text of resources?.texts ?? []) {
      if (text !== '*' && !text.startsWith('arn:') && !/^[*?]/.test(text)) this.#fail(`${quoted(text)} is not an ARN or *`)
      this.#checkVariables(text)
    }
    return resources
  }

  #readConditions(condition: unknown): readonly Condition[] {
    if (!isJsonObject(condition)) this.#fail('Condition must be a JSON object')
    return Object.entries(condition).flatMap(([operator, keys]) => {
      const name = parseOperator(operator) ?? this.#fail(`there is no condition operator ${quoted(operator)}`)
      if (!isJsonObject(keys)) this.#fail('A condition operator must be a JSON object')
      return Object.entries(keys).map(([key, values]) => this.#readCondition(operator, name, key, values))
    })
  }

  #readCondition(operator: string, name: OperatorName, key: string, written: unknown): Condition {
    if (!conditionKeyForm.test(key)) this.#fail(`${quoted(key)} is not a condition key`)
    const list: readonly unknown[] = Array.isArray(written) ? written : [written]
    if (list.length === 0) this.#fail(`${quoted(key)} has no value`)
    if (!list.every(value => scalarTypes.includes(typeof value))) this.#fail('A condition value must be a string, a number or a boolean')
    const values = list.map(String)
    if (this.#kind === 'key' && operator.startsWith('ForAllValues:') && overlyPermissive.test(foldCase(key))) {
      malformed(`OverlyPermissiveCondition: in ${statementName({ number: this.#number, sid: this.#sid })}, ForAllValues is true for a `
        + `request without ${quoted(key)}`)
    }
    for (const value of values) this.#checkValue(operator, name, value)
    return { operator, key, values }
  }

  #checkValue(written: string, { base }: OperatorName, value: string): void {
    if (base === 'Null' && !/^(?:true|false)$/i.test(value)) this.#fail('Null takes true or false')
    const operator = operators.get(base)
    if (!operator) return
    const hasVariable = operator.variables && this.#hasVariables && value.includes('${')
    if (hasVariable) this.#checkVariables(value)
    else if (!operator.isValue(value)) this.#fail(`${quoted(value)} is no value for ${written}`)
  }

  #checkVariables(text: string): void {
    parseTemplate(text, { variables: this.#hasVariables, wildcards: true }, this.#fail)
  }

  #texts(elements: Json, positive: string, negative: string): Texts | undefined {
    const [is, isNot] = [elements[positive], elements[negative]]
    if (is === undefined && isNot === undefined) return undefined
    if (is !== undefined && isNot !== undefined) this.#fail(`A statement has only one of ${positive} and ${negative}`)
    return { not: is === undefined, texts: this.#strings(is ?? isNot, positive) }
  }

  #strings(value: unknown, name: string): readonly string[] {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value]
    const strings = list.filter(item => typeof item === 'string')
    if (list.length === 0 || strings.length < list.length) this.#fail(`${name} must be a string or a list of strings`)
    return strings
  }
}

/** Names of elements in the spelling of the grammar: clients write them in any case. `fail` must throw. */
function elementsOf(json: Json, known: readonly string[], fail: (sentence: string) => never): Json {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => {
    const element = known.find(one => foldCase(one) === foldCase(name))
    if (element === undefined) fail(`There is no element ${quoted(name)}`)
    return [element, value] as const
  }))
}

/** Also of a principal that has the form of one, and does not exist. */
export function invalidPrincipal(statement: Pick<Statement, 'number' | 'sid'>, name: string | undefined): KmsError {
  const where = `(${statementName(statement)}${name === undefined ? '' : `: ${quoted(name)}`})`
  return new KmsError('MalformedPolicyDocumentException', `${invalidPrincipals} ${where}`)
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, repeatedCharactersMax))
}

function malformed(sentence: string): never {
  throw new KmsError('MalformedPolicyDocumentException', sentence)
}
