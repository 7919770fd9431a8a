import { createHash } from 'node:crypto'
import type { Caller } from '../domain/caller.js'
import type { Material } from '../domain/material.js'
import type { Clock } from '../ports/clock.js'
import type { AccessKey } from '../ports/credentials.js'
import type { Hsm } from '../ports/hsm.js'
import type { Store } from '../ports/store.js'
import { sealRoot } from './roots.js'

/** Unsealed secrets kept in memory; beyond it the oldest goes. */
const cachedMax = 1_000
const accessKeyIdRandomBytes = 10
const secretRandomBytes = 30
const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export interface Credential { readonly caller: Caller, readonly secret: Uint8Array }

/** Access keys by id. The store holds their secrets only as sealed by `root/seal`. */
export class AccessKeys {
  readonly #store: Store
  readonly #hsm: Hsm
  readonly #cache = new Map<string, Credential>()
  readonly #roots = new Map<number, Material>()
  #generation: number

  constructor(store: Store, hsm: Hsm) {
    this.#store = store
    this.#hsm = hsm
    this.#generation = store.generation()
  }

  /** The credential behind an access key id, the same object for as long as nothing about it changed; undefined if unknown or inactive. */
  async lookup(accessKeyId: string): Promise<Credential | undefined> {
    const generation = this.#store.generation()
    if (generation !== this.#generation) this.#cache.clear()
    this.#generation = generation
    return this.#cache.get(accessKeyId) ?? this.#load(accessKeyId)
  }

  async #load(accessKeyId: string): Promise<Credential | undefined> {
    const generation = this.#generation
    const accessKey = await this.#store.credentials.get(accessKeyId)
    if (!accessKey?.active) return undefined
    const secret = await this.#hsm.open(await this.#root(accessKey.secret.rootVersion), accessKey.secret, secretContext(accessKey))
    const { principalArn: arn, accountId, administrator } = accessKey
    const credential = { caller: { arn, accountId, accessKeyId, administrator }, secret }
    // What was read before another process's write must not be remembered after it.
    if (generation !== this.#generation) return credential
    const [oldest] = this.#cache.keys()
    if (this.#cache.size >= cachedMax && oldest !== undefined) this.#cache.delete(oldest)
    this.#cache.set(accessKeyId, credential)
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

export interface NewAccessKey { readonly accessKey: AccessKey, readonly secret: string }

/** Makes an access key for a principal. Nothing is stored yet; the secret must be handed over before the access key is. */
export async function newAccessKey(
  hsm: Hsm, clock: Clock, rootVersion: number, principal: { arn: string, accountId: string, administrator: boolean },
): Promise<NewAccessKey> {
  const accessKeyId = `CVAK${base32(await hsm.random(accessKeyIdRandomBytes))}`
  const random = await hsm.random(secretRandomBytes)
  const secret = Buffer.from(random).toString('base64')
  const plaintext = Buffer.from(secret)
  const identity = { accessKeyId, principalArn: principal.arn, accountId: principal.accountId, administrator: principal.administrator }
  const sealed = await hsm.seal(await sealRoot(hsm, rootVersion), plaintext, secretContext(identity))
  random.fill(0)
  plaintext.fill(0)
  return { secret, accessKey: { ...identity, active: true, createdAt: clock.now(), secret: { rootVersion, ...sealed } } }
}

/** Binds a sealed secret to its access key and principal, so that it opens in no other row. */
function secretContext({ accessKeyId, principalArn }: Pick<AccessKey, 'accessKeyId' | 'principalArn'>): Uint8Array {
  return createHash('sha256').update(`access key secret\0${accessKeyId}\0${principalArn}`).digest()
}

/** 10 bytes as 16 characters. */
function base32(bytes: Uint8Array): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (let at = 0; at < bytes.length * 8 / 5; at++, value >>= 5n) text += base32Alphabet[Number(value & 31n)]
  return text
}
