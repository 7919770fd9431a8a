import { isInRange, parseIp, parseIpRange } from '../ip.js'
import { readDate } from './date.js'
import { foldCase } from './fold-case.js'
import { globOf, isAnyRun, matches, textOf, type Pattern } from './glob.js'
import type { Work } from './work.js'

/** Whether a value of the request is one of those in the policy. */
export type Matcher = (actual: string, work: Work) => boolean

/** A family of condition operators (IAM User Guide, Condition operators): everything there is to know of each, in one row. */
export interface Operator {
  /** true where no value of the policy may match. */
  readonly negated: boolean
  /** Whether `*` and `?` in the policy's value are wildcards. */
  readonly wildcards: boolean
  /** Whether policy variables are replaced (IAM User Guide, Policy variables: with strings and ARNs only). */
  readonly variables: boolean
  /** Whether a value can stand in a policy at all. Values with variables are not looked at. */
  readonly isValue: (text: string) => boolean
  readonly anyOf: (wanted: readonly Pattern[]) => Matcher
}

type Family = Omit<Operator, 'negated'>
type Comparison<T> = (actual: T, work: Work) => boolean

/** What is read of a value is read once, however many it is compared with; what cannot be read matches nothing. */
function family<T>(
  { read, compare, ...rest }: Omit<Family, 'anyOf'> & {
    readonly read: (text: string) => T | undefined, readonly compare: (wanted: Pattern) => Comparison<T>
  },
): Family {
  return {
    ...rest,
    anyOf(wanted) {
      const comparisons = wanted.map(compare)
      return (text, work) => {
        work.read(text.length)
        const actual = read(text)
        if (actual === undefined) return false
        for (const holds of comparisons) {
          work.spend(1)
          if (holds(actual, work)) return true
        }
        return false
      }
    },
  }
}

const anything = () => true
const asItIs = (text: string) => text

/** Of texts without wildcards, each read by the same function. */
function text(read: (text: string) => string, of: Partial<Family> = {}): Family {
  const compare = (wanted: Pattern) => {
    const expected = read(textOf(wanted))
    return (actual: string) => actual === expected
  }
  return family({ wildcards: false, variables: true, isValue: anything, ...of, read, compare })
}

const equals = text(asItIs)
const equalsIgnoringCase = text(foldCase)
const like = family({
  wildcards: true, variables: true, isValue: anything, read: asItIs,
  compare(wanted) {
    const glob = globOf(wanted)
    return (actual, work) => matches(glob, actual, work)
  },
})

type Order = (actual: number, wanted: number) => boolean

function ordered(read: (text: string) => number | undefined, holds: Order): Family {
  return family({
    wildcards: false, variables: false, isValue: value => read(value) !== undefined, read,
    compare(pattern) {
      const wanted = read(textOf(pattern))
      return actual => wanted !== undefined && holds(actual, wanted)
    },
  })
}

const orders: Readonly<Record<string, readonly [Order, boolean]>> = {
  Equals: [(actual, wanted) => actual === wanted, false],
  NotEquals: [(actual, wanted) => actual === wanted, true],
  LessThan: [(actual, wanted) => actual < wanted, false],
  LessThanEquals: [(actual, wanted) => actual <= wanted, false],
  GreaterThan: [(actual, wanted) => actual > wanted, false],
  GreaterThanEquals: [(actual, wanted) => actual >= wanted, false],
}

function orderedFamily(prefix: 'Numeric' | 'Date', read: (text: string) => number | undefined): readonly (readonly [string, Operator])[] {
  return Object.entries(orders).map(([name, [holds, negated]]) => [prefix + name, { negated, ...ordered(read, holds) }])
}

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/

function readNumber(value: string): number | undefined {
  const number = decimal.test(value) ? Number(value) : NaN
  return Number.isFinite(number) ? number : undefined
}

const boolean = /^(?:true|false)$/i
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const bool = text(value => value.toLowerCase(), { variables: false, isValue: value => boolean.test(value) })
/** The same bytes may be written in several ways. */
const binary = text(value => Buffer.from(value, 'base64').toString('base64'), { variables: false, isValue: value => base64.test(value) })

const ip = family({
  wildcards: false, variables: false, isValue: value => parseIpRange(value) !== undefined, read: parseIp,
  compare(pattern) {
    const range = parseIpRange(textOf(pattern))
    return actual => range !== undefined && isInRange(actual, range)
  },
})

/** `arn:partition:service:region:account:resource`; the last part may have colons of its own. */
const arnParts = 6
const colon = ':'.charCodeAt(0)

/** Part by part, so that no wildcard reaches over a colon; a lone `*` is every ARN. */
const arn = family({
  wildcards: true, variables: true, isValue: value => value === '*' || value.split(':').length >= arnParts, read: partsOfArn,
  compare(pattern) {
    if (isAnyRun(pattern)) return () => true
    const wanted = partsOfPattern(pattern).map(globOf)
    return (actual, work) => wanted.length === arnParts && wanted.every((part, at) => matches(part, actual[at] ?? '', work))
  },
})

function partsOfArn(value: string): readonly string[] | undefined {
  const parts = value.split(':')
  return parts.length < arnParts ? undefined : [...parts.slice(0, arnParts - 1), parts.slice(arnParts - 1).join(':')]
}

function partsOfPattern(pattern: Pattern): readonly Pattern[] {
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
  ...orderedFamily('Numeric', readNumber),
  ...orderedFamily('Date', readDate),
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
