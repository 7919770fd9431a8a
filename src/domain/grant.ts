import type { Caller } from './caller.js'
import { KmsError } from './errors.js'
import { parsePrincipal, rootArn } from './principal.js'

/*
 * What a grant may say and what it allows, whatever the key (KMS API Reference, CreateGrant and GrantConstraints). What fits which key is
 * in service/key-fit.ts and service/grants/fit.ts; how the grants that may matter are found, in grant-slots.ts.
 */

/** A grant as CreateGrant made it (KMS API Reference, GrantListEntry). */
export interface Grant {
  readonly region: string
  readonly keyId: string
  /** 64 hex digits. */
  readonly grantId: string
  readonly name?: string
  readonly createdAt: number
  /** Exactly one of these two. */
  readonly granteePrincipal?: string
  readonly granteeServicePrincipal?: string
  /** At most one of these two. */
  readonly retiringPrincipal?: string
  readonly retiringServicePrincipal?: string
  /** Unique ids of the users or roles behind the two ARNs: whoever bears their name later is another. */
  readonly granteeId?: string
  readonly retiringId?: string
  /** ARN of the root of the account that made it. */
  readonly issuingAccount: string
  readonly operations: readonly string[]
  readonly constraints?: GrantConstraints
}

export interface GrantConstraints {
  readonly EncryptionContextEquals?: Context
  readonly EncryptionContextSubset?: Context
  readonly SourceArn?: string
}

type Context = Readonly<Record<string, string>>

/** The API lets 128 characters through, but has never made an id of another form. */
const grantIdForm = /^[0-9a-f]{64}$/
const pairsMax = 8
const valueCharactersMax = 384

/** The ARN of an account, user, role, assumed-role session or federated user; an account's number stands for its root. */
export function grantPrincipal(text: string): string {
  const ref = parsePrincipal(text)
  if (!ref) throw notAPrincipal(text)
  return ref.kind === 'account' ? rootArn(ref.accountId) : text
}

/** What is asked for, with pairs in an order of their own; constraints that constrain nothing are none. */
export function constraintsOf(asked: GrantConstraints = {}): GrantConstraints | undefined {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: pairs, SourceArn: source } = asked
  const subset = Object.keys(pairs ?? {}).length > 0 ? pairs : undefined
  if (!equals && !subset && source === undefined) return undefined
  return {
    ...equals && { EncryptionContextEquals: sorted(equals) },
    ...subset && { EncryptionContextSubset: sorted(subset) },
    ...source !== undefined && { SourceArn: source },
  }
}

