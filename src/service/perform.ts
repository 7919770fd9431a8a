import type { Members } from '../api/shape.js'
import type { Caller } from '../domain/caller.js'
import { KmsError } from '../domain/errors.js'
import { checkState, type UsableKey } from '../domain/key-state.js'
import type { Key } from '../domain/key.js'
import { holdForApproval } from './approvals/hold.js'
import { Access } from './authorization/access.js'
import { CallRecord, type CallOrigin } from './call-record.js'
import { refusalOf } from './refusal.js'
import { invocationName } from './invocations.js'
import type { AllowedKey, Call, Operation, ServiceName } from './operation.js'
import type { Services } from './services.js'
import type { Visit } from './throttle/admission.js'
import { SourceRefusal } from './throttle/failing-sources.js'

/** What `perform` asks of a front, in this order. Each may throw KmsError; what they do not reach is not in the audit record. */
export interface Front {
  /** Whose API the front speaks, for the record of what is refused before its operation is known. */
  readonly service?: ServiceName
  authenticate(): Promise<Identity | Unsigned> | Identity | Unsigned
  /** The name of the operation if the API has it, built or not; for the record of a refusal. */
  eventName?(): string | undefined
  /** Throws UnknownOperationException or UnsupportedOperationException. */
  operation(): Operation
  /** The members, checked against `operation.contract.input`. */
  input(operation: Operation): unknown
  /** What a member of the call said of its caller is true (`Operation.vouched`). */
  vouched?(): void
}

export interface Identity { readonly caller: Caller, readonly region: string }

/** A call that a member of it shall vouch for (`Operation.vouched`): nobody has signed it. */
export interface Unsigned { readonly caller: undefined, readonly region: string }

export interface Performed { readonly operation: Operation, readonly output: unknown }

export type Performer = (origin: CallOrigin, front: Front) => Promise<Performed>

/**
 * The one path of every call, whatever front it came through: authenticate, operation, members, keys, permission, state, work, audit.
 * Settles only after the audit record is on disk; if that fails, the caller gets an internal error whatever the outcome was.
 */
export function performer(services: Services): Performer {
  return async (origin, front) => {
    // What cannot be recorded must not take effect either.
    if (!services.audit.healthy()) throw new KmsError('KMSInternalException')
    const record = new CallRecord(origin, services.clock)
    const visit = services.admission.visit()
    try {
      return await recorded(record, services, () => answer(record, origin, front, services, visit))
    } finally {
      visit.leave()
    }
  }
}

async function recorded(record: CallRecord, services: Services, act: () => Promise<Performed>): Promise<Performed> {
  let performed: Performed
  try {
    performed = await act()
  } catch (error) {
    const refusal = refusalOf(error)
    // The only one that leaves no record of its own: nobody knows yet who calls, so any number of these could fill the disk.
    if (!(refusal instanceof SourceRefusal)) await services.audit.append(record.refused(refusal))
    throw refusal
  } finally {
    wipe(record.operation?.contract.input, record.input)
  }
  try {
    await services.audit.append(record.succeeded())
  } catch (error) {
    wipe(record.operation?.contract.output, performed.output)
    throw error
  }
  services.lastUsage.note(
    { operation: performed.operation.name, usedAt: record.time, eventId: record.eventId, requestId: record.requestId }, record.keys)
  return performed
}

/** Overwrites the plaintext among the members, whatever became of the call. */
function wipe(members: Members | null | undefined, value: unknown): void {
  if (!members || typeof value !== 'object' || value === null) return
  for (const [name, shape] of Object.entries(members)) {
    const member = (value as Record<string, unknown>)[name]
    if (shape.type === 'blob' && shape.sensitive && member instanceof Uint8Array) member.fill(0)
  }
}

async function answer(
  record: CallRecord, origin: CallOrigin, front: Front, services: Services, visit: Visit,
): Promise<Performed> {
  record.service = front.service
  const { caller: known, region } = await front.authenticate()
  record.identified({ caller: known, region })
  const version = known && services.identities.versionOf(known.accountId)
  record.eventName = front.eventName?.()
  if (known) await visit.enter(known)
  const operation = front.operation()
  record.operation = operation
  if (known) {
    services.accessKeyUsages.note(known, { usedAt: record.time, region, service: operation.service })
    await visit.begin(known, operation)
  }
  // It may have waited for its turn, and what has been taken from it meanwhile must count.
  const isFresh = version === (known && services.identities.versionOf(known.accountId))
  const signer = isFresh ? known : (await front.authenticate()).caller
  const input = front.input(operation)
  record.input = input
  const caller = operation.vouched ? await operation.vouched(input, services) : signer
  if (!caller) throw new KmsError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  if (operation.vouched) front.vouched?.()
  record.identified({ caller, region })
  if (!signer) {
    await visit.enter(caller)
    await visit.begin(caller, operation)
  }
  return carryOut({ record, origin, caller, region, operation, input }, services)
}

interface Asked {
  readonly record: CallRecord
  readonly origin: CallOrigin
  readonly caller: Caller
  readonly region: string
  readonly operation: Operation
  readonly input: unknown
  /** Of a call that others have approved: ARNs of the keys that they were told of. */
  readonly approvedKeys?: readonly string[]
}

