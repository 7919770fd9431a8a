import { aligned, median } from '../report.js'
import { constraintKinds, fewGrants, names, type ConstraintKind } from './world.js'

/** What one round measured, in microseconds. */
export interface Round {
  readonly onKey: Map<string, { readonly policies: number, readonly whole: number, readonly request: number }>
  readonly operations: Map<string, { readonly of: string, readonly request: number }>
  /** `few, …` and `many, …`. */
  readonly grants: Map<string, { readonly warm: number, readonly cold: number, readonly request: number }>
}

type Figure = (round: Round) => number

const decisionUsMax = 15
/** Two measurements of one and the same differ by this much here. */
const sameWithin = 0.1

/** Tables, what became of the limits, and the same as JSON. Ratios are those of a round, and of these the median. */
export function reportDecisions(rounds: readonly Round[], settings: { readonly manyGrants: number }): void {
  const us = (of: Figure) => Math.round(median(rounds.map(of)) * 10) / 10
  const ratio = (of: Figure, to: Figure) => Math.round(median(rounds.map(round => of(round) / to(round))) * 1000) / 1000
  const [key, grants] = [onKeyOf, grantsOf]
  const onKey = Object.values(names).map(name => ({
    name, policiesUs: us(key(name, 'policies')), decisionUs: us(key(name, 'whole')), requestUs: us(key(name, 'request')),
    part: ratio(key(name, 'whole'), key(name, 'request')),
  }))
  const operations = [...rounds[0]?.operations ?? []].map(([name, { of }]) => ({
    name, requestUs: us(operationOf(name)), part: ratio(key(of, 'whole'), operationOf(name)),
  }))
  const among = constraintKinds.map(kind => ({
    kind, ...Object.fromEntries((['warm', 'cold', 'request'] as const).map(what => [what, {
      fewUs: us(grants('few', kind, what)), manyUs: us(grants('many', kind, what)),
      ratio: ratio(grants('many', kind, what), grants('few', kind, what)),
    }])) as Readonly<Record<'warm' | 'cold' | 'request', { readonly fewUs: number, readonly manyUs: number, readonly ratio: number }>>,
  }))
  const session = ratio(key(names.delegated, 'request'), key(names.accessKey, 'request'))
  const slowest = Math.max(...onKey.map(({ decisionUs }) => decisionUs))
  const dearest = Math.max(...among.map(({ request }) => request.ratio))
  process.stdout.write([
    '', 'A key policy of 10 statements and 20 grants. Decisions: median; requests: time of the processors that the server takes for one,',
    'an Encrypt unless it says otherwise:',
    ...aligned([
      ['', 'policies µs', 'decision µs', 'request µs', 'decision/request'],
      ...onKey.map(({ name, policiesUs, decisionUs, requestUs, part }) =>
        [name, policiesUs.toFixed(1), decisionUs.toFixed(1), requestUs.toFixed(0), part.toFixed(3)]),
      ...operations.map(({ name, requestUs, part }) => [name, '', '', requestUs.toFixed(0), part.toFixed(3)]),
    ]),
    '', `One grant among ${fewGrants} on a key, and among ${settings.manyGrants}; cold: nothing is known of them yet:`,
    ...aligned([
      ['', ...['decision', 'cold', 'request'].flatMap(what => [`${what} µs`, 'of many', 'ratio'])],
      ...among.map(({ kind, ...of }) => [
        kind as string, ...(['warm', 'cold', 'request'] as const).flatMap(what =>
          [of[what].fewUs.toFixed(1), of[what].manyUs.toFixed(1), of[what].ratio.toFixed(2)]),
      ]),
    ]),
    '', `A request with the credentials of a session takes ${session.toFixed(2)} of one with an access key.`,
    '', limit(`a decision takes less than ${decisionUsMax} µs`, slowest < decisionUsMax, `at most ${slowest} µs`),
    limit(`a request costs no more with ${settings.manyGrants} grants than with ${fewGrants}`, dearest <= 1 + sameWithin,
      `at most ${dearest} of it, where measurements of the same differ by ${sameWithin}`),
    '', JSON.stringify({ settings, onKey, operations, among, session }, null, 2), '',
  ].join('\n'))
}

function limit(what: string, kept: boolean, measured: string): string {
  return `${kept ? 'kept' : 'NOT KEPT'}: ${what} (${measured})`
}

function onKeyOf(name: string, what: 'policies' | 'whole' | 'request'): Figure {
  return ({ onKey }) => onKey.get(name)?.[what] ?? NaN
}

function operationOf(name: string): Figure {
  return ({ operations }) => operations.get(name)?.request ?? NaN
}

function grantsOf(amount: 'few' | 'many', kind: ConstraintKind, what: 'warm' | 'cold' | 'request'): Figure {
  return ({ grants }) => grants.get(`${amount}, ${kind}`)?.[what] ?? NaN
}
