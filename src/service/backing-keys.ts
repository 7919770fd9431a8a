import { additionalData, encodeCiphertextBlob, type CiphertextBlob } from '../domain/ciphertext-blob.js'
import { invalidCiphertext, KmsError } from '../domain/errors.js'
import { checkState, type UsableKey } from '../domain/key-state.js'
import type { Key, KeyVersion, KeyView, Rotation } from '../domain/key.js'
import { backingKey, type Material, type Suite } from '../domain/material.js'
import { keyMaterialId } from '../domain/rotation.js'
import type { Clock } from '../ports/clock.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import { IntegrityError, type KeyName } from '../ports/keys.js'
import type { Log } from '../ports/log.js'
import type { Store } from '../ports/store.js'
import type { Directory } from './directory.js'
import { InvocationBudget } from './invocation-budget.js'

type Context = Readonly<Record<string, string>>

/** How often one seal may find its version spent and go on with a newer one. */
const spentVersionsMax = 3
/** How many version numbers a rotation passes over because the HSM holds objects of their names. */
const takenNumbersMax = 100
/** What a version takes of a token's room. */
const objectsOf: Readonly<Record<Suite, number>> = { 'gcm': 1, 'cbc-hmac': 2 }

export interface BackingKeysOptions {
  readonly keyStores: KeyStores
  readonly store: Store
  readonly directory: Directory
  readonly clock: Clock
  readonly log: Log
  /** Names this process in rows that it leaves half-made. */
  readonly owner: string
  readonly sealsPerVersionMax: number
  /** Told after a version was replaced because its budget ran out; must not throw. */
  readonly onSpentRotation: (view: KeyView) => Promise<void>
}

/** Seals and opens with the versions of KMS keys, and makes and destroys those versions. Nothing else touches backing keys. */
export class BackingKeys {
  readonly #options: BackingKeysOptions
  readonly #budget: InvocationBudget
  readonly #materials = new WeakMap<KeyVersion, Material>()
  readonly #making = new Map<string, Promise<KeyView>>()

  constructor(options: BackingKeysOptions) {
    this.#options = options
    this.#budget = new InvocationBudget(options.store.keys, options.sealsPerVersionMax)
  }

