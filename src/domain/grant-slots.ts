import { hash } from 'node:crypto'
import type { Caller } from './caller.js'
import { canonicalContext } from './ciphertext-blob.js'
import type { Grant, GrantUse } from './grant.js'
import { rootArn } from './principal.js'

/*
 * How the few grants that may allow a call are found among those of a key. A grant stands in a slot for each of its operations: grantee,
 * operation, and what its constraint asks for. A call looks into the slots of all who it comes from and of all constraints that it can
 * fulfil. What is found is held against the call once more (domain/grant.ts): a slot is a place to look, not an answer.
 */

/** `exact`: every grant there allows the same, so that one is as good as another. */
export interface Slot { readonly name: string, readonly exact: boolean }

/** The context does not matter to them. */
const withoutContext: ReadonlySet<string> = new Set(['DescribeKey', 'RetireGrant'])
/** Nobody is looked up for it: the grant to retire is named. */
const notLookedUp = 'RetireGrant'
const anyContext = '-'

/**
 * The slots of a new grant. A subset constraint stands under one of its pairs, whichever `pickPair` chooses: the rarest is the best, for it
 * is found by the fewest calls.
 */
export function slotsOfGrant(grant: Omit<Grant, 'grantId'>, pickPair: (slots: readonly Slot[]) => Slot): readonly Slot[] {
  const source = grant.constraints?.SourceArn
  return grant.operations.filter(operation => operation !== notLookedUp).flatMap(operation => {
    const choices = selectorsOfGrant(grant, operation).map(selector => slot(granteeOf(grant), operation, selector, source))
    return choices.length > 1 ? [pickPair(choices)] : choices
  })
}

/** Where the grants stand that may allow this call. */
export function slotsOfUse(use: GrantUse): readonly Slot[] {
  const selectors = withoutContext.has(use.operation) ? [anyContext] : selectorsOfUse(use)
  const sources = use.child ? [undefined, use.child.constraints?.SourceArn] : [undefined, use.sourceArn]
  const found: Slot[] = []
  for (const principal of principalsOf(use.caller)) {
    for (const selector of selectors) {
      for (const source of new Set(sources)) found.push(slot(principal, use.operation, selector, source))
    }
  }
  return found
}

function slot(principal: string, operation: string, selector: string, source: string | undefined): Slot {
  const bySource = source === undefined ? '' : `@${hash('sha256', source, 'base64url')}`
  // What a child may be depends on all operations of its parent, which the slot does not tell.
  return { name: `${principal} ${operation} ${selector}${bySource}`, exact: !selector.startsWith('<') && operation !== 'CreateGrant' }
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
  if (!child) return [anyContext, wholeSelector(context), ...Object.entries(context).map(pairSelector)]
  return [
    anyContext,
    ...equals ? [wholeSelector(equals)] : [],
    ...Object.entries({ ...subset, ...equals }).map(pairSelector),
    // Where both are asked for, either may answer the parent's.
    ...equals && subset ? Object.entries(subset).map(pairSelector) : [],
  ]
}

function wholeSelector(context: Readonly<Record<string, string>>): string {
  return `=${hash('sha256', canonicalContext(context), 'base64url')}`
}

function pairSelector([name, value]: readonly [string, string]): string {
  return `<${hash('sha256', canonicalContext({ [name]: value }), 'base64url')}`
}
