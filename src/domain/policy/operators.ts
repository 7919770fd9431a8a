import { isInRange, parseIp, parseIpRange, type IpRange } from '../ip.js'
import { readDate } from './date.js'
import { foldCase } from './fold-case.js'
import { isAnyRun, matches, type Pattern } from './glob.js'
import type { Work } from './work.js'

/** A value of the policy, ready to be compared with: a text or pattern is the one of the document, wherever that can be. */
export type Wanted = string | number

/** A family of condition operators (IAM User Guide, Condition operators): everything there is to know of each, in one row. */
export interface Operator {
  /** true where no value of the policy may match. */
  readonly negated: boolean
  /** Whether `*` and `?` in the policy's value are wildcards: it is a pattern then (glob.ts). */
  readonly wildcards: boolean
  /** Whether policy variables are replaced (IAM User Guide, Policy variables: with strings and ARNs only). */
  readonly variables: boolean
  /** Whether a value can stand in a policy at all. Values with variables are not looked at. */
  readonly isValue: (text: string) => boolean
  readonly wantedOf: (value: string) => Wanted
  /** Whether a value of the request is one of those in the policy. */
  readonly isOneOf: (actual: string, wanted: readonly Wanted[], work: Work) => boolean
}

type Family = Omit<Operator, 'negated'>

/** What is read of a value is read once, however many it is compared with; what cannot be read matches nothing. */
function family<T, W extends Wanted>(
  { read, compare, ...rest }: Omit<Family, 'isOneOf' | 'wantedOf'> & {
    readonly read: (text: string) => T | undefined
    readonly wantedOf: (value: string) => W
    readonly compare: (actual: T, wanted: W, work: Work) => boolean
  },
): Family {
  return {
    ...rest,
    isOneOf(text, wanted, work) {
      work.read(text.length)
      const actual = read(text)
      if (actual === undefined) return false
      for (const value of wanted) {
        work.spend(1)
        if (compare(actual, value as W, work)) return true
      }
      return false
    },
  }
}

const anything = () => true
const asItIs = (text: string) => text

/** Of texts without wildcards, each read by the same function. */
function text(read: (text: string) => string, of: Partial<Family> = {}): Family {
  const rest = { wildcards: false, variables: true, isValue: anything, ...of }
  return family({ ...rest, read, wantedOf: read, compare: (actual, wanted: string) => actual === wanted })
}

const equals = text(asItIs)
const equalsIgnoringCase = text(foldCase)
const like = family({
  wildcards: true, variables: true, isValue: anything, read: asItIs, wantedOf: asItIs,
  compare: (actual, wanted: Pattern, work) => matches(wanted, actual, work),
})

type Order = (actual: number, wanted: number) => boolean

function ordered(read: (text: string) => number | undefined, compare: Order): Family {
  return family({
    wildcards: false, variables: false, isValue: value => read(value) !== undefined, read,
    // Nothing compares with what is no number.
    wantedOf: value => read(value) ?? NaN, compare,
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
  wantedOf(value) {
    const range = parseIpRange(value)
    return range ? packRange(range) : ''
  },
  compare: (actual, wanted: string) => wanted !== '' && isInRange(actual, unpackRange(wanted)),
})

/** As a text, which weighs a tenth of a list of numbers: the bits, then the bytes. */
function packRange({ network, bits }: IpRange): string {
  return String.fromCharCode(bits, ...network)
}

function unpackRange(packed: string): IpRange {
  const network: number[] = []
  for (let at = 1; at < packed.length; at++) network.push(packed.charCodeAt(at))
  return { network, bits: packed.charCodeAt(0) }
}

/** `arn:partition:service:region:account:resource`; the last part may have colons of its own. */
const arnParts = 6

/** Part by part, so that no wildcard reaches over a colon; a lone `*` is every ARN. */
const arn = family({
  wildcards: true, variables: true, isValue: value => value === '*' || value.split(':').length >= arnParts, read: partsOfArn,
  wantedOf: asItIs, compare: matchesParts,
})

function partsOfArn(value: string): readonly string[] | undefined {
  const parts = value.split(':')
  return parts.length < arnParts ? undefined : [...parts.slice(0, arnParts - 1), parts.slice(arnParts - 1).join(':')]
}

/** No colon is ever part of a wildcard, so the parts of a pattern lie between its colons as they do in an ARN. */
function matchesParts(actual: readonly string[], pattern: Pattern, work: Work): boolean {
  if (isAnyRun(pattern)) return true
  let from = 0
  for (const [at, part] of actual.entries()) {
    const colon = at < arnParts - 1 ? pattern.indexOf(':', from) : pattern.length
    if (colon < 0 || !matches(pattern, part, work, from, colon)) return false
    from = colon + 1
  }
  return true
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