  /** Encrypts under the current version, or a newer one if its budget is spent. */
  async seal(key: UsableKey, plaintext: Uint8Array, context: Context): Promise<{ blob: Uint8Array, version: KeyVersion }> {
    const version = await this.#sealingVersion(key)
    const hsm = this.#storeOf(key.key)
    try {
      const sealed = await hsm.seal(this.#material(version), plaintext, additionalData(version, context))
      return { blob: encodeCiphertextBlob(version, sealed), version }
    } catch (error) {
      throw await faultOf(hsm, error)
    }
  }

  /** Throws InvalidCiphertextException for every defect alike. The blob must name this key. */
  async open(key: UsableKey, blob: CiphertextBlob, context: Context): Promise<{ plaintext: Uint8Array, version: KeyVersion }> {
    const version = key.versions.get(blob.version)
    if (version?.state !== 'ready' || version.suite !== blob.suite) throw invalidCiphertext()
    const hsm = this.#storeOf(key.key)
    try {
      return { plaintext: await hsm.open(this.#material(version), blob, additionalData(version, context)), version }
    } catch (error) {
      if (error instanceof HsmError && error.kind === 'ciphertext-invalid') throw invalidCiphertext()
      throw await faultOf(hsm, error)
    }
  }

  /** The row of a version that is about to be made. Throws HsmError kind `lost` while its key store is not there. */
  draft(key: Pick<Key, 'keyId' | 'region' | 'keyStore'>, version: number, rotation?: Rotation): KeyVersion {
    const { clock, owner } = this.#options
    return {
      keyId: key.keyId, region: key.region, version, state: 'creating', suite: this.#storeOf(key).suite, owner, evidence: [],
      keyMaterialId: keyMaterialId(key.keyId, version), createdAt: clock.now(), ...rotation && { rotation },
    }
  }

  /**
   * Makes a version: `begin` stores its `creating` row, then the object is made, then both are marked ready in one write with what
   * `finish` says of the key. When that fails, object and row are taken back; what cannot be is left to the reconciler.
   */
  make(key: Key, begin: () => Promise<KeyVersion>, finish: (key: Key) => Key): Promise<KeyView> {
    return this.#exclusively(key, async () => {
      const hsm = this.#storeOf(key)
      const draft = await begin()
      try {
        const evidence = await hsm.createMaterial(this.#material(draft))
        return await this.#options.directory.change(draft.region, draft.keyId, view => ({
          key: { ...finish(view.key), currentVersion: draft.version },
          versions: [{ ...draft, state: 'ready', evidence }],
        }))
      } catch (error) {
        if (isFull(error)) this.#options.log.warn('the key store is full', { keyStore: key.keyStore, keyId: key.keyId, error })
        await this.#takeBack(draft, madeNothing(error)).catch(undoError => {
          this.#options.log.error('a half-made key version is left to the reconciler', { keyId: draft.keyId, error: undoError })
        })
        throw error
      }
    })
  }

  /**
   * Makes the next version current. `decide` sees the key as stored, several times: it throws to refuse, or answers what becomes of the
   * key (schedule, counters). Throws ConflictException while another rotation of the key is running.
   */
  async rotate(key: Key, type: Rotation['type'], decide: (key: Key) => Key): Promise<KeyView> {
    let replaced: KeyVersion | undefined
    const after = await this.make(key, async () => {
      const number = await this.#freeNumber(key, decide)
      let draft: KeyVersion | undefined
      await this.#options.directory.change(key.region, key.keyId, view => {
        const others = [...view.versions.values()]
        if (others.some(({ state, version }) => state === 'creating' || version >= number)) throw conflict(key)
        decide(view.key)
        replaced = view.versions.get(view.key.currentVersion)
        draft = this.draft(view.key, number, { date: this.#options.clock.now(), type })
        return { key: view.key, versions: [draft] }
      })
      if (!draft) throw new Error('no version was drafted')
      return draft
    }, decide)
    if (replaced) this.#budget.drop(replaced)
    return after
  }

  /** Whether this process is making a version of the key right now: then its half-made row is nobody else's business. */
  isMaking(key: KeyName): boolean {
    return this.#making.has(nameOf(key))
  }

  /** Takes back a version that was never finished: object first, then row. What turns out to be finished is left alone. */
  undo(draft: KeyVersion): Promise<void> {
    return this.#takeBack(draft, false)
  }

  /** Gives up a version that was never finished as far as this store knows, but leaves its object: the store may be wrong. */
  abandon(draft: KeyVersion): Promise<void> {
    return this.#takeBack(draft, true)
  }

  /** Lets no more seals be made under the current version of a key, so that the next one rotates it first. */
  async spend({ key }: KeyView): Promise<void> {
    const { store, sealsPerVersionMax } = this.#options
    await store.keys.reserveSeals(key.region, key.keyId, key.currentVersion, sealsPerVersionMax, sealsPerVersionMax)
  }

  async #takeBack(draft: KeyVersion, rowOnly: boolean): Promise<void> {
    const { store, directory } = this.#options
    // A commit whose answer was lost may have finished it after all, and then ciphertexts may depend on it.
    const stored = await store.keys.get(draft.region, draft.keyId)
    if (stored?.versions.get(draft.version)?.state !== 'creating') return
    // Numbers only grow, so what is being made is newer than what is current. Otherwise somebody has put an old row back.
    if (stored.key.state !== 'Creating' && draft.version <= stored.key.currentVersion) {
      const current = stored.key.currentVersion
      throw new IntegrityError(`key ${draft.keyId}: version ${draft.version} cannot be half-made while ${current} is current`)
    }
    if (!rowOnly) await this.#storeOf(stored.key).destroyMaterial(this.#material(draft))
    if (draft.version === 1) await store.keys.remove(draft.region, draft.keyId)
    else await store.keys.removeVersion(draft.region, draft.keyId, draft.version)
    directory.forgetKey(draft.region, draft.keyId)
  }

  /** Throws HsmError unless the key store of a key answers. */
  async reach(key: Key): Promise<void> {
    await this.#storeOf(key).probe()
  }

  /** Destroys the objects of every version. The rows are the caller's. */
  async destroyObjects(view: KeyView): Promise<void> {
    const hsm = this.#storeOf(view.key)
    for (const version of view.versions.values()) {
      if (version.state !== 'destroyed') await hsm.destroyMaterial(this.#material(version))
    }
  }

  /** Fresh bytes of the HSM that a key lives in. */
  random({ key }: KeyView, length: number): Promise<Uint8Array> {
    return this.#storeOf(key).random(length)
  }

  /**
   * The next version number that names nothing in the HSM. After an older database was restored, the token holds versions that no row
   * knows; they may be the only copy of what a ciphertext needs, so their names are passed over before a row says that we made them.
   */
  async #freeNumber({ region, keyId, keyStore }: Key, decide: (key: Key) => Key): Promise<number> {
    const { store } = this.#options
    const hsm = this.#storeOf({ keyStore })
    const view = await store.keys.get(region, keyId)
    if (!view) throw new Error(`key ${keyId} is not in the store`)
    decide(view.key)
    await refuseFull(hsm)
    const next = Math.max(...view.versions.keys()) + 1
    for (let number = next; number < next + takenNumbersMax; number++) {
      if (!await hsm.find(backingKey(keyId, number, hsm.suite))) return number
    }
    throw new Error(`the HSM holds at least ${takenNumbersMax} versions of key ${keyId} that no row knows`)
  }

  async #sealingVersion(key: UsableKey): Promise<KeyVersion> {
    let view: KeyView = key
    for (let attempt = 0; attempt < spentVersionsMax; attempt++) {
      const version = currentVersion(view)
      const budget = await this.#budget.take(version)
      if (budget === 'nearly-spent') this.#replaceInBackground(view.key, version)
      if (budget !== 'spent') return version
      view = await this.#replaceSpent(view.key, version)
    }
    throw new KmsError('KeyUnavailableException', 'The key material has reached its limit of encryptions and could not be rotated in time')
  }

  /** Rotates away from a spent version; calls that need it at the same time wait for the same rotation. */
  async #replaceSpent(key: Key, spent: KeyVersion): Promise<KeyView> {
    const name = nameOf(key)
    // A rotation that is under way may be refused for reasons of its own: what is stored after it counts, not how it ended.
    await this.#making.get(name)?.catch(() => {})
    const latest = await this.#options.directory.key(key.region, key.keyId)
    if (latest && latest.key.currentVersion > spent.version) return latest
    try {
      return await (this.#making.get(name) ?? this.#rotateSpent(key))
    } catch (error) {
      const message = 'The key material has reached its limit of encryptions and could not be rotated'
      throw new KmsError('KeyUnavailableException', message, { cause: error })
    }
  }

  async #rotateSpent(key: Key): Promise<KeyView> {
    const view = await this.rotate(key, 'AUTOMATIC', stored => checkState({ key: stored, versions: new Map() }, 'rotate').key)
    await this.#options.onSpentRotation(view)
    return view
  }

  #replaceInBackground(key: Key, version: KeyVersion): void {
    if (this.isMaking(key)) return
    this.#replaceSpent(key, version).catch(error => {
      this.#options.log.warn('could not rotate a nearly spent key version', { keyId: key.keyId, version: version.version, error })
    })
  }

  #exclusively(key: KeyName, make: () => Promise<KeyView>): Promise<KeyView> {
    if (this.isMaking(key)) return Promise.reject(conflict(key))
    const name = nameOf(key)
    const making = make().finally(() => this.#making.delete(name))
    this.#making.set(name, making)
    return making
  }

  #storeOf({ keyStore }: Pick<Key, 'keyStore'>): Hsm {
    return this.#options.keyStores.get(keyStore)
  }

  #material(version: KeyVersion): Material {
    let material = this.#materials.get(version)
    if (!material) this.#materials.set(version, material = backingKey(version.keyId, version.version, version.suite))
    return material
  }
}

