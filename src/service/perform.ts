import type { Members } from '../api/shape.js'
import type { Caller } from '../domain/caller.js'
import { KmsError } from '../domain/errors.js'
import { aliasArn, keyArn, parseKeyRef, type KeyRef, type Scope } from '../domain/key-ref.js'
import { atTime } from '../domain/imported-material.js'
import { checkManager, checkState, isVisible, notFound, type UsableKey } from '../domain/key-state.js'
import type { KeyView } from '../domain/key.js'
import { isReserved } from '../domain/managed-keys.js'
import { decide } from '../domain/policy/decide.js'
import { CallRecord, type CallOrigin } from './call-record.js'
import { refusalOf } from './refusal.js'
import { invocationName } from './invocations.js'
import { madeManagedKey, managedKey } from './managed-keys.js'
import type { Call, KeyNeed, Operation } from './operation.js'
import type { Services } from './services.js'

/** What `perform` asks of a front, in this order. Each may throw KmsError; what they do not reach is not in the audit record. */
export interface Front {
  authenticate(): Promise<Identity> | Identity
  /** The name of the operation if the API has it, built or not; for the record of a refusal. */
  eventName?(): string | undefined
  /** Throws UnknownOperationException or UnsupportedOperationException. */
  operation(): Operation
  /** The members, checked against `operation.contract.input`. */
  input(operation: Operation): unknown
}

export interface Identity { readonly caller: Caller, readonly region: string }

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
    let performed: Performed
    try {
      performed = await answer(record, front, services)
    } catch (error) {
      const refusal = refusalOf(error)
      await services.audit.append(record.refused(refusal))
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
}

/** Overwrites the plaintext among the members, whatever became of the call. */
function wipe(members: Members | null | undefined, value: unknown): void {
  if (!members || typeof value !== 'object' || value === null) return
  for (const [name, shape] of Object.entries(members)) {
    const member = (value as Record<string, unknown>)[name]
    if (shape.type === 'blob' && shape.sensitive && member instanceof Uint8Array) member.fill(0)
  }
}

async function answer(record: CallRecord, front: Front, services: Services): Promise<Performed> {
  const identity = await front.authenticate()
  record.identified(identity)
  record.eventName = front.eventName?.()
  const operation = front.operation()
  record.operation = operation
  const input = front.input(operation)
  record.input = input
  const scope = { region: identity.region, accountId: services.accountId }
  operation.check(input, scope)
  const recipient = services.recipients.verify(input)
  if (recipient) record.detail('recipient', recipient.facts)
  const tokens = grantTokensOf(input)
  if (tokens.length > 0) await services.grantTokens.read(tokens)
  const needs = operation.needs(input)
  if (needs.length === 0) authorise(identity.caller, `kms:${operation.name}`, undefined)
  const asked = { caller: identity.caller, scope, dryRun: isDryRun(input) }
  const found = await allowedKeys(needs, asked, services, record).catch(error => goneAtRetry(operation, error))
  const call: Call = {
    caller: identity.caller, scope, input, keys: [], recipient, requestId: record.requestId,
    used: ({ arn }, { version, keyMaterialId }) => record.used(arn, version, keyMaterialId),
    detail: (name, value) => record.detail(name, value),
  }
  const output = await once(operation, call, found, services, record)
  record.output = output
  return { operation, output }
}

interface Found { readonly need: KeyNeed, readonly view: KeyView }

