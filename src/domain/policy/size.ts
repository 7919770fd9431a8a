import type { PolicyDocument, Statement } from './document.js'

/** A string, or a run of what JSON has between its tokens. */
const stringOrSpace = /"(?:[^"\\]|\\.)*"|[\t\n\r ]+/g

/** Characters of a document as IAM counts them: without the white space between tokens. Of a text that is JSON. */
export function documentCharacters(text: string): number {
  return text.replace(stringOrSpace, part => part.startsWith('"') ? part : '').length
}

/*
 * What a policy may be made of. AWS counts characters only; what can do something in a key policy of 32 KB stays below these, so that only
 * what is written to be much work is refused. A policy that was stored before is read all the same.
 */
export const statementsMax = 500
/** Condition keys, each under an operator. */
export const conditionsMax = 1_024
/** Actions, resources, principals and values of conditions, taken together. */
export const valuesMax = 4_096
/** Policy variables, each as often as it is written. */
export const variablesMax = 512

/** `fail` gets a sentence that names the limit, and must throw. */
export function checkParts({ statements, hasVariables }: PolicyDocument, fail: (sentence: string) => never): void {
  const conditions = sum(statements, statement => statement.conditions.length)
  const values = sum(statements, countValues)
  const variables = hasVariables ? sum(statements, countVariables) : 0
  if (statements.length > statementsMax) fail(`The policy has more than ${statementsMax} statements`)
  if (conditions > conditionsMax) fail(`The policy has more than ${conditionsMax} condition keys`)
  if (values > valuesMax) fail(`The policy has more than ${valuesMax} actions, resources, principals and condition values`)
  if (variables > variablesMax) fail(`The policy has more than ${variablesMax} policy variables`)
}

function countValues({ principals, actions, resources, conditions }: Statement): number {
  return (principals?.names.length ?? 0) + (actions?.texts.length ?? 0) + (resources?.texts.length ?? 0)
    + sum(conditions, ({ values }) => values.length)
}

function countVariables({ resources, conditions }: Statement): number {
  return variablesIn(resources?.texts ?? []) + sum(conditions, ({ values }) => variablesIn(values))
}

function variablesIn(texts: readonly string[]): number {
  return sum(texts, text => text.includes('${') ? text.split('${').length - 1 : 0)
}

function sum<T>(of: readonly T[], count: (one: T) => number): number {
  return of.reduce((total, one) => total + count(one), 0)
}
