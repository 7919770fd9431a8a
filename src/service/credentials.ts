import { createHash } from 'node:crypto'
import { base32 } from '../domain/base32.js'
import type { Caller } from '../domain/caller.js'
import { arnOfEntity, idPrefixes, type EntityKind, type User } from '../domain/identity.js'
import type { Material } from '../domain/material.js'
import type { Clock } from '../ports/clock.js'
import type { AccessKey } from '../ports/credentials.js'
import type { Hsm } from '../ports/hsm.js'
import type { Store } from '../ports/store.js'
import { callerOfUser } from './identities/callers.js'
import { isUser, type IdentityDirectory, type Principal } from './identities/directory.js'
import { sealRoot } from './roots.js'
import { WeightedCache } from './weighted-cache.js'
import { callerWeight } from './weights.js'

/** Of unsealed secrets that are kept, with the policies of their users (weights.ts): some 10,000 usual ones. */
const cachedWeightMax = 8 * 1024 * 1024
const idRandomBytes = 10
const secretRandomBytes = 30
/** Nobody shall take one of ours for one of AWS's. */
const accessKeyPrefix = 'CVAK'
const accessKeyForm = /^CVAK[A-Z2-7]{16}$/

export interface Credential { readonly caller: Caller, readonly secret: Uint8Array }

/** `version`: of what its account had when it was read. */
interface Known { readonly version: number, readonly credential: Credential }

/** Whether it has the form of an access key that is stored here, and not of a session. */
export function isAccessKeyId(text: string): boolean {
  return accessKeyForm.test(text)
}

/** Access keys by id. The store holds their secrets only as sealed by `root/seal`. */
export class AccessKeys {
  readonly #store: Store
  readonly #hsm: Hsm
  readonly #identities: IdentityDirectory
  readonly #cache = new WeightedCache<Known>(cachedWeightMax)
  readonly #roots = new Map<number, Material>()

  constructor(store: Store, hsm: Hsm, identities: IdentityDirectory) {
    this.#store = store
    this.#hsm = hsm
    this.#identities = identities
  }

  /** Whether `lookup` would answer from memory. */
  knows(accessKeyId: string): boolean {
    return this.#cache.has(accessKeyId)
  }

  /**
   * The credential behind an access key id, the same object for as long as nothing about it or its user changed; undefined if unknown or
   * inactive, or if its user is gone.
   */
  async lookup(accessKeyId: string): Promise<Credential | undefined> {
    const known = this.#cache.get(accessKeyId)
    const isFresh = known?.version === this.#identities.versionOf(known?.credential.caller.accountId ?? '')
    return known && isFresh ? known.credential : this.#load(accessKeyId)
  }

  async #load(accessKeyId: string): Promise<Credential | undefined> {
    const found = isAccessKeyId(accessKeyId) ? await this.#store.credentials.get(accessKeyId) : undefined
    if (!found) return undefined
    const version = this.#identities.versionOf(found.accountId)
    // Read again, because a write may have come before the version was known.
    const accessKey = await this.#store.credentials.get(accessKeyId)
    if (!accessKey?.active) return undefined
    const principal = await this.#identities.principal(accessKey.principalArn)
    // A user of the same name that was made later is another.
    if (!isOf(principal, accessKey)) return undefined
    const secret = await this.#hsm.open(await this.#root(accessKey.secret.rootVersion), accessKey.secret, secretContext(accessKey))
    const credential = { caller: callerOfUser(principal, accessKeyId), secret }
    // What was read before another write must not be remembered after it.
    if (version !== this.#identities.versionOf(found.accountId)) return credential
    this.#cache.set(accessKeyId, { version, credential }, callerWeight(credential.caller))
    return credential
  }

  /** Versions never change, so each is looked for once. */
  async #root(version: number): Promise<Material> {
    const known = this.#roots.get(version)
    if (known) return known
    const root = await sealRoot(this.#hsm, version)
    this.#roots.set(version, root)
    return root
  }
}

function isOf(principal: Principal | undefined, { principalId }: AccessKey): principal is Principal & { readonly entity: User } {
  return principal !== undefined && isUser(principal) && principal.entity.id === principalId
}

export interface NewAccessKey { readonly accessKey: AccessKey, readonly secret: string }

/** Makes an access key for a user. Nothing is stored yet; the secret must be handed over before the access key is. */
export async function newAccessKey(hsm: Hsm, clock: Clock, rootVersion: number, user: User): Promise<NewAccessKey> {
  const accessKeyId = accessKeyPrefix + await randomId(hsm)
  const random = await hsm.random(secretRandomBytes)
  const secret = Buffer.from(random).toString('base64')
  const plaintext = Buffer.from(secret)
  const identity = { accessKeyId, principalArn: arnOfEntity(user), principalId: user.id, accountId: user.accountId }
  const sealed = await hsm.seal(await sealRoot(hsm, rootVersion), plaintext, secretContext(identity))
  random.fill(0)
  plaintext.fill(0)
  return { secret, accessKey: { ...identity, active: true, createdAt: clock.now(), secret: { rootVersion, ...sealed } } }
}

/** A unique id for a new user, group, role or policy. */
export async function newEntityId(hsm: Pick<Hsm, 'random'>, kind: EntityKind): Promise<string> {
  return idPrefixes[kind] + await randomId(hsm)
}

/** 80 random bits as 16 characters. */
export async function randomId(hsm: Pick<Hsm, 'random'>): Promise<string> {
  return base32(await hsm.random(idRandomBytes)).toUpperCase()
}

/** Binds a sealed secret to its access key and principal, so that it opens in no other row. */
function secretContext({ accessKeyId, principalArn }: Pick<AccessKey, 'accessKeyId' | 'principalArn'>): Uint8Array {
  return createHash('sha256').update(`access key secret\0${accessKeyId}\0${principalArn}`).digest()
}