/** The version that seals now. */
export function currentVersion({ key, versions }: KeyView): KeyVersion {
  const version = versions.get(key.currentVersion)
  if (version?.state !== 'ready') throw new Error(`key ${key.keyId} has no current version`)
  return version
}

/** A name that was taken means that the HSM made no object: what bears the name is somebody else's. */
function madeNothing(error: unknown): boolean {
  return error instanceof HsmError && error.kind === 'exists'
}

function isFull(error: unknown): boolean {
  return error instanceof HsmError && error.kind === 'capacity'
}

/** A rotation that finds no room must not have changed anything. */
async function refuseFull(hsm: Hsm): Promise<void> {
  const { used, max } = await hsm.capacity()
  if (max === undefined || used + objectsOf[hsm.suite] <= max) return
  throw new HsmError('capacity', `the token holds ${used} objects of at most ${max}`)
}

/** A device that is gone may seem to have lost its objects: what is at fault is asked of the device, and not believed at once. */
async function faultOf(hsm: Hsm, error: unknown): Promise<unknown> {
  if (!(error instanceof HsmError) || (error.kind !== 'missing' && error.kind !== 'evidence')) return error
  return hsm.probe().then(() => error, (lost: unknown) => lost)
}

function nameOf({ region, keyId }: KeyName): string {
  return `${region}/${keyId}`
}

function conflict({ keyId }: KeyName): KmsError {
  return new KmsError('ConflictException', `A rotation of the key material of ${keyId} is already in progress`)
}
