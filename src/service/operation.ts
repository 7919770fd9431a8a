import type { Contract, Input, Output } from '../api/shape.js'
import type { Caller } from '../domain/caller.js'
import type { KmsError } from '../domain/errors.js'
import type { Scope } from '../domain/key-ref.js'
import type { StateRule, UsableKey } from '../domain/key-state.js'
import type { Key, KeyVersion } from '../domain/key.js'
import type { AttestedRecipient } from './recipient.js'
import type { Services } from './services.js'

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
  /** What to answer when there is no such key; without it, NotFoundException. */
  readonly otherwise?: () => KmsError
}

/** A call that passed every check: its keys are there, allowed and in a good state, in the order in which they were asked for. */
export interface Call<I = unknown> {
  readonly caller: Caller
  readonly scope: Scope
  /** As the answer and the audit record name this call. */
  readonly requestId: string
  readonly input: I
  readonly keys: readonly UsableKey[]
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
  readonly name: string
  readonly contract: Contract
  readonly readOnly: boolean
  /** Checks between members. Throws ValidationException and its like before any key is looked up. */
  readonly check: (input: unknown, scope: Scope) => void
  readonly needs: (input: unknown) => readonly KeyNeed[]
  readonly run: (call: Call, services: Services) => Promise<unknown>
  /** What DryRun still has to try, having no effect. Absent when the operation has no DryRun. */
  readonly rehearse: ((call: Call, services: Services) => Promise<void>) | undefined
  readonly retry: Retry<unknown, unknown> | undefined
}

interface Common<C extends Contract> {
  readonly readOnly?: true
  readonly check?: (input: Input<C>, scope: Scope) => void
  readonly rehearse?: (call: Call<Input<C>>, services: Services) => Promise<void>
  readonly retry?: Retry<Input<C>, Output<C>>
}

interface OnKey<C extends Contract> extends Common<C> {
  readonly state: StateRule
  readonly key: (input: Input<C>) => string
  readonly aliases?: true
  readonly fits?: (key: Key, input: Input<C>) => void
  readonly run: (call: Call<Input<C>> & { readonly key: UsableKey }, services: Services) => Promise<Output<C>>
}

interface OnKeys<C extends Contract> extends Common<C> {
  readonly needs: (input: Input<C>) => readonly KeyNeed[]
  readonly run: (call: Call<Input<C>>, services: Services) => Promise<Output<C>>
}

interface OnAccount<C extends Contract> extends Common<C> {
  readonly run: (call: Call<Input<C>>, services: Services) => Promise<Output<C>>
}

/** An operation on one key, whose action is its own name. */
export function onKey<C extends Contract>(contract: C, { state, key, aliases, fits, run, ...rest }: OnKey<NoInfer<C>>): Operation {
  const action = `kms:${contract.name}`
  return onKeys(contract, {
    ...rest,
    needs: input => [{
      ref: key(input), action, state, aliases: aliases ?? false,
      ...fits && { fits: (one: Key) => { fits(one, input) } },
    }],
    run: (call, services) => run({ ...call, key: only(call.keys) }, services),
  })
}

/** An operation on several keys, or on a key that is named otherwise than by a member. */
export function onKeys<C extends Contract>(contract: C, { needs, run, check, rehearse, readOnly, retry }: OnKeys<NoInfer<C>>): Operation {
  // The front checked the input against contract.input, which is what Input<C> is derived from.
  return {
    name: contract.name,
    contract,
    readOnly: readOnly ?? false,
    check: (check ?? (() => {})) as Operation['check'],
    needs: needs as Operation['needs'],
    run: run as Operation['run'],
    rehearse: 'DryRun' in contract.input ? (rehearse ?? (async () => {})) as NonNullable<Operation['rehearse']> : undefined,
    retry: retry as Operation['retry'],
  }
}

/** An operation on no key. */
export function onAccount<C extends Contract>(contract: C, operation: OnAccount<NoInfer<C>>): Operation {
  return onKeys(contract, { ...operation, needs: () => [] })
}

function only(keys: readonly UsableKey[]): UsableKey {
  const [key] = keys
  if (!key) throw new Error('the call was given no key')
  return key
}
