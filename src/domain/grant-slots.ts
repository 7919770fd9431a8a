import { hash } from 'node:crypto'
import type { Caller } from './caller.js'
import type { Grant, GrantUse } from './grant.js'
import { rootArn } from './principal.js'

/*
 * How the few grants that may allow a call are found among those of a key. A grant stands in a slot for each of its operations: grantee,
 * operation, and what its constraint asks for. A call looks into the slots of all who it comes from and of all constraints that it can
 * fulfil. What is found is held against the call once more (domain/grant.ts): a slot is a place to look, not an answer.
 */

export interface Slot {
  /** For whom and for what operation. */
  readonly holder: string
  /** What is asked for, as it is compared in memory. */
  readonly selector: string
  /** As it is stored. */
  readonly name: string
  /** Every grant there allows the same, so that one is as good as another. */
  readonly exact: boolean
}

type Context = Readonly<Record<string, string>>

/** The context does not matter to them. */
const withoutContext: ReadonlySet<string> = new Set(['DescribeKey', 'RetireGrant'])
/** Nobody is looked up for it: the grant to retire is named. */
const notLookedUp = 'RetireGrant'
const anyContext = '-'
/** Longer selectors are hashed also in memory, where many are kept. */
const plainCharactersMax = 128
/** A call with more pairs finds no grant by one of them, or every pair would be a place to look at for whoever thinks of one. */
export const pairsLookedUpMax = 64

/**
 * The slots of a new grant: of each list it stands in one. Those with several choices are for a subset constraint, which stands under one
 * of its pairs: the rarest is the best, for it is found by the fewest calls.
 */
export function choicesOfGrant(grant: Omit<Grant, 'grantId'>): readonly (readonly Slot[])[] {
  const source = grant.constraints?.SourceArn
  return grant.operations.filter(operation => operation !== notLookedUp).map(operation => {
    const holder = holderOf(granteeOf(grant), operation)
    return selectorsOfGrant(grant, operation).map(selector => slotOf(holder, withSource(selector, source)))
  })
}

/** Where the grants stand that may allow this call: under every selector of every holder. */
export interface Places { readonly holders: readonly string[], readonly selectors: readonly string[] }

export function placesOfUse(use: GrantUse): Places {
  const { operation } = use
  const source = use.child ? use.child.constraints?.SourceArn : use.sourceArn
  const selectors = withoutContext.has(operation) ? [anyContext] : selectorsOfUse(use)
  return {
    holders: holdersOf(use.caller, operation),
    selectors: source === undefined ? selectors : selectors.flatMap(selector => [selector, withSource(selector, source)]),
  }
}

export function slotOf(holder: string, selector: string): Slot {
  // What a child may be depends on all operations of its parent, which the slot does not tell.
  const exact = !selector.startsWith('<') && !holder.endsWith(' CreateGrant')
  return { holder, selector, name: `${holder} ${storedSelector(selector)}`, exact }
}

/** A caller is one object for as long as nothing about it changes, and has its holders worked out once. */
const known = new WeakMap<Caller, Map<string, readonly string[]>>()

function holdersOf(caller: Caller, operation: string): readonly string[] {
  const byOperation = known.get(caller) ?? new Map<string, readonly string[]>()
  known.set(caller, byOperation)
  const holders = byOperation.get(operation) ?? principalsOf(caller).map(principal => holderOf(principal, operation))
  byOperation.set(operation, holders)
  return holders
}

function holderOf(principal: string, operation: string): string {
  return `${principal} ${operation}`
}

function withSource(selector: string, source: string | undefined): string {
  return source === undefined ? selector : `${storedSelector(selector)}@${hash('sha256', source, 'base64url')}`
}

function granteeOf({ granteePrincipal, granteeServicePrincipal, granteeId }: Omit<Grant, 'grantId'>): string {
  if (granteePrincipal === undefined) return granteeServicePrincipal ?? ''
  return granteeId === undefined ? granteePrincipal : boundTo(granteePrincipal, granteeId)
}

/** A user or role is known by its id; of a session the ARN is needed, too. */
function boundTo(arn: string, uniqueId: string): string {
  return arn.startsWith('arn:aws:sts:') ? `${uniqueId}#${arn}` : uniqueId
}

/** Whom a grant can name to mean this caller. The ARNs by themselves, because old grants know no ids. */
function principalsOf({ type, arn, principalArn, uniqueId, accountId }: Caller): readonly string[] {
  return type === 'Service' ? [uniqueId] : [...new Set([uniqueId, boundTo(arn, uniqueId), principalArn, arn, rootArn(accountId)])]
}

function selectorsOfGrant({ constraints }: Pick<Grant, 'constraints'>, operation: string): readonly string[] {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = constraints ?? {}
  if (withoutContext.has(operation)) return [anyContext]
  if (equals && !subset) return [wholeSelector(equals)]
  // With both constraints, and the whole not known to be enough: what is found must be looked at.
  const pairs = Object.entries(equals ?? subset ?? {}).map(pairSelector)
  return pairs.length > 0 || equals ? pairs : [anyContext]
}

/** Of a CreateGrant the constraint of the child: what a parent asks for, the child must ask for, too. */
function selectorsOfUse({ context, child }: GrantUse): readonly string[] {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = child?.constraints ?? {}
  if (!child) return [anyContext, wholeSelector(context), ...pairSelectors(context)]
  return [
    anyContext,
    ...equals ? [wholeSelector(equals)] : [],
    ...Object.entries({ ...subset, ...equals }).map(pairSelector),
    // Where both are asked for, either may answer the parent's.
    ...equals && subset ? Object.entries(subset).map(pairSelector) : [],
  ]
}

function pairSelectors(context: Context): readonly string[] {
  const pairs = Object.entries(context)
  return pairs.length > pairsLookedUpMax ? [] : pairs.map(pairSelector)
}

/** As JSON, in which no two texts are the same. */
function wholeSelector(context: Context): string {
  const pairs = Object.entries(context)
  if (pairs.length > 1) pairs.sort(([a], [b]) => (a < b ? -1 : 1))
  return selectorOf('=', JSON.stringify(pairs))
}

function pairSelector(pair: readonly [string, string]): string {
  return selectorOf('<', JSON.stringify(pair))
}

function selectorOf(sign: '=' | '<', json: string): string {
  return json.length > plainCharactersMax ? storedSelector(sign + json) : sign + json
}

/** Hashed, if it is not yet: a hash has no bracket, and the JSON of pairs begins with one. */
function storedSelector(selector: string): string {
  return selector[1] === '[' ? `${selector[0]}${hash('sha256', selector.slice(1), 'base64url')}` : selector
}
