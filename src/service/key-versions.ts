import type { Evidence, Key, KeyVersion, KeyView, Rotation } from '../domain/key.js'
import { usageRow } from '../domain/key-spec.js'
import { KmsError } from '../domain/errors.js'
import { backingKey, versionMaterial, type Material, type MaterialKind } from '../domain/material.js'
import { isReplica, isSynchronised } from '../domain/multi-region.js'
import { tombstone } from '../domain/deletion.js'
import { keyMaterialId } from '../domain/rotation.js'
import type { Clock } from '../ports/clock.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import { IntegrityError, type KeyName } from '../ports/keys.js'
import type { Log } from '../ports/log.js'
import type { Store } from '../ports/store.js'
import type { Change, Directory } from './directory.js'

/** How many version numbers a rotation passes over because the HSM holds objects of their names. */
const takenNumbersMax = 100

export interface KeyVersionsOptions {
  readonly keyStores: KeyStores
  readonly store: Store
  readonly directory: Directory
  readonly clock: Clock
  readonly log: Log
  /** Names this process in rows that it leaves half-made. */
  readonly owner: string
}

type NewVersionOf = Pick<Key, 'keyId' | 'region' | 'keyStore' | 'keySpec' | 'keyUsage'>

/** How one version is made. */
export interface Making {
  /** Stores the `creating` row. */
  readonly begin: () => Promise<KeyVersion>
  readonly create: (hsm: Hsm, material: Material) => Promise<readonly Evidence[]>
  /** What is written once the objects are there: of the key first, then of its relatives in other regions. */
  readonly finish: (ready: KeyVersion, view: KeyView, relatives: readonly KeyView[]) => readonly [Change, ...Change[]]
}

/** Makes and destroys the versions of KMS keys, rows and objects together. Nothing else does. */
export class KeyVersions {
  readonly #options: KeyVersionsOptions
  /** By key id: relatives of a multi-Region key in one key store share their objects. */
  readonly #running = new Map<string, Promise<unknown>>()

  constructor(options: KeyVersionsOptions) {
    this.#options = options
  }

  /** The row of a version that is about to be made. Throws HsmError kind `lost` while its key store is not there. */
  draft(key: NewVersionOf, version: number, rotation?: Rotation): KeyVersion {
    const { clock, owner } = this.#options
    return {
      keyId: key.keyId, region: key.region, version, state: 'creating', kind: this.kindFor(key), owner, evidence: [],
      keyMaterialId: keyMaterialId(key.keyId, version), createdAt: clock.now(), ...rotation && { rotation },
    }
  }

  /** What a new backing key of this key is. Throws UnsupportedOperationException if its key store has not the mechanisms for it. */
  kindFor({ keySpec, keyUsage, keyStore }: Pick<Key, 'keySpec' | 'keyUsage' | 'keyStore'>): MaterialKind {
    const hsm = this.#storeOf({ keyStore })
    const row = usageRow(keySpec, keyUsage)
    const kind = row && (row.material ?? hsm.suite)
    if (kind && hsm.kinds.has(kind)) return kind
    const needs = row ? `it needs ${row.mechanisms.join(', ')}` : 'PKCS#11 has no mechanism for it'
    throw new KmsError('UnsupportedOperationException', `KeySpec ${keySpec} with KeyUsage ${keyUsage} is not supported by the HSM of this `
      + `key store: ${needs}. claviger hsm probe shows what a token has.`)
  }

