import { isInRange, parseIp, parseIpRange } from '../ip.js'
import { matchesPattern, textOf, type Pattern } from './glob.js'
import type { Work } from './work.js'

/** What is compared with one value of the request. */
export type Comparison = (actual: string, work: Work) => boolean

/** A family of condition operators (IAM User Guide, Condition operators): everything there is to know of each, in one row. */
export interface Operator {
  /** true where no value of the policy may match. */
  readonly negated: boolean
  /** Whether `*` and `?` in the policy's value are wildcards. */
  readonly wildcards: boolean
  /** Whether policy variables are replaced. */
  readonly variables: boolean
  /** Whether a value can stand in a policy at all. Values with variables are not looked at. */
  readonly isValue: (text: string) => boolean
  readonly comparison: (wanted: Pattern) => Comparison
}

const anything = () => true

function text(compare: (wanted: string, actual: string) => boolean): Pick<Operator, 'wildcards' | 'variables' | 'isValue' | 'comparison'> {
  return {
    wildcards: false, variables: true, isValue: anything,
    comparison: pattern => {
      const wanted = textOf(pattern)
      return actual => compare(wanted, actual)
    },
  }
}

const equals = text((wanted, actual) => wanted === actual)
const equalsIgnoringCase = text((wanted, actual) => wanted.toLowerCase() === actual.toLowerCase())
const like = {
  wildcards: true, variables: true, isValue: anything,
  comparison: (pattern: Pattern) => (actual: string, work: Work) => matchesPattern(pattern, actual, work),
}

type Order = (actual: number, wanted: number) => boolean

/** What cannot be read matches nothing. */
function ordered(read: (text: string) => number, holds: Order): Pick<Operator, 'wildcards' | 'variables' | 'isValue' | 'comparison'> {
  return {
    wildcards: false, variables: true, isValue: value => !Number.isNaN(read(value)),
    comparison: pattern => {
      const wanted = read(textOf(pattern))
      return actual => holds(read(actual), wanted)
    },
  }
}

const orders: Readonly<Record<string, readonly [Order, boolean]>> = {
  Equals: [(actual, wanted) => actual === wanted, false],
  NotEquals: [(actual, wanted) => actual === wanted, true],
  LessThan: [(actual, wanted) => actual < wanted, false],
  LessThanEquals: [(actual, wanted) => actual <= wanted, false],
  GreaterThan: [(actual, wanted) => actual > wanted, false],
  GreaterThanEquals: [(actual, wanted) => actual >= wanted, false],
}

function family(prefix: 'Numeric' | 'Date', read: (text: string) => number): readonly (readonly [string, Operator])[] {
  return Object.entries(orders).map(([name, [holds, negated]]) => [prefix + name, { negated, ...ordered(read, holds) }])
}

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/

function readNumber(value: string): number {
  return decimal.test(value) ? Number(value) : NaN
}

/** The W3C profile of ISO 8601 (Note datetime), or seconds since the epoch; milliseconds since the epoch. */
const w3c = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?)?)?$/

function readDate(value: string): number {
  if (/^\d{4}$/.test(value)) return Date.parse(value)
  if (decimal.test(value)) return Number(value) * 1000
  return w3c.test(value) ? Date.parse(value) : NaN
}

const bool = {
  wildcards: false, variables: false, isValue: (value: string) => /^(?:true|false)$/i.test(value),
  comparison: (pattern: Pattern) => {
    const wanted = textOf(pattern).toLowerCase()
    return (actual: string) => actual.toLowerCase() === wanted
  },
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const binary = { ...equals, variables: false, isValue: (value: string) => base64.test(value) }

const ip = {
  wildcards: false, variables: false, isValue: (value: string) => parseIpRange(value) !== undefined,
  comparison: (pattern: Pattern) => {
    const range = parseIpRange(textOf(pattern))
    return (actual: string) => {
      const address = parseIp(actual)
      return range !== undefined && address !== undefined && isInRange(address, range)
    }
  },
}

/** `arn:partition:service:region:account:resource`; the last part may have colons of its own. */
const arnParts = 6
const colon = ':'.charCodeAt(0)

/** Part by part, so that no wildcard reaches over a colon; a lone `*` is every ARN. */
const arn = {
  wildcards: true, variables: true, isValue: (value: string) => value === '*' || value.split(':').length >= arnParts,
  comparison: (pattern: Pattern) => {
    const wanted = patternParts(pattern)
    const isAny = wanted.length === 1
    return (actual: string, work: Work) => {
      const parts = actual.split(':')
      if (parts.length < arnParts) return false
      const resource = parts.slice(arnParts - 1).join(':')
      return isAny || wanted.every((part, at) => matchesPattern(part, at < arnParts - 1 ? parts[at] ?? '' : resource, work))
    }
  },
}

function patternParts(pattern: Pattern): readonly Pattern[] {
  const parts: number[][] = [[]]
  for (const unit of pattern) {
    if (unit === colon && parts.length < arnParts) parts.push([])
    else parts.at(-1)?.push(unit)
  }
  return parts
}

/** By the name in the policy, without set prefix and without `IfExists`; `Null` is in conditions.ts. */
export const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['StringEquals', { negated: false, ...equals }],
  ['StringNotEquals', { negated: true, ...equals }],
  ['StringEqualsIgnoreCase', { negated: false, ...equalsIgnoringCase }],
  ['StringNotEqualsIgnoreCase', { negated: true, ...equalsIgnoringCase }],
  ['StringLike', { negated: false, ...like }],
  ['StringNotLike', { negated: true, ...like }],
  ...family('Numeric', readNumber),
  ...family('Date', readDate),
  ['Bool', { negated: false, ...bool }],
  ['BinaryEquals', { negated: false, ...binary }],
  ['IpAddress', { negated: false, ...ip }],
  ['NotIpAddress', { negated: true, ...ip }],
  ['ArnEquals', { negated: false, ...arn }],
  ['ArnLike', { negated: false, ...arn }],
  ['ArnNotEquals', { negated: true, ...arn }],
  ['ArnNotLike', { negated: true, ...arn }],
])

/** An operator as it is written: `ForAnyValue:StringLikeIfExists`. */
export interface OperatorName {
  readonly base: string
  readonly set: 'ForAllValues' | 'ForAnyValue' | undefined
  readonly ifExists: boolean
}

/** undefined for an operator that there is not. */
export function parseOperator(written: string): OperatorName | undefined {
  const [, set, name = ''] = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+)$/.exec(written) ?? []
  const setOf = set as OperatorName['set']
  if (name === 'Null') return { base: name, set: setOf, ifExists: false }
  const ifExists = name.endsWith('IfExists')
  const base = ifExists ? name.slice(0, -'IfExists'.length) : name
  return operators.has(base) ? { base, set: setOf, ifExists } : undefined
}
