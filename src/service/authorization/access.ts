import { grantOperation } from '../../api/enums.js'
import type { Caller } from '../../domain/caller.js'
import { KmsError } from '../../domain/errors.js'
import { isLeftToAccount } from '../../domain/grant.js'
import { atTime } from '../../domain/imported-material.js'
import { aliasArn, keyArn, parseKeyRef, type KeyRef, type Scope } from '../../domain/key-ref.js'
import { checkManager, isVisible, notFound } from '../../domain/key-state.js'
import type { Key, KeyView } from '../../domain/key.js'
import { isReserved } from '../../domain/managed-keys.js'
import type { CompiledPolicy } from '../../domain/policy/compile.js'
import {
  decideByGrant, decideByPolicies, type PolicyOutcome, type Question, type Reason,
} from '../../domain/policy/decide.js'
import { accessDenied, accountDenied, ciphertextDenied, foreignDenied, roleDenied } from '../../domain/policy/denial.js'
import { PolicyRequest, type ContextValue, type RequestKeys } from '../../domain/policy/request.js'
import type { CallRecord } from '../call-record.js'
import { madeManagedKey, managedKey } from '../managed-keys.js'
import type { AllowedKey, KeyNeed, Operation, Permission } from '../operation.js'
import type { Services } from '../services.js'
import { factsOf, mentions, type CallFacts, type QuestionFacts } from './facts.js'
import { requestKeysOf } from './request-keys.js'
import { questionOnRole, type AskedRole } from './role-question.js'

/** One call, as far as it is known before its keys are. */
export interface Asked extends CallFacts {
  readonly operation: Operation
  readonly input: unknown
  readonly dryRun: boolean
  /** Hex digits by index: what an enclave was measured as. */
  readonly measurements: ReadonlyMap<number, string> | undefined
}

/** A key that was looked up. */
interface Found { readonly need: KeyNeed, readonly view: KeyView, readonly alias: string | undefined }

export type KeyQuestion = Question & { readonly key: Key }

const grantOperations: ReadonlySet<string> = new Set(grantOperation)
/** KMS developer guide, Quotas: kms:ResourceAliases is not satisfied for a key that has more. */
const aliasesMax = 50
const dayMs = 86_400_000
/** Operations that policies may make depend on how long a key was not used. */
const withTrailingDays: ReadonlySet<string> = new Set(['DisableKey', 'ScheduleKeyDeletion'])

/**
 * What one call may do. Finds the keys that it names, and asks policies and grants; every question is answered in the audit record, and
 * every no is thrown. Permission comes before state: who may not use a key is not told whether it is disabled.
 */
export class Access {
  readonly #asked: Asked
  readonly #services: Services
  readonly #record: Pick<CallRecord, 'resource' | 'decided'>

  constructor(asked: Asked, services: Services, record: Pick<CallRecord, 'resource' | 'decided'>) {
    this.#asked = asked
    this.#services = services
    this.#record = record
  }

  get facts(): CallFacts {
    return this.#asked
  }

  get #scope(): Scope {
    return { region: this.#asked.region, accountId: this.#asked.caller.accountId }
  }

  /** Throws AccessDeniedException unless the policies of the caller allow it, in an account that the caller has to do with. */
  requirePermission(permission: Permission): void {
    const { caller } = this.#asked
    const { action, resource, named, of } = permission
    const isElsewhere = of !== undefined && of.accountId !== caller.accountId
    if (isElsewhere && caller.accountId !== this.#services.accountId) {
      this.#record.decided({ action, reason: { verdict: 'no', by: 'service' } })
      throw accountDenied(caller, action)
    }
    const { allowed, reason } = decideByPolicies(this.questionOf(permission))
    this.#record.decided({ action, ...resource !== '*' && { resource }, reason })
    if (!allowed) throw accessDenied(caller, action, named ?? (resource === '*' ? undefined : resource), reason)
    // So that the account sees in its own part of the log what was done to it.
    if (isElsewhere && resource !== '*') this.#record.resource(resource)
  }

