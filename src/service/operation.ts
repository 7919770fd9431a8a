import type { Contract, Input, Output } from '../api/shape.js'
import type { Caller } from '../domain/caller.js'
import type { GrantUse } from '../domain/grant.js'
import type { Scope } from '../domain/key-ref.js'
import type { StateRule, UsableKey } from '../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import type { PolicyOutcome } from '../domain/policy/decide.js'
import type { RequestKeys, ResourceFacts } from '../domain/policy/request.js'
import type { Access } from './authorization/access.js'
import type { AttestedRecipient } from './recipient.js'
import type { Services } from './services.js'

/** As in the scope of a signature and before the colon of an action. */
export type ServiceName = 'kms' | 'sts' | 'iam'

/** A key that a call is about, before it is looked up. */
export interface KeyNeed {
  /** As the client wrote it. */
  readonly ref: string
  /** The IAM action that is asked of this key. */
  readonly action: string
  readonly state: StateRule
  /** Aliases are taken only by the operations that say so (KMS API Reference, KeyId). */
  readonly aliases: boolean
  /** Throws unless the operation works with keys of this kind (service/key-fit.ts). Comes after permission and before state. */
  readonly fits?: (key: Key) => void
  /** `ciphertext` or `token`: the id was found in there, and may be that of a key of any account. */
  readonly foundIn?: 'ciphertext' | 'token'
  /** Also a bare key id may be one of another account (KMS API Reference, Decrypt). */
  readonly anyAccount?: true
  /** What policies and grants are told of the use of this key, where the members of the same names do not say it. */
  readonly context?: Readonly<Record<string, string>>
  readonly algorithm?: string
  /** Of a CreateGrant: what is to be granted. */
  readonly child?: GrantUse['child']
  /** `grant`: policies can only deny it; who else may is decided by the operation itself (KMS API Reference, RetireGrant). */
  readonly decidedBy?: 'grant'
}

/** What the policies of the caller alone have to allow: an action on what is no key. */
export interface Permission {
  /** As IAM writes it: `kms:CreateKey`. */
  readonly action: string
  /** ARN, or `*`. */
  readonly resource: string
  /** What a refusal says instead of the ARN: one that tells more than the caller asked with. */
  readonly named?: string
  /** Where it is done, if not in the region of the call. */
  readonly region?: string
  /** Whose it is. Of another account than the caller's only for callers of the installation's account. */
  readonly of?: ResourceFacts
  /** Condition keys that the members of the call do not tell. */
  readonly keys?: RequestKeys
}

/** Who asks, for permissions that depend on what is stored. */
export interface Asking { readonly caller: Caller, readonly services: Services }

/** Permissions of a call with these members. */
type PermissionsOf<I> = (input: I, scope: Scope, asking: Asking) => readonly Permission[] | Promise<readonly Permission[]>

/** A call that passed every check: its keys are there, allowed and in a good state, in the order in which they were asked for. */
export interface Call<I = unknown> {
  readonly caller: Caller
  /** The region of the call, and the account of the caller: not that of every key. */
  readonly scope: Scope
  /** As the answer and the audit record name this call. */
  readonly requestId: string
  readonly input: I
  readonly keys: readonly UsableKey[]
  /** What the policies said of each key. */
  readonly outcomes: readonly PolicyOutcome[]
  /** What its caller's policies allowed. */
  readonly permitted: readonly Permission[]
  /** For what turns out only on the way to need permission. */
  readonly access: Access
  /** Who gets the plaintext of the answer instead of the caller; for `answerTo` (service/recipient.ts). */
  readonly recipient: AttestedRecipient | undefined
  /** Tells the audit log which backing key did the work. */
  readonly used: (key: Key, version: KeyVersion) => void
  /** Tells the audit log what the members of the call do not say. Never a secret. */
  readonly detail: (name: string, value: string) => void
}

/**
 * How the retry of a call that changes something gets the answer of the first try. The keys of the call that is answered again are allowed,
 * but in any state; there are none if one of them is gone.
 */
export interface Retry<I, O> {
  /** Names what was made; kept for a day, so never a secret. */
  readonly outcome: (output: O) => string
  /** The output again, from that. */
  readonly answer: (outcome: string, call: Call<I>, services: Services) => Promise<O>
}

/** Of an operation that answers nothing, and so the same every time. */
export const nothingAgain: Retry<unknown, void> = { outcome: () => '', answer: async () => {} }