  /**
   * Makes a version and what comes with it: `creating` row, object, then everything that `finish` says in one write. When that fails,
   * object and row are taken back; what cannot be is left to the reconciler. Throws ConflictException while another one is being made.
   */
  build(key: Key, { begin, create, finish }: Making): Promise<KeyView> {
    if (this.isMaking(key)) return Promise.reject(conflict(key))
    return this.#claim(key, async () => {
      const hsm = this.#storeOf(key)
      const draft = await begin()
      try {
        const evidence = await create(hsm, versionMaterial(draft))
        const ready: KeyVersion = { ...draft, state: 'ready', evidence }
        return await this.#options.directory.changeAll(draft.region, draft.keyId, (view, relatives) => finish(ready, view, relatives))
      } catch (error) {
        if (isFull(error)) this.#options.log.warn('the key store is full', { keyStore: key.keyStore, keyId: key.keyId, error })
        await this.#takeBack(draft, madeNothing(error)).catch(undoError => {
          this.#options.log.error('a half-made key version is left to the reconciler', { keyId: draft.keyId, error: undoError })
        })
        throw error
      }
    })
  }

  /** Makes a version in the HSM that is then current, for every relative of the key too. `finish` says what becomes of the key itself. */
  make(key: Key, begin: () => Promise<KeyVersion>, finish: (key: Key) => Key): Promise<KeyView> {
    return this.build(key, {
      begin,
      create: (hsm, material) => hsm.createMaterial(material),
      finish: (ready, view, relatives) => [
        { key: { ...finish(view.key), currentVersion: ready.version }, versions: [ready] },
        ...relatives.filter(relative => isSynchronised(relative.key)).map(relative => ({
          key: { ...relative.key, currentVersion: ready.version }, versions: [{ ...ready, region: relative.key.region }],
        })),
      ],
    })
  }

  /**
   * Makes the next version current. `decide` sees the key as stored, several times: it throws to refuse, or answers what becomes of the
   * key (schedule, counters). Throws ConflictException while another rotation of the key is running.
   */
  async rotate(key: Key, type: Rotation['type'], decide: (key: Key) => Key): Promise<KeyView> {
    return this.make(key, async () => {
      const number = await this.#freeNumber(key, decide)
      let draft: KeyVersion | undefined
      await this.#options.directory.change(key.region, key.keyId, view => {
        const others = [...view.versions.values()]
        if (others.some(({ state, version }) => state === 'creating' || version >= number)) throw conflict(key)
        decide(view.key)
        draft = this.draft(view.key, number, { date: this.#options.clock.now(), type })
        return { key: view.key, versions: [draft] }
      })
      if (!draft) throw new Error('no version was drafted')
      return draft
    }, decide)
  }

  /** Whether this process is making a version of the key, or of a relative, right now: its half-made row is nobody else's business. */
  isMaking(key: KeyName): boolean {
    return this.#running.has(key.keyId)
  }

  /** What this process is making of a key right now. */
  making(key: KeyName): Promise<unknown> | undefined {
    return this.#running.get(key.keyId)
  }

  /** Does something while nothing is being made of the key or its relatives, and lets nothing begin meanwhile. */
  async whenIdle<T>(key: Pick<Key, 'keyId'>, work: () => Promise<T>): Promise<T> {
    for (let running = this.#running.get(key.keyId); running; running = this.#running.get(key.keyId)) await running.catch(() => {})
    return this.#claim(key, work)
  }

  /** Takes back a version that was never finished: object first, then row. What turns out to be finished is left alone. */
  undo(draft: KeyVersion): Promise<void> {
    return this.whenIdle(draft, () => this.#takeBack(draft, false))
  }

  /** Gives up a version that was never finished as far as this store knows, but leaves its object: the store may be wrong. */
  abandon(draft: KeyVersion): Promise<void> {
    return this.whenIdle(draft, () => this.#takeBack(draft, true))
  }

  /** Takes back a replica that was begun and never finished. It has no objects of its own. Within `whenIdle`. */
  async removeUnfinished({ region, keyId }: KeyName): Promise<void> {
    const { store, directory } = this.#options
    const view = await store.keys.get(region, keyId)
    if (view?.key.state !== 'Creating' || [...view.versions.values()].some(({ state }) => state !== 'destroyed')) return
    if (view.versions.size === 0) await store.keys.remove(region, keyId)
    // What it was before: it remembers how often its versions have sealed.
    else await directory.change(region, keyId, ({ key }) => ({ key: tombstone(key) }))
    directory.forgetKey(region, keyId)
  }

  /** Throws HsmError unless the key store of a key answers. */
  async reach(key: Key): Promise<void> {
    await this.#storeOf(key).probe()
  }

  /** Destroys the objects of every version, but none that a relative in the same key store still needs. The rows are the caller's. */
  destroyObjects(view: KeyView): Promise<void> {
    const going = [...view.versions.values()].filter(({ state }) => state !== 'destroyed')
    return this.whenIdle(view.key, async () => { for (const version of going) await this.#destroy(version, view) })
  }

  /** The same for one version. Its row must not say any more, or not yet, that it is there. */
  destroyObject(version: KeyVersion, view: KeyView): Promise<void> {
    return this.whenIdle(view.key, () => this.#destroy(version, view))
  }

  /**
   * Finishes taking imported material away that is marked `destroying`: objects gone, rows `absent`, for the same may come back. Answers
   * the key as it is then.
   */
  finishRemoval({ region, keyId }: KeyName): Promise<KeyView | undefined> {
    const { store, directory } = this.#options
    return this.whenIdle({ keyId }, async () => {
      const view = await store.keys.get(region, keyId)
      const going = [...view?.versions.values() ?? []].filter(({ state }) => state === 'destroying')
      if (!view || going.length === 0 || !isSynchronised(view.key)) return view
      for (const version of going) await this.#destroy(version, view)
      return directory.change(region, keyId, ({ key }) => ({ key, versions: going.map(withoutMaterial) }))
    })
  }

  /** What a relative has begun to make counts as needed: it may have found the object that is in question here. */
  async #destroy(version: KeyVersion, view: KeyView): Promise<void> {
    const needed = (await this.#options.directory.relatives(view)).some(({ key, versions }) => {
      const state = versions.get(version.version)?.state
      return key.keyStore === view.key.keyStore && isSynchronised(key) && (state === 'ready' || state === 'creating')
    })
    if (!needed) await this.#storeOf(view.key).destroyMaterial(versionMaterial(version))
  }

  async #takeBack(draft: KeyVersion, rowOnly: boolean): Promise<void> {
    const { store, directory } = this.#options
    // A commit whose answer was lost may have finished it after all, and then ciphertexts may depend on it.
    const stored = await store.keys.get(draft.region, draft.keyId)
    if (stored?.versions.get(draft.version)?.state !== 'creating') return
    const { key } = stored
    const imported = key.origin === 'EXTERNAL'
    // Numbers only grow, so what is being made is newer than what is current. Otherwise somebody has put an old row back.
    if (!imported && key.state !== 'Creating' && draft.version <= key.currentVersion) {
      throw new IntegrityError(`key ${draft.keyId}: version ${draft.version} cannot be half-made while ${key.currentVersion} is current`)
    }
    if (!rowOnly) await this.#destroy(draft, stored)
    if (imported && (draft.version <= key.currentVersion || isReplica(key))) {
      // The material belongs to the key for good, or to its primary: it is only not there, and may be imported again.
      await directory.change(draft.region, draft.keyId, ({ key: latest }) => ({ key: latest, versions: [withoutMaterial(draft)] }))
    } else if (key.state === 'Creating' && !imported && draft.version === 1) await store.keys.remove(draft.region, draft.keyId)
    else await store.keys.removeVersion(draft.region, draft.keyId, draft.version)
    directory.forgetKey(draft.region, draft.keyId)
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

  #claim<T>({ keyId }: Pick<Key, 'keyId'>, work: () => Promise<T>): Promise<T> {
    const running = work().finally(() => this.#running.delete(keyId))
    this.#running.set(keyId, running)
    return running
  }

  #storeOf({ keyStore }: Pick<Key, 'keyStore'>): Hsm {
    return this.#options.keyStores.get(keyStore)
  }
}

function withoutMaterial(version: KeyVersion): KeyVersion {
  return { ...version, state: 'absent', evidence: [] }
}

/** A name that was taken means that the HSM made no object: what bears the name is somebody else's. */
function madeNothing(error: unknown): boolean {
  return error instanceof HsmError && error.kind === 'exists'
}

function isFull(error: unknown): boolean {
  return error instanceof HsmError && error.kind === 'capacity'
}

/** What a version takes of a token's room. */
function objectsOf(kind: MaterialKind): number {
  return kind === 'cbc-hmac' ? 2 : 1
}

/** A rotation that finds no room must not have changed anything. */
async function refuseFull(hsm: Hsm): Promise<void> {
  const { used, max } = await hsm.capacity()
  if (max === undefined || used + objectsOf(hsm.suite) <= max) return
  throw new HsmError('capacity', `the token holds ${used} objects of at most ${max}`)
}

function conflict({ keyId }: KeyName): KmsError {
  return new KmsError('ConflictException', `A rotation of the key material of ${keyId} is already in progress`)
}