  /** The keys that the call needs, each of them allowed. */
  async requireKeys(needs: readonly KeyNeed[]): Promise<readonly AllowedKey[]> {
    const found: Found[] = []
    for (const need of needs) {
      const one = await this.#find(need)
      this.#record.resource(one.view.key.arn)
      found.push(one)
    }
    const onSameKey = found.length > 1 && found.every(({ view }) => view.key.arn === found[0]?.view.key.arn)
    const allowed: AllowedKey[] = []
    for (const { need, view, alias } of found) {
      const outcome = await this.#require(need, view.key, alias, onSameKey)
      checkManager(view.key, need.state, this.#asked.caller, need.action)
      allowed.push({ need, view, outcome })
    }
    return allowed
  }

  /** For one more key, which the call turned out to be about. */
  async requireKey(key: Key, action: string): Promise<void> {
    await this.#require({ ref: key.arn, action, state: 'read', aliases: false }, key, undefined, false)
  }

  /** Throws AccessDeniedException unless the role trusts the caller and, where they must agree, the policies of the caller allow it. */
  requireRole(role: AskedRole, actions: readonly string[]): void {
    const { arn } = role
    this.#record.resource(arn)
    for (const action of actions) {
      const { allowed, reason } = decideByPolicies(questionOnRole(this.#asked, role, action))
      this.#record.decided({ action, resource: arn, reason })
      if (!allowed) throw roleDenied(this.#asked.caller, action, arn)
    }
  }

  /** What an operation has decided itself, because only a grant could allow it. */
  decided(key: Key, action: string, reason: Reason): void {
    this.#record.decided({ action, resource: key.arn, reason })
  }

  /** Whether the policies of the key would let the caller do it; nothing is recorded. `policy` stands in for the key's own. */
  async wouldAllow(key: Key, action: string, policy: CompiledPolicy): Promise<boolean> {
    return decideByPolicies(await this.#question({ ref: key.arn, action, state: 'read', aliases: false }, key, policy)).allowed
  }

  /** What the policies are asked about a key. For who explains what is decided; throws as `requireKeys` does. */
  async questionOn(need: KeyNeed): Promise<KeyQuestion> {
    const { view: { key }, alias } = await this.#find(need)
    return { ...await this.#question(need, key, this.#services.keyPolicies.of(key), alias), key }
  }

  /** The same of what is no key. */
  questionOf({ action, resource, region, of, keys = new Map() }: Permission): Question {
    const more = () => new Map([...this.#measurements(), ...keys])
    const facts = this.#facts({}, more, { region, resource: of })
    return { caller: this.#asked.caller, request: new PolicyRequest(action, resource, facts), resource: undefined }
  }

  async #require(need: KeyNeed, key: Key, alias: string | undefined, onSameKey: boolean): Promise<PolicyOutcome> {
    const { caller } = this.#asked
    const outcome = await this.#decide(need, key, alias, onSameKey)
    // What only a grant can allow, the operation looks at itself.
    if (need.decidedBy === 'grant' && outcome.reason.verdict !== 'deny') return outcome
    this.#record.decided({ action: need.action, resource: key.arn, reason: outcome.reason })
    if (outcome.allowed) return outcome
    // An id alone is looked for in every account; one of another account that the caller may not use is none.
    if (isAnybodys(need) && key.accountId !== caller.accountId) throw this.#missing(need, key.keyId, false)
    throw this.#refusal(need, caller, key.accountId === caller.accountId ? key.arn : undefined, outcome.reason)
  }

  async #decide(need: KeyNeed, key: Key, alias: string | undefined, onSameKey: boolean): Promise<PolicyOutcome> {
    const { caller, origin } = this.#asked
    const question = await this.#question(need, key, this.#services.keyPolicies.of(key), alias, onSameKey)
    const outcome = decideByPolicies(question)
    const operation = need.action.slice('kms:'.length)
    if (outcome.allowed || !outcome.own || !grantOperations.has(operation) || need.decidedBy === 'grant') return outcome
    const grant = await this.#services.grantIndex.find(key, {
      caller, operation,
      context: question.request.facts.encryptionContext ?? {},
      sourceArn: caller.type === 'Service' ? origin.sourceArn : undefined,
      ...need.child && { child: need.child },
    })
    if (!grant) return outcome
    return { ...decideByGrant(outcome, { grantId: grant.grantId, ofAccount: isLeftToAccount(grant, caller) }), own: outcome.own }
  }

  async #question(need: KeyNeed, key: Key, policy: CompiledPolicy, alias?: string, onSameKey = false) {
    const { caller } = this.#asked
    // Read only where a policy asks.
    const trailing = this.#mayAskForTrailingDays(policy) ? await this.#trailingDays(key) : undefined
    const aliases = mentions(caller, 'kms:resourcealiases') ? await this.#aliases(key) : undefined
    const more = () => {
      const keys = this.#measurements()
      if (trailing !== undefined) keys.set('kms:trailingdayswithoutkeyusage', trailing)
      if (need.action.startsWith('kms:ReEncrypt')) keys.set('kms:reencryptonsamekey', String(onSameKey))
      return keys
    }
    const facts = this.#facts(need, more, {
      // Whoever changes an alias does not ask for the key by it (KMS developer guide, kms:RequestAlias).
      requestAlias: need.action.endsWith('Alias') ? undefined : alias,
      resource: { accountId: key.accountId, tags: key.tags, key, ...aliases && { aliases } },
    })
    return { caller, request: new PolicyRequest(need.action, key.arn, facts), resource: { policy, accountId: key.accountId } }
  }

  #facts({ context, algorithm, child }: Partial<KeyNeed>, more: () => RequestKeys, question: QuestionFacts) {
    const { operation, input } = this.#asked
    const members = input as Readonly<Record<string, unknown>>
    const named = members.EncryptionAlgorithm
    const ofGrant = child?.constraints?.EncryptionContextEquals ?? child?.constraints?.EncryptionContextSubset
    return factsOf(this.#asked, {
      region: question.region, resource: question.resource, requestAlias: question.requestAlias,
      encryptionContext: context ?? ofGrant ?? members.EncryptionContext as Readonly<Record<string, string>> | undefined,
      requestKeys: () => requestKeysOf(operation.name, {
        input: members, ...(algorithm !== undefined || typeof named === 'string') && { algorithm: algorithm ?? String(named) },
      }, more()),
    })
  }

