import type { Contract, Input, Output } from '../api/shape.js'
import type { Caller } from '../domain/caller.js'
import type { ErrorCode, KmsError } from '../domain/errors.js'
import type { Scope } from '../domain/key-ref.js'
import type { StateRule, UsableKey } from '../domain/key-state.js'
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
  /** Must fit the key's spec; if not, this error. */
  readonly algorithm?: { readonly name: string, readonly otherwise: ErrorCode }
  /** What to answer when there is no such key; without it, NotFoundException. */
  readonly otherwise?: () => KmsError
}

/** A call that passed every check: its keys are there, allowed and in a good state, in the order in which they were asked for. */
export interface Call<I = unknown> {
  readonly caller: Caller
  readonly scope: Scope
  readonly input: I
  readonly keys: readonly UsableKey[]
  /** Tells the audit log which backing key did the work. */
  readonly used: (keyArn: string, version: number, keyMaterialId: string) => void
}

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
}

interface Common<C extends Contract> {
  readonly readOnly?: true
  readonly check?: (input: Input<C>, scope: Scope) => void
  readonly rehearse?: (call: Call<Input<C>>, services: Services) => Promise<void>
}

interface OnKey<C extends Contract> extends Common<C> {
  readonly state: StateRule
  readonly key: (input: Input<C>) => string
  readonly aliases?: true
  readonly algorithm?: (input: Input<C>) => string
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
export function onKey<C extends Contract>(contract: C, { state, key, aliases, algorithm, run, ...rest }: OnKey<NoInfer<C>>): Operation {
  const action = `kms:${contract.name}`
  return onKeys(contract, {
    ...rest,
    needs: input => [{
      ref: key(input), action, state, aliases: aliases ?? false,
      ...algorithm && { algorithm: { name: algorithm(input), otherwise: 'InvalidKeyUsageException' as const } },
    }],
    run: (call, services) => run({ ...call, key: only(call.keys) }, services),
  })
}

/** An operation on several keys, or on a key that is named otherwise than by a member. */
export function onKeys<C extends Contract>(contract: C, { needs, run, check, rehearse, readOnly }: OnKeys<NoInfer<C>>): Operation {
  // The front checked the input against contract.input, which is what Input<C> is derived from.
  return {
    name: contract.name,
    contract,
    readOnly: readOnly ?? false,
    check: (check ?? (() => {})) as Operation['check'],
    needs: needs as Operation['needs'],
    run: run as Operation['run'],
    rehearse: 'DryRun' in contract.input ? (rehearse ?? (async () => {})) as NonNullable<Operation['rehearse']> : undefined,
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
