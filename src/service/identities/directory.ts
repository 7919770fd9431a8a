import {
  arnOfEntity, type Account, type EntityKind, type EntityOf, type IdentityEntity, type Role, type User,
} from '../../domain/identity.js'
import { compilePolicyText, emptyPolicy, type CompiledPolicy } from '../../domain/policy/compile.js'
import type { PolicyDocument, PolicyKind } from '../../domain/policy/document.js'
import { builtInPolicy } from '../../domain/policy/managed-policies.js'
import { invalidPrincipal } from '../../domain/policy/parse.js'
import type { Bindings } from '../../domain/policy/principals.js'
import { parsePrincipal, policyRef, type PrincipalRef } from '../../domain/principal.js'
import { IntegrityError } from '../../ports/keys.js'
import type { Store } from '../../ports/store.js'
import { WeightedCache } from '../weighted-cache.js'
import { entityWeight, entryWeight, policiesWeight, policyWeight } from '../weights.js'

/** Accounts that are remembered. */
const accountsMax = 10_000
/** Of the other kinds each, in characters of documents and so on (weights.ts): some 10,000 usual users, or fewer heavy ones. */
const cachedWeightMax = 8 * 1024 * 1024

/** What a user or role may do, ready to be asked. */
export interface Principal {
  readonly entity: User | Role
  readonly policies: readonly CompiledPolicy[]
  readonly boundary?: CompiledPolicy
}

export function isUser(principal: Principal): principal is Principal & { readonly entity: User } {
  return principal.entity.kind === 'user'
}

export function isRole(principal: Principal): principal is Principal & { readonly entity: Role } {
  return principal.entity.kind === 'role'
}

/** Whether there is such a principal; `id` of the user or role behind it. */
export interface Existence { readonly exists: boolean, readonly id?: string }

interface Remembered<T> { readonly version: number, readonly value: T }

/** Of something that is remembered: whose it is, and a name that nothing else of its kind has. */
interface Place { readonly accountId: string, readonly name: string }

/**
 * Accounts, users, roles and their policies, read once and then remembered. Every write to them ends with `forget`; writes of other
 * processes show in `Store.generation`. Whoever keeps what was read here keeps `versionOf` its account with it: what one account changes
 * costs no other one what is remembered of it.
 */
export class IdentityDirectory {
  readonly #store: Store
  readonly #accounts = new WeightedCache<Remembered<Account | undefined>>(accountsMax)
  readonly #entities: WeightedCache<Remembered<IdentityEntity | undefined>>
  readonly #principals: WeightedCache<Remembered<Principal>>
  /** Managed and inline policies: those of a group are compiled once for all of its users. */
  readonly #documents: WeightedCache<Remembered<CompiledPolicy | undefined>>
  /** Of the accounts that were written to since `#version`. */
  readonly #versions = new Map<string, number>()
  #generation: number
  #writes = 0
  #version = 0
  #several: { readonly version: number, readonly answer: Promise<boolean> } | undefined

  constructor(store: Store, weightMax = cachedWeightMax) {
    this.#store = store
    this.#entities = new WeightedCache(weightMax)
    this.#principals = new WeightedCache(weightMax)
    this.#documents = new WeightedCache(weightMax)
    this.#generation = store.generation()
  }

  /** Another number whenever anything of the account that was read before may be another by now. */
  versionOf(accountId: string): number {
    const version = this.#whole()
    return this.#versions.get(accountId) ?? version
  }

  /** To be called after every write to identities or access keys of an account; without it, to accounts or to those of several. */
  forget(accountId?: string): void {
    const version = ++this.#writes
    // Of the accounts that there are: nobody else writes to one.
    if (accountId !== undefined) return void this.#versions.set(accountId, version)
    this.#version = version
    for (const cache of [this.#versions, this.#accounts, this.#entities, this.#principals, this.#documents]) cache.clear()
  }

  async account(accountId: string): Promise<Account | undefined> {
    return this.#remember(this.#accounts, { accountId, name: accountId }, () => 1, () => this.#store.identities.account(accountId))
  }

  /** Whether there are tenants to be kept apart. Where that cannot be read, there are. */
  hasSeveralAccounts(): Promise<boolean> {
    const version = this.#whole()
    if (this.#several?.version !== version) {
      const answer = this.#store.identities.accounts(undefined, 2).then(accounts => accounts.length > 1, () => {
        this.#several = undefined
        return true
      })
      this.#several = { version, answer }
    }
    return this.#several.answer
  }

  /** By the name as it was given: one in other letters is another. */
  async entity<K extends EntityKind>(accountId: string, kind: K, name: string): Promise<EntityOf<K> | undefined> {
    const place = `${accountId}/${kind}/${name}`
    const found = await this.#remember(this.#entities, { accountId, name: place }, entityWeight,
      () => this.#store.identities.get(accountId, kind, name))
    return found?.name === name ? found as EntityOf<K> : undefined
  }

  /** The user or role that has exactly this ARN. */
  async principal(arn: string): Promise<Principal | undefined> {
    const ref = parsePrincipal(arn)
    if (ref?.kind !== 'user' && ref?.kind !== 'role') return undefined
    const entity = await this.entity(ref.accountId, ref.kind, ref.name)
    return entity && arnOfEntity(entity) === arn ? this.principalOf(entity) : undefined
  }

  /** Throws IntegrityError if one of its policies was changed behind the service's back. */
  async principalOf(entity: User | Role): Promise<Principal> {
    const name = `${entity.id}/${entity.revision}`
    return this.#remember(this.#principals, { accountId: entity.accountId, name }, principalWeight, () => this.asIfStored(entity))
  }