  #measurements(): Map<string, ContextValue> {
    const measured = new Map<string, ContextValue>()
    for (const [index, value] of this.#asked.measurements ?? []) {
      measured.set(`kms:recipientattestation:pcr${index}`, value)
      if (index === 0) measured.set('kms:recipientattestation:imagesha384', value)
    }
    return measured
  }

  async #aliases({ accountId, region, keyId }: Key): Promise<readonly string[] | undefined> {
    const aliases = await this.#services.store.aliases.list(accountId, region, keyId, undefined, aliasesMax + 1)
    return aliases.length > aliasesMax ? undefined : aliases.map(({ name }) => name)
  }

  #mayAskForTrailingDays(policy: CompiledPolicy): boolean {
    const { operation, caller } = this.#asked
    const asked = 'kms:trailingdayswithoutkeyusage'
    return withTrailingDays.has(operation.name) && (policy.keys.has(asked) || mentions(caller, asked))
  }

  async #trailingDays(key: Key): Promise<string> {
    const { lastUsage } = this.#services
    const since = (await lastUsage.of(key))?.usedAt ?? Math.max(key.createdAt, lastUsage.since)
    return String(Math.max(0, Math.floor((this.#asked.time - since) / dayMs)))
  }

  async #find(need: KeyNeed): Promise<Found> {
    const { caller, operation, region, time } = this.#asked
    const ref = parseKeyRef(need.ref, this.#scope)
    if (ref.kind === 'alias' && !need.aliases) throw new KmsError('NotFoundException', `Invalid keyId '${need.ref}'`)
    const isForeign = ref.accountId !== caller.accountId
    if (isForeign && !operation.crossAccount) {
      this.#record.decided({ action: need.action, reason: { verdict: 'no', by: 'service' } })
      throw foreignDenied(caller, need.action)
    }
    const keyId = ref.kind === 'key' ? ref.keyId : await this.#aliasTarget(ref, need)
    const view = keyId === undefined ? undefined : await this.#services.directory.key(region, keyId)
    const mayBeAnybodys = need.foundIn !== undefined || (ref.kind === 'key' && isAnybodys(need))
    const isThere = view && isVisible(view.key.state) && (mayBeAnybodys || view.key.accountId === ref.accountId)
    if (!isThere) throw this.#missing(need, keyId ?? '', isForeign)
    return { need, view: atTime(view, time), alias: ref.kind === 'alias' ? ref.name : undefined }
  }

  /** Inside the account a missing key may be named, but only to who may call the action at all. */
  #missing(need: KeyNeed, keyId: string, isForeign: boolean): KmsError {
    const { caller } = this.#asked
    const arn = keyArn(this.#scope, keyId)
    const { allowed, reason } = decideByPolicies(this.questionOf({ action: need.action, resource: arn }))
    if (allowed && !isForeign && need.foundIn !== 'ciphertext') return notFound({ arn })
    // Nothing of that name can allow it, whatever the policies of the caller say.
    const why: Reason = allowed ? { verdict: 'no', by: 'resource policy' } : reason
    this.#record.decided({ action: need.action, ...!isForeign && { resource: arn }, reason: why })
    return this.#refusal(need, caller, isForeign ? undefined : arn, why)
  }

  /** `own`: the ARN, if the caller may know of the key because it is of the same account. */
  #refusal({ action, foundIn }: KeyNeed, caller: Caller, own: string | undefined, reason: Reason): KmsError {
    if (foundIn === 'ciphertext') return ciphertextDenied(caller, action)
    return own === undefined || foundIn === 'token' ? foreignDenied(caller, action) : accessDenied(caller, action, own, reason)
  }

  /** The key of a service is made when a caller who may do so first names it, but not by a DryRun: that must leave nothing behind. */
  async #aliasTarget({ accountId, name }: KeyRef & { readonly kind: 'alias' }, need: KeyNeed): Promise<string | undefined> {
    const { caller, region, dryRun } = this.#asked
    const { directory } = this.#services
    const scope = { region, accountId }
    const isOwn = accountId === caller.accountId
    const known = isReserved(name) && isOwn
      ? await managedKey(scope, name, this.#services)
      : (await directory.alias(accountId, region, name))?.targetKeyId
    if (known !== undefined || !isOwn) return known
    const arn = aliasArn(scope, name)
    const { allowed, reason } = decideByPolicies(this.questionOf({ action: need.action, resource: arn }))
    if (!allowed) {
      this.#record.decided({ action: need.action, resource: arn, reason })
      throw accessDenied(caller, need.action, arn, reason)
    }
    const made = dryRun ? undefined : await madeManagedKey(scope, name, this.#services)
    if (made !== undefined) return made
    throw new KmsError('NotFoundException', `Alias ${arn} is not found.`)
  }
}

function isAnybodys({ anyAccount, ref }: KeyNeed): boolean {
  return anyAccount === true && !ref.startsWith('arn:')
}
