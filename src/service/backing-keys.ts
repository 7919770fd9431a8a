import { additionalData, encodeCiphertextBlob, type CiphertextBlob, type CiphertextHeader } from '../domain/ciphertext-blob.js'
import { invalidCiphertext, KmsError } from '../domain/errors.js'
import { checkState, type UsableKey } from '../domain/key-state.js'
import type { Key, KeyVersion, KeyView } from '../domain/key.js'
import { isSuite, versionMaterial, type Material } from '../domain/material.js'
import { isReplica } from '../domain/multi-region.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { KeyStores } from '../ports/key-stores.js'
import type { Log } from '../ports/log.js'
import type { Store } from '../ports/store.js'
import type { Directory } from './directory.js'
import { InvocationBudget } from './invocation-budget.js'
import type { KeyVersions } from './key-versions.js'

type Context = Readonly<Record<string, string>>

/** How often one seal may find its version spent and go on with a newer one. */
const spentVersionsMax = 3

export interface BackingKeysOptions {
  readonly keyStores: KeyStores
  readonly store: Store
  readonly directory: Directory
  readonly versions: KeyVersions
  readonly log: Log
  readonly sealsPerVersionMax: number
  /** Told after a version was replaced because its budget ran out; must not throw. */
  readonly onSpentRotation: (view: KeyView) => Promise<void>
}

/** What a version is to HSM and ciphertext; worked out once. */
interface Prepared { readonly material: Material, readonly header: CiphertextHeader | undefined }

/** Puts the versions of KMS keys to use. Nothing else uses backing keys. */
export class BackingKeys {
  readonly #options: BackingKeysOptions
  readonly #budget: InvocationBudget
  readonly #prepared = new WeakMap<KeyVersion, Prepared>()

  constructor(options: BackingKeysOptions) {
    this.#options = options
    this.#budget = new InvocationBudget(options.store.keys, options.sealsPerVersionMax)
  }

  /** Encrypts under the current version, or a newer one if its budget is spent. */
  async seal(key: UsableKey, plaintext: Uint8Array, context: Context): Promise<{ blob: Uint8Array, version: KeyVersion }> {
    const version = await this.#sealingVersion(key)
    const { material, header } = this.#preparedOf(version)
    if (!header) throw new Error(`key ${key.key.keyId} seals nothing`)
    const hsm = this.#storeOf(key.key)
    try {
      const sealed = await hsm.seal(material, plaintext, additionalData(header, context))
      return { blob: encodeCiphertextBlob(header, sealed), version }
    } catch (error) {
      throw await faultOf(hsm, error)
    }
  }

  /** Throws InvalidCiphertextException for every defect alike. The blob must name this key. */
  async open(key: UsableKey, blob: CiphertextBlob, context: Context): Promise<{ plaintext: Uint8Array, version: KeyVersion }> {
    const version = key.versions.get(blob.version)
    if (version?.state !== 'ready' || version.kind !== blob.suite) throw invalidCiphertext()
    const hsm = this.#storeOf(key.key)
    try {
      return { plaintext: await hsm.open(this.#preparedOf(version).material, blob, additionalData(blob, context)), version }
    } catch (error) {
      if (error instanceof HsmError && error.kind === 'ciphertext-invalid') throw invalidCiphertext()
      throw await faultOf(hsm, error)
    }
  }

  /** Lets the HSM do something with the current version of a key: every use but sealing and opening. */
  async use<T>(key: UsableKey, work: (hsm: Hsm, material: Material) => Promise<T>): Promise<{ result: T, version: KeyVersion }> {
    const version = currentVersion(key)
    const hsm = this.#storeOf(key.key)
    try {
      return { result: await work(hsm, this.#preparedOf(version).material), version }
    } catch (error) {
      throw await faultOf(hsm, error)
    }
  }

  /** Fresh bytes of the HSM that a key lives in. */
  random({ key }: KeyView, length: number): Promise<Uint8Array> {
    return this.#storeOf(key).random(length)
  }

  /** Lets no more seals be made under the current version of a key, so that the next one rotates it first. */
  async spend({ key }: KeyView): Promise<void> {
    const { store, sealsPerVersionMax } = this.#options
    if (key.currentVersion === 0) return
    await store.keys.reserveSeals(key.region, key.keyId, key.currentVersion, sealsPerVersionMax, sealsPerVersionMax)
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
    // A rotation that is under way may be refused for reasons of its own: what is stored after it counts, not how it ended.
    await this.#options.versions.making(key)?.catch(() => {})
    const latest = await this.#options.directory.key(key.region, key.keyId)
    if (latest && latest.key.currentVersion > spent.version) return latest
    try {
      await (this.#options.versions.making(key) ?? this.#rotateSpent(key))
    } catch (error) {
      if (key.origin === 'EXTERNAL') throw newMaterialNeeded(key, error)
      const message = 'The key material has reached its limit of encryptions and could not be rotated'
      throw new KmsError('KeyUnavailableException', message, { cause: error })
    }
    return await this.#options.directory.key(key.region, key.keyId) ?? { key, versions: new Map() }
  }

  /** A replica is rotated with its primary. */
  async #rotateSpent(key: Key): Promise<void> {
    const { directory, versions, onSpentRotation } = this.#options
    const primary = isReplica(key) ? (await directory.key(key.multiRegion?.primaryRegion ?? key.region, key.keyId))?.key : key
    // What comes from outside cannot be replaced from within.
    if (!primary || primary.origin === 'EXTERNAL') throw new Error(`key ${key.keyId} cannot be rotated by the service`)
    const view = await versions.rotate(primary, 'AUTOMATIC', stored => checkState({ key: stored, versions: new Map() }, 'rotate').key)
    await onSpentRotation(view)
  }

  #replaceInBackground(key: Key, version: KeyVersion): void {
    if (this.#options.versions.isMaking(key)) return
    this.#replaceSpent(key, version).catch(error => {
      this.#options.log.warn('could not rotate a nearly spent key version', { keyId: key.keyId, version: version.version, error })
    })
  }

  #storeOf({ keyStore }: Pick<Key, 'keyStore'>): Hsm {
    return this.#options.keyStores.get(keyStore)
  }

  #preparedOf(version: KeyVersion): Prepared {
    const known = this.#prepared.get(version)
    if (known) return known
    const { keyId, version: number, kind } = version
    const header = isSuite(kind) ? { suite: kind, keyId, version: number } : undefined
    const prepared = { material: versionMaterial(version), header }
    this.#prepared.set(version, prepared)
    return prepared
  }
}

/** The version that seals now. */
export function currentVersion({ key, versions }: KeyView): KeyVersion {
  const version = versions.get(key.currentVersion)
  if (version?.state !== 'ready') throw new Error(`key ${key.keyId} has no current version`)
  return version
}

/** Not to be tried again: nobody but its owner can bring what is missing. */
function newMaterialNeeded({ arn }: Key, cause: unknown): KmsError {
  return new KmsError('KMSInvalidStateException', `${arn} may not encrypt any more with its imported key material: import new key material `
    + '(ImportType NEW_KEY_MATERIAL) and rotate on demand. Decryption goes on.', { cause })
}

/** A device that is gone may seem to have lost its objects: what is at fault is asked of the device, and not believed at once. */
async function faultOf(hsm: Hsm, error: unknown): Promise<unknown> {
  if (!(error instanceof HsmError) || (error.kind !== 'missing' && error.kind !== 'evidence')) return error
  return hsm.probe().then(() => error, (lost: unknown) => lost)
}