/** A call that waited for the approval of others and has it (service/approvals). */
export interface ApprovedCall extends Pick<Asked, 'origin' | 'region' | 'operation' | 'input'> {
  /** Who asked for it. Throws KmsError if nobody may be taken for that any more. */
  readonly caller: () => Promise<Caller>
  readonly keys: readonly string[]
  /** For the audit record. */
  readonly details: Readonly<Record<string, string>>
}

/** The same path from where the caller is known: permission and state are those of now, and there is a record of its own. */
export async function performApproved({ caller: callerOf, keys, details, ...call }: ApprovedCall, services: Services): Promise<Performed> {
  if (!services.audit.healthy()) throw new KmsError('KMSInternalException')
  const { origin, region, operation, input } = call
  const record = new CallRecord(origin, services.clock)
  record.operation = operation
  record.input = input
  for (const [name, value] of Object.entries(details)) record.detail(name, value)
  return recorded(record, services, async () => {
    const caller = await callerOf()
    record.identified({ caller, region })
    return carryOut({ ...call, record, caller, approvedKeys: keys }, services)
  })
}

async function carryOut(asked: Asked, services: Services): Promise<Performed> {
  const { record, origin, caller, region, operation, input } = asked
  const scope = { region, accountId: caller.accountId }
  operation.check(input, scope)
  const recipient = services.recipients.verify(input)
  if (recipient) record.detail('recipient', recipient.facts)
  const tokens = grantTokensOf(input)
  if (tokens.length > 0) await services.grantTokens.read(tokens)
  const access = new Access({
    caller, region, origin, operation, input, time: record.time, dryRun: isDryRun(input), measurements: recipient?.measurements,
  }, services, record)
  const found = await access.requireKeys(operation.needs(input)).catch(error => goneAtRetry(operation, error))
  const permitted = await operation.permissions(input, scope, { caller, services })
  for (const permission of permitted) access.requirePermission(permission)
  const call: Call = {
    caller, scope, input, keys: [], outcomes: [], permitted, access, recipient, requestId: record.requestId,
    used: ({ arn }, { version, keyMaterialId }) => record.used(arn, version, keyMaterialId),
    detail: (name, value) => record.detail(name, value),
  }
  const output = await once(asked, call, found, services)
  record.output = output
  return { operation, output }
}

/** Runs the operation, unless this is a retry of a call that has been: that is known before the state of its keys is, which it changed. */
function once(asked: Asked, call: Call, found: readonly AllowedKey[] | KmsError, services: Services): Promise<unknown> {
  const { operation, record, approvedKeys } = asked
  async function run(): Promise<unknown> {
    if (found instanceof KmsError) throw found
    const keys = usableKeys(found, services)
    record.keys = keys.map(({ key }) => key)
    if (approvedKeys) requireSameKeys(approvedKeys, record.keys)
    return runOrRehearse(operation, { ...call, keys, outcomes: found.map(({ outcome }) => outcome) }, services, approvedKeys !== undefined)
  }
  const { retry } = operation
  const { caller: { arn: caller }, scope: { region }, input, requestId } = call
  const name = retry && invocationName(record.invocationId, { caller, region, operation: operation.name }, operation.contract.input, input)
  if (!retry || !name) return run()
  return services.invocations.once(name, {
    requestId, run, outcomeOf: retry.outcome,
    again(outcome, firstRequestId) {
      record.retryOf = firstRequestId
      const keys = found instanceof KmsError ? [] : found.map(({ view }) => checkState(view, 'read'))
      return retry.answer(outcome, { ...call, keys }, services)
    },
  })
}

/** What a call took away, its retry cannot find: told only when it turns out to be no retry. */
function goneAtRetry({ retry }: Operation, error: unknown): KmsError {
  if (retry && error instanceof KmsError && error.code === 'NotFoundException') return error
  throw error
}

function usableKeys(found: readonly AllowedKey[], services: Services): readonly UsableKey[] {
  for (const { need, view } of found) need.fits?.(view.key)
  return found.map(({ need, view }) => checkState(view, need.state, services.customKeyStores.isConnected(view.key)))
}

/** What an alias names by now may be another key than the one that was approved. */
function requireSameKeys(approved: readonly string[], keys: readonly Key[]): void {
  if (keys.length === approved.length && keys.every(({ arn }, at) => arn === approved[at])) return
  throw new KmsError('ConflictException', 'The call names another key than the one that was approved.')
}

async function runOrRehearse(operation: Operation, call: Call, services: Services, isApproved: boolean): Promise<unknown> {
  if (isDryRun(call.input) && operation.rehearse) {
    await operation.rehearse(call, services)
    throw new KmsError('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
  }
  if (!isApproved) await holdForApproval(operation, call, services)
  return operation.run(call, services)
}

function isDryRun(input: unknown): boolean {
  return (input as { readonly DryRun?: boolean }).DryRun ?? false
}

/** A token must be one that was made here. A grant that it names is found without it, too. */
function grantTokensOf(input: unknown): readonly string[] {
  const { GrantTokens: tokens = [], GrantToken: token } = input as { GrantTokens?: readonly string[], GrantToken?: string }
  return token === undefined ? tokens : [...tokens, token]
}