  /** What the user or role could do if this were stored of it. */
  async asIfStored(entity: User | Role): Promise<Principal> {
    const boundary = entity.boundary === undefined ? undefined : await this.#boundary(entity.boundary)
    return { entity, policies: await this.#policiesOf(entity), ...boundary && { boundary } }
  }

  /** Compiled; undefined if there is no such policy. Whose policies an account may attach is decided where they are attached. */
  async managedPolicy(arn: string, kind: PolicyKind): Promise<CompiledPolicy | undefined> {
    const { accountId = '' } = policyRef(arn) ?? {}
    return this.#remember(this.#documents, { accountId, name: `${kind} ${arn}` }, documentWeight, async () => {
      const text = await this.document(arn)
      return text === undefined ? undefined : compilePolicyText(text, { name: arn, kind })
    })
  }

  async document(arn: string): Promise<string | undefined> {
    const builtIn = builtInPolicy(arn)
    if (builtIn) return builtIn.document
    const ref = policyRef(arn)
    const policy = ref && await this.entity(ref.accountId, 'policy', ref.name)
    return policy && arnOfEntity(policy) === arn ? policy.document : undefined
  }

  /** The unique ids of the users and roles that a policy names. Throws MalformedPolicyDocumentException for one that does not exist. */
  async bind({ statements }: PolicyDocument): Promise<Bindings> {
    const bindings: Record<string, string> = {}
    for (const { principals, ...statement } of statements) {
      for (const { type, name } of principals?.names ?? []) {
        if (type !== 'AWS' || name === '*') continue
        const bound = await this.uniqueId(name)
        if (!bound.exists) throw invalidPrincipal(statement, name)
        if (bound.id !== undefined) bindings[name] = bound.id
      }
    }
    return bindings
  }

  /** Whether there is such a principal, and the unique id of the user or role behind it; an account has none. */
  async uniqueId(arn: string): Promise<Existence> {
    const ref = parsePrincipal(arn)
    switch (ref?.kind) {
      case 'account': return { exists: await this.account(ref.accountId) !== undefined }
      case 'user': case 'role': return this.#idOf(ref, arn)
      case 'session': {
        const role = await this.entity(ref.accountId, 'role', ref.role)
        return role ? { exists: true, id: role.id } : { exists: false }
      }
      // No federated users are ever made here.
      case 'federated': case undefined: return { exists: false }
    }
  }

  async #idOf(ref: PrincipalRef & { readonly kind: 'user' | 'role' }, arn: string): Promise<Existence> {
    const entity = await this.entity(ref.accountId, ref.kind, ref.name)
    return entity && arnOfEntity(entity) === arn ? { exists: true, id: entity.id } : { exists: false }
  }

  /** A boundary that is gone lets nothing through. */
  async #boundary(arn: string): Promise<CompiledPolicy> {
    return await this.managedPolicy(arn, 'limit') ?? emptyPolicy(arn)
  }

  async #policiesOf(entity: User | Role): Promise<readonly CompiledPolicy[]> {
    const groups = entity.kind === 'user'
      ? await Promise.all(entity.groups.map(async name => await this.entity(entity.accountId, 'group', name) ?? missing('group', name)))
      : []
    const policies: CompiledPolicy[] = []
    for (const owner of [entity, ...groups]) {
      const of = owner === entity ? '' : ` of ${arnOfEntity(owner)}`
      for (const [name, text] of Object.entries(owner.inlinePolicies)) {
        policies.push(await this.#inlinePolicy(owner, `inline policy ${name}${of}`, text))
      }
      for (const arn of owner.attachedPolicies) {
        policies.push(await this.managedPolicy(arn, 'identity') ?? missing('policy', arn))
      }
    }
    return policies
  }

  /** An entity that is not stored (`asIfStored`) may have another text under the same name. */
  async #inlinePolicy({ accountId, id }: IdentityEntity, name: string, text: string): Promise<CompiledPolicy> {
    const compile = () => compilePolicyText(text, { name, kind: 'identity' })
    const place = { accountId, name: `${id} ${name}` }
    const known = await this.#remember(this.#documents, place, documentWeight, () => Promise.resolve(compile()))
    return known?.text === text ? known : compile()
  }

  #whole(): number {
    const generation = this.#store.generation()
    if (generation !== this.#generation) this.forget()
    this.#generation = generation
    return this.#version
  }

  async #remember<T>(
    cache: WeightedCache<Remembered<T>>, { accountId, name }: Place, weightOf: (value: T) => number, read: () => Promise<T>,
  ): Promise<T> {
    const version = this.versionOf(accountId)
    const known = cache.get(name)
    if (known?.version === version) return known.value
    const value = await read()
    // What was read before a write must not be remembered after it.
    if (version === this.versionOf(accountId)) cache.set(name, { version, value }, weightOf(value))
    return value
  }
}

/** Neither goes while somebody has it. It may deny something, so whoever has it may do nothing until it is back. */
function missing(kind: 'group' | 'policy', name: string): never {
  throw new IntegrityError(`the ${kind} ${name} that a user, group or role has is not there`)
}

function documentWeight(policy: CompiledPolicy | undefined): number {
  return policy ? policyWeight(policy) : entryWeight
}

function principalWeight({ entity, policies, boundary }: Principal): number {
  return entityWeight(entity) + policiesWeight([...policies, ...boundary ? [boundary] : []])
}