/** One operation of the API, as `perform` runs it. */
export interface Operation {
  readonly service: ServiceName
  readonly name: string
  readonly contract: Contract
  /** Who calls, where a member of the call says so and no signature does. Throws KmsError if nobody vouches for it. */
  readonly vouched: ((input: unknown, services: Services) => Promise<Caller>) | undefined
  readonly readOnly: boolean
  /** Whether keys of other accounts can be used (KMS developer guide, Permissions reference, Cross-account use). */
  readonly crossAccount: boolean
  /** Checks between members. Throws ValidationException and its like before any key is looked up. */
  readonly check: (input: unknown, scope: Scope) => void
  readonly needs: (input: unknown) => readonly KeyNeed[]
  readonly permissions: PermissionsOf<unknown>
  readonly run: (call: Call, services: Services) => Promise<unknown>
  /**
   * What there is still to be tried without any effect: by DryRun, and before a call waits for approval. Absent when there is nothing, and
   * the operation has no DryRun.
   */
  readonly rehearse: ((call: Call, services: Services) => Promise<void>) | undefined
  readonly retry: Retry<unknown, unknown> | undefined
}

interface Common<C extends Contract> {
  readonly service?: ServiceName
  readonly vouched?: (input: Input<C>, services: Services) => Promise<Caller>
  readonly readOnly?: true
  readonly crossAccount?: true
  readonly check?: (input: Input<C>, scope: Scope) => void
  readonly rehearse?: (call: Call<Input<C>>, services: Services) => Promise<void>
  readonly retry?: Retry<Input<C>, Output<C>>
}

interface OnKey<C extends Contract> extends Common<C> {
  readonly state: StateRule
  readonly key: (input: Input<C>) => string
  readonly aliases?: true
  readonly fits?: (key: Key, input: Input<C>) => void
  readonly child?: (input: Input<C>) => GrantUse['child']
  readonly permissions?: PermissionsOf<Input<C>>
  readonly run: (call: Call<Input<C>> & { readonly key: UsableKey }, services: Services) => Promise<Output<C>>
}

interface OnKeys<C extends Contract> extends Common<C> {
  readonly needs: (input: Input<C>) => readonly KeyNeed[]
  readonly permissions?: PermissionsOf<Input<C>>
  readonly run: (call: Call<Input<C>>, services: Services) => Promise<Output<C>>
}

interface OnAccount<C extends Contract> extends Common<C> {
  /** Without it, the action of the operation on `*`. */
  readonly permissions?: PermissionsOf<Input<C>>
  readonly run: (call: Call<Input<C>>, services: Services) => Promise<Output<C>>
}

/** An operation on one key, whose action is its own name. */
export function onKey<C extends Contract>(
  contract: C, { state, key, aliases, fits, child, run, ...rest }: OnKey<NoInfer<C>>,
): Operation {
  const action = `kms:${contract.name}`
  return onKeys(contract, {
    ...rest,
    needs: input => [{
      ref: key(input), action, state, aliases: aliases ?? false,
      ...fits && { fits: (one: Key) => { fits(one, input) } },
      ...child && { child: child(input) },
    }],
    run: (call, services) => run({ ...call, key: only(call.keys) }, services),
  })
}

/** An operation on several keys, or on a key that is named otherwise than by a member. */
export function onKeys<C extends Contract>(contract: C, operation: OnKeys<NoInfer<C>>): Operation {
  const { service, vouched, needs, permissions, run, check, rehearse, readOnly, crossAccount, retry } = operation
  // The front checked the input against contract.input, which is what Input<C> is derived from.
  return {
    service: service ?? 'kms',
    name: contract.name,
    contract,
    vouched: vouched as Operation['vouched'],
    readOnly: readOnly ?? false,
    crossAccount: crossAccount ?? false,
    check: (check ?? (() => {})) as Operation['check'],
    needs: needs as Operation['needs'],
    permissions: (permissions ?? (() => [])) as Operation['permissions'],
    run: run as Operation['run'],
    rehearse: (rehearse ?? ('DryRun' in contract.input ? async () => {} : undefined)) as Operation['rehearse'],
    retry: retry as Operation['retry'],
  }
}

const noKeys: Operation['needs'] = () => []

/** Whether it needs keys: the others are decided by the policies of the caller alone. */
export function needsKeys({ needs }: Operation): boolean {
  return needs !== noKeys
}

/** An operation on no key. */
export function onAccount<C extends Contract>(contract: C, operation: OnAccount<NoInfer<C>>): Operation {
  const own: Permission = { action: `${operation.service ?? 'kms'}:${contract.name}`, resource: '*' }
  return onKeys(contract, { permissions: () => [own], ...operation, needs: noKeys })
}

function only(keys: readonly UsableKey[]): UsableKey {
  const [key] = keys
  if (!key) throw new Error('the call was given no key')
  return key
}

/** A key that was asked for and is allowed. */
export interface AllowedKey { readonly need: KeyNeed, readonly view: KeyView, readonly outcome: PolicyOutcome }