/** Runs the operation, unless this is a retry of a call that has been: that is known before the state of its keys is, which it changed. */
function once(
  operation: Operation, call: Call, found: readonly Found[] | KmsError, services: Services, record: CallRecord,
): Promise<unknown> {
  async function run(): Promise<unknown> {
    if (found instanceof KmsError) throw found
    const keys = usableKeys(found, services)
    record.keys = keys.map(({ key }) => key)
    return runOrRehearse(operation, { ...call, keys }, services)
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

/** Who asks for keys, and where. */
interface Asked { readonly caller: Caller, readonly scope: Scope, readonly dryRun: boolean }

/** Permission comes before state: who may not use a key is not told whether it is disabled. */
async function allowedKeys(
  needs: readonly KeyNeed[], asked: Asked, services: Services, record: CallRecord,
): Promise<readonly Found[]> {
  const { caller } = asked
  const found: Found[] = []
  for (const need of needs) {
    const view = await findKey(need, asked, services)
    record.resource(view.key.arn)
    found.push({ need, view })
  }
  for (const { need, view } of found) {
    authorise(caller, need.action, view.key.arn)
    checkManager(view.key, need.state, caller, need.action)
  }
  return found
}

function usableKeys(found: readonly Found[], services: Services): readonly UsableKey[] {
  for (const { need, view } of found) need.fits?.(view.key)
  return found.map(({ need, view }) => checkState(view, need.state, services.customKeyStores.isConnected(view.key)))
}

async function findKey(need: KeyNeed, asked: Asked, services: Services): Promise<KeyView> {
  const { caller, scope } = asked
  const ref = parseKeyRef(need.ref, scope)
  if (ref.kind === 'alias' && !need.aliases) throw new KmsError('NotFoundException', `Invalid keyId '${need.ref}'`)
  if (ref.accountId !== scope.accountId) throw foreignKey(caller, need.action)
  const keyId = ref.kind === 'key' ? ref.keyId : await aliasTarget(ref, need, asked, services)
  const view = await services.directory.key(scope.region, keyId)
  if (view && isVisible(view.key.state)) return atTime(view, services.clock.now())
  // Inside the account a missing key may be named, but only to who may call the action at all.
  authorise(caller, need.action, keyArn(scope, keyId))
  throw need.otherwise?.() ?? notFound({ arn: keyArn(scope, keyId) })
}

/** The key of a service is made when a caller who may do so first names it, but not by a DryRun: that must leave nothing behind. */
async function aliasTarget(
  { name }: KeyRef & { kind: 'alias' }, need: KeyNeed, { caller, scope, dryRun }: Asked, services: Services,
): Promise<string> {
  const { directory } = services
  const known = isReserved(name) ? await managedKey(scope, name, services) : (await directory.alias(scope.region, name))?.targetKeyId
  if (known !== undefined) return known
  authorise(caller, need.action, aliasArn(scope, name))
  const made = dryRun ? undefined : await madeManagedKey(scope, name, services)
  if (made !== undefined) return made
  throw new KmsError('NotFoundException', `Alias ${aliasArn(scope, name)} is not found.`)
}

function authorise(caller: Caller, action: string, resource: string | undefined): void {
  const { allowed, because } = decide(caller, action)
  if (allowed) return
  const on = resource === undefined ? '' : ` on resource: ${resource}`
  throw new KmsError('AccessDeniedException', `User: ${caller.arn} is not authorized to perform: ${action}${on} because ${because}`)
}

function foreignKey(caller: Caller, action: string): KmsError {
  return new KmsError('AccessDeniedException', `User: ${caller.arn} is not authorized to perform: ${action} on this resource because the `
    + 'resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies '
    + 'access')
}

async function runOrRehearse(operation: Operation, call: Call, services: Services): Promise<unknown> {
  if (!operation.rehearse || !isDryRun(call.input)) return operation.run(call, services)
  await operation.rehearse(call, services)
  throw new KmsError('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
}

function isDryRun(input: unknown): boolean {
  return (input as { readonly DryRun?: boolean }).DryRun ?? false
}

/** A token must be one that was made here. Whether its grant still exists, and applies, does not matter to who is allowed anyway. */
function grantTokensOf(input: unknown): readonly string[] {
  const { GrantTokens: tokens = [], GrantToken: token } = input as { GrantTokens?: readonly string[], GrantToken?: string }
  return token === undefined ? tokens : [...tokens, token]
}