function sorted(pairs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(pairs).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Also of a principal that has the form of one, and does not exist. */
export function notAPrincipal(text: string): KmsError {
  return new KmsError('InvalidArnException', `ARN does not refer to a valid principal: ${text}`)
}

export function checkGrantId(text: string): void {
  if (!grantIdForm.test(text)) throw new KmsError('InvalidGrantIdException', `Invalid grant id '${text}'`)
}

/** The limits that the model of the API does not have. */
export function checkContext(member: string, context: Context | undefined): void {
  const values = Object.values(context ?? {})
  if (values.length > pairsMax) throw invalid(`${member} can have at most ${pairsMax} pairs`)
  if (values.some(value => [...value].length > valueCharactersMax)) {
    throw invalid(`A value in ${member} can have at most ${valueCharactersMax} characters`)
  }
}

/** What a call brings that grants are held against. */
export interface GrantUse {
  readonly caller: Caller
  /** As in `Operations`: an action without its `kms:`. */
  readonly operation: string
  /** Empty where the operation has none. Of a CreateGrant: see `child`. */
  readonly context: Context
  readonly sourceArn: string | undefined
  /** Of a CreateGrant: the grant that is to be made. */
  readonly child?: Pick<Grant, 'operations' | 'constraints'>
}

/** Whether the grant, as far as it goes, allows the call. Deny statements and the caller's limits are another matter (policy/decide.ts). */
export function grantAllows(grant: Grant, use: GrantUse): boolean {
  return grant.operations.includes(use.operation) && isGrantee(grant, use.caller) && isFrom(grant.constraints?.SourceArn, use)
    && (use.child ? covers(grant, use.child) : fitsContext(grant.constraints, use))
}

/** Whether a grant that allows the call leaves it to the caller's account who in it may use it. Its root is the account itself. */
export function isLeftToAccount({ granteePrincipal }: Grant, { type, accountId }: Caller): boolean {
  return granteePrincipal === rootArn(accountId) && type !== 'Account'
}

function isGrantee({ granteePrincipal, granteeServicePrincipal, granteeId }: Grant, caller: Caller): boolean {
  if (granteeServicePrincipal !== undefined) return caller.type === 'Service' && caller.uniqueId === granteeServicePrincipal
  return granteePrincipal !== undefined && isPrincipal(granteePrincipal, granteeId, caller)
}

/** A role is any session of it, an account everybody in it. */
function isPrincipal(arn: string, uniqueId: string | undefined, caller: Caller): boolean {
  if (caller.type === 'Service') return false
  if (arn === rootArn(caller.accountId)) return true
  return (arn === caller.arn || arn === caller.principalArn) && (uniqueId === undefined || uniqueId === caller.uniqueId)
}

function isFrom(wanted: string | undefined, { operation, sourceArn }: GrantUse): boolean {
  return wanted === undefined || operation === 'RetireGrant' || wanted === sourceArn
}

/** Not looked at for operations that have no encryption context (KMS developer guide, Grant constraints). */
function fitsContext(constraints: GrantConstraints | undefined, { operation, context }: GrantUse): boolean {
  if (!constraints || operation === 'DescribeKey' || operation === 'RetireGrant') return true
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = constraints
  return (!equals || isSame(equals, context)) && (!subset || isPart(subset, context))
}

/** Whether a child allows nothing that its parent does not (KMS developer guide, Granting CreateGrant permission). */
function covers(parent: Grant, child: Pick<Grant, 'operations' | 'constraints'>): boolean {
  if (!child.operations.every(operation => parent.operations.includes(operation))) return false
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset, SourceArn: source } = parent.constraints ?? {}
  const { EncryptionContextEquals: childEquals, EncryptionContextSubset: childSubset, SourceArn: childSource } = child.constraints ?? {}
  if (source !== undefined && source !== childSource) return false
  if (equals && !(childEquals && isSame(equals, childEquals))) return false
  return !subset || isPart(subset, childEquals ?? {}) || isPart(subset, childSubset ?? {})
}

function isPart(part: Context, whole: Context): boolean {
  return Object.entries(part).every(([name, value]) => Object.hasOwn(whole, name) && whole[name] === value)
}

function isSame(one: Context, other: Context): boolean {
  return Object.keys(one).length === Object.keys(other).length && isPart(one, other)
}

/**
 * Who may retire a grant by the grant alone (KMS API Reference, RetireGrant): its retiring principal, and its grantee if it has RetireGrant
 * among its operations. The account that made it may, too, which its policies decide.
 */
export function mayRetire(grant: Omit<Grant, 'region' | 'keyId' | 'grantId' | 'createdAt'>, caller: Caller): boolean {
  const { retiringPrincipal, retiringServicePrincipal, retiringId, granteePrincipal, granteeServicePrincipal, granteeId } = grant
  const isNamed = (arn: string | undefined, service: string | undefined, uniqueId: string | undefined) =>
    service !== undefined ? caller.type === 'Service' && caller.uniqueId === service
      : arn !== undefined && isOneself(arn, uniqueId, caller)
  return isNamed(retiringPrincipal, retiringServicePrincipal, retiringId)
    || (grant.operations.includes('RetireGrant') && isNamed(granteePrincipal, granteeServicePrincipal, granteeId))
}

/** The root of an account is only itself here: the account as a whole retires what it made. */
function isOneself(arn: string, uniqueId: string | undefined, caller: Caller): boolean {
  return arn === rootArn(caller.accountId) ? caller.type === 'Account' : isPrincipal(arn, uniqueId, caller)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
