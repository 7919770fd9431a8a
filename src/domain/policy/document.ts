/** A policy as it was written, once its grammar is known to be good (IAM User Guide, Grammar of the JSON policy language). */
export interface PolicyDocument {
  /** Without it, or with the one of 2008, policy variables are text like any other. */
  readonly hasVariables: boolean
  readonly statements: readonly Statement[]
}

export interface Statement {
  /** Counts from 1. */
  readonly number: number
  readonly sid: string | undefined
  readonly effect: 'Allow' | 'Deny'
  /** undefined: a policy of an identity, which is about nobody else. */
  readonly principals: Principals | undefined
  /** undefined: the statement never applies. */
  readonly actions: Texts | undefined
  /** undefined: the statement never applies, but in a trust policy, which is about its role only. */
  readonly resources: Texts | undefined
  readonly conditions: readonly Condition[]
}

/** `not`: the element was NotAction or NotResource. */
export interface Texts { readonly not: boolean, readonly texts: readonly string[] }

export interface Principals { readonly not: boolean, readonly names: readonly PrincipalName[] }

/** `type` as in the document; `AWS` with `*` is everybody, however it was written. */
export interface PrincipalName { readonly type: PrincipalType, readonly name: string }

export type PrincipalType = 'AWS' | 'Service' | 'Federated' | 'CanonicalUser'

/** One key under one operator; values are texts, however they were written. */
export interface Condition { readonly operator: string, readonly key: string, readonly values: readonly string[] }

/** Where a policy stands, which says what it must and must not have. `limit`: a permissions boundary or a session policy. */
export type PolicyKind = 'key' | 'trust' | 'identity' | 'limit'

/** Of a Sid, which may be as long as the policy. */
const sidCharactersMax = 128

/** How a statement is named to people. */
export function statementName({ number, sid }: Pick<Statement, 'number' | 'sid'>): string {
  return sid === undefined || sid === '' ? `statement ${number}` : `statement ${number} (${sid.slice(0, sidCharactersMax)})`
}
