import type { importKeyMaterial } from '../../api/imports.js'
import type { Input } from '../../api/shape.js'
import { KmsError } from '../../domain/errors.js'
import { importedMaterialId, isPermanent, pendingVersion, stateWithMaterial } from '../../domain/imported-material.js'
import { checkState } from '../../domain/key-state.js'
import type { Evidence, Import, Key, KeyVersion, KeyView } from '../../domain/key.js'
import { backingKey, wrappingKey, type Material, type MaterialKind } from '../../domain/material.js'
import { isReplica, isSynchronised } from '../../domain/multi-region.js'
import { HsmError, type Hsm, type InspectedImport, type WrappedMaterial } from '../../ports/hsm.js'
import type { Change } from '../directory.js'
import { refuseReplica } from '../key-fit.js'
import { expireMaterial } from './removal.js'
import type { ImportParameters } from './tokens.js'
import type { Services } from '../services.js'

type Asked = Pick<
  Input<typeof importKeyMaterial>, 'EncryptedKeyMaterial' | 'ValidTo' | 'ImportType' | 'KeyMaterialDescription' | 'KeyMaterialId'
>

export interface Imported { readonly version: KeyVersion, readonly way: InspectedImport['way'] }

/** What is done with material that is known by its id. */
type Decision =
  /** It is there: only what was said of it changes. */
  | { readonly act: 'describe', readonly version: KeyVersion }
  | { readonly act: 'restore', readonly version: KeyVersion }
  | { readonly act: 'add' }

/** How many version numbers are passed over because the HSM holds objects of their names. */
const takenNumbersMax = 100

/** Imports wrapped material into a key, one import of a key after the other. */
export function importMaterial(key: Key, parameters: ImportParameters, asked: Asked, services: Services): Promise<Imported> {
  // Relatives in several regions share their objects, so the region is no part of the name.
  return services.turns.take(`import ${key.keyId}`, () => new MaterialImport(key, parameters, asked, services).run())
}

class MaterialImport {
  readonly #key: Key
  readonly #asked: Asked
  readonly #services: Services
  readonly #hsm: Hsm
  readonly #kind: MaterialKind
  readonly #wrapped: WrappedMaterial

  constructor(key: Key, { bits, day, algorithm }: ImportParameters, asked: Asked, services: Services) {
    this.#key = key
    this.#asked = asked
    this.#services = services
    this.#hsm = services.keyStores.get(key.keyStore)
    this.#kind = services.keyVersions.kindFor(key)
    this.#wrapped = { wrappingKey: wrappingKey(bits, day), algorithm, bytes: asked.EncryptedKeyMaterial }
  }

  async run(): Promise<Imported> {
    const { region, keyId } = this.#key
    const { fingerprint, way } = await this.#inspect()
    // What has expired, or was half taken away, is gone before it may come back.
    await expireMaterial(this.#key, this.#services)
    const id = importedMaterialId(keyId, fingerprint)
    const stored = await this.#services.store.keys.get(region, keyId)
    if (!stored) throw new Error(`key ${keyId} is not in the store`)
    const decision = this.#decide(stored, id)
    if (decision.act === 'describe') return { version: await this.#describe(id), way: decision.version.import?.way ?? way }
    if (decision.act === 'add') await this.#forgetPending(stored)
    const number = decision.act === 'add' ? await this.#freeNumber() : decision.version.version
    return { version: await this.#make(id, number, way), way }
  }

  async #inspect(): Promise<InspectedImport> {
    try {
      return await this.#hsm.inspectImport(this.#material(1), this.#wrapped)
    } catch (error) {
      // The wrapping key is not there any more, for whatever reason: a new token comes with a new one.
      const gone = error instanceof HsmError && error.kind === 'missing' && !await this.#hsm.find(this.#wrapped.wrappingKey)
      throw gone ? new KmsError('ExpiredImportTokenException', '', { cause: error }) : error
    }
  }

  /** KMS API Reference, ImportKeyMaterial: what was once associated with a key may come back, and nothing else may take its place. */
  #decide(stored: KeyView, id: string): Decision {
    const { key, versions } = checkState(stored, 'import')
    // What is just being taken away still belongs to the key: nothing may be taken for its first material meanwhile.
    if ([...versions.values()].some(({ state }) => state === 'destroying')) throw conflict(key)
    const { ImportType: asked, KeyMaterialId: expected } = this.#asked
    const isSymmetric = key.keySpec === 'SYMMETRIC_DEFAULT'
    const known = [...versions.values()].find(version => version.keyMaterialId === id && isAssociated(version))
    const any = [...versions.values()].some(isAssociated)
    if (!isSymmetric && asked !== undefined) throw invalid('ImportType is only for symmetric encryption keys.')
    const type = asked ?? (any ? 'EXISTING_KEY_MATERIAL' : 'NEW_KEY_MATERIAL')
    if (expected !== undefined && type === 'NEW_KEY_MATERIAL') throw invalid('KeyMaterialId is only for existing key material.')
    if (expected !== undefined && expected !== id) throw incorrect('The key material is not the one with this KeyMaterialId.')
    if (type === 'EXISTING_KEY_MATERIAL') return this.#existing(known)
    return this.#additional(stored, known, id)
  }

  #existing(known: KeyVersion | undefined): Decision {
    if (!known) throw incorrect('The key material is not what the KMS key had before.')
    return { act: known.state === 'ready' ? 'describe' : 'restore', version: known }
  }

  #additional(stored: KeyView, known: KeyVersion | undefined, id: string): Decision {
    const { key } = stored
    const pending = pendingVersion(stored)
    // Material that was taken away before it ever became current is as good as new.
    if (known && (known.state !== 'absent' || isPermanent(known, key))) throw incorrect('The key material is that of the KMS key already.')
    refuseReplica(key)
    if (known) return { act: 'restore', version: known }
    if (pending?.state === 'ready') {
      throw new KmsError('KMSInvalidStateException', `New key material (id: ${id}) cannot be imported into KMS key ${key.arn}, because `
        + `another key material (id: ${pending.keyMaterialId}) is pending rotation.`)
    }
    return { act: 'add' }
  }

  async #describe(id: string): Promise<KeyVersion> {
    const { region, keyId } = this.#key
    let described: KeyVersion | undefined
    const view = await this.#services.directory.change(region, keyId, stored => {
      const decision = this.#decide(stored, id)
      if (decision.act !== 'describe') throw conflict(stored.key)
      described = { ...decision.version, import: this.#import(decision.version.import?.way ?? 'process', decision.version) }
      return { key: withState(stored.key, [described], stored), versions: [described] }
    })
    if (!described) throw new Error(`key ${view.key.keyId} was not changed`)
    return described
  }

  /** Row, object, row, as every version is made. */
  async #make(id: string, number: number, way: InspectedImport['way']): Promise<KeyVersion> {
    const { keyVersions, directory, clock } = this.#services
    const { region, keyId } = this.#key
    for (let running = keyVersions.making(this.#key); running; running = keyVersions.making(this.#key)) await running.catch(() => {})
    const view = await keyVersions.build(this.#key, {
      begin: async () => {
        let draft: KeyVersion | undefined
        await directory.change(region, keyId, stored => {
          const decision = this.#decide(stored, id)
          const restored = decision.act === 'restore' ? decision.version : undefined
          if (decision.act === 'describe' || (restored && restored.version !== number)) throw conflict(stored.key)
          const fresh = keyVersions.draft(stored.key, number)
          draft = {
            ...fresh, ...restored, state: 'creating', owner: fresh.owner, evidence: [], keyMaterialId: id,
            createdAt: restored?.createdAt ?? clock.now(), import: this.#import(way, restored),
          }
          return { key: stored.key, versions: [draft] }
        })
        if (!draft) throw new Error('no version was drafted')
        return draft
      },
      create: (hsm, material) => this.#create(hsm, material, number, id),
      finish: (ready, stored, relatives) => finished(ready, stored, relatives),
    })
    const made = view.versions.get(number)
    if (!made) throw new Error(`version ${number} of ${keyId} was not made`)
    return made
  }

  /** What bears the name already is a relative's, and then it is the same, or what a crash has left of material that was taken away. */
  async #create(hsm: Hsm, material: Material, number: number, id: string): Promise<readonly Evidence[]> {
    const { directory } = this.#services
    const relatives = await directory.relatives({ key: this.#key, versions: new Map() })
    const shared = relatives.some(({ key, versions }) => {
      const version = versions.get(number)
      return key.keyStore === this.#key.keyStore && version?.state === 'ready' && version.keyMaterialId === id
    })
    const found = shared ? await hsm.find(material) : undefined
    if (found) return found
    await hsm.destroyMaterial(material)
    return hsm.importMaterial(material, this.#wrapped)
  }

  /** Drops the row of material that was taken away while it was pending: something else is imported in its place. */
  async #forgetPending(stored: KeyView): Promise<void> {
    const { directory, store } = this.#services
    for (const view of [stored, ...await directory.relatives(stored)]) {
      const { key: { region, keyId, currentVersion } } = view
      const dropped = [...view.versions.values()].filter(({ version, state }) => version > currentVersion && state !== 'creating')
      if (dropped.some(({ state }) => state === 'ready')) throw conflict(view.key)
      if (dropped.length === 0) continue
      const marked = dropped.map(version => ({ ...version, state: 'destroying' as const }))
      await directory.change(region, keyId, ({ key }) => ({ key, versions: marked }))
      for (const { version } of dropped) await store.keys.removeVersion(region, keyId, version)
      directory.forgetKey(region, keyId)
    }
  }

  /** As a rotation does, it passes over names that objects bear which no row knows: they may be all that is left of a newer database. */
  async #freeNumber(): Promise<number> {
    const { region, keyId } = this.#key
    const stored = await this.#services.store.keys.get(region, keyId)
    const next = Math.max(0, ...stored?.versions.keys() ?? []) + 1
    for (let number = next; number < next + takenNumbersMax; number++) {
      if (!await this.#hsm.find(this.#material(number))) return number
    }
    throw new Error(`the HSM holds at least ${takenNumbersMax} versions of key ${keyId} that no row knows`)
  }

  #material(number: number): Material {
    return { ...backingKey(this.#key.keyId, number, this.#kind), imported: true }
  }

  /** What is not said again stays as it was. */
  #import(way: Import['way'], before: KeyVersion | undefined): Import {
    const description = this.#asked.KeyMaterialDescription ?? before?.import?.description
    const { ValidTo: validTo } = this.#asked
    return { way, ...validTo && { validTo: validTo.getTime() }, ...description !== undefined && { description } }
  }
}

/** The relatives learn which material the key has now, and wait for it to be imported into them, too. */
function finished(ready: KeyVersion, view: KeyView, relatives: readonly KeyView[]): readonly [Change, ...Change[]] {
  const key = { ...view.key, currentVersion: view.key.currentVersion === 0 ? ready.version : view.key.currentVersion }
  const news = isReplica(key) ? [] : relatives.filter(relative => isSynchronised(relative.key) && !relative.versions.has(ready.version))
  return [
    { key: withState(key, [ready], view), versions: [ready] },
    ...news.map(relative => ({
      key: { ...relative.key, currentVersion: key.currentVersion },
      versions: [{ ...ready, region: relative.key.region, state: 'absent' as const, evidence: [] }],
    })),
  ]
}

function withState(key: Key, changed: readonly KeyVersion[], { versions }: KeyView): Key {
  if (key.state !== 'PendingImport') return key
  const after = new Map([...versions, ...changed.map(version => [version.version, version] as const)])
  return { ...key, state: stateWithMaterial({ key, versions: after }) }
}

function isAssociated({ state }: KeyVersion): boolean {
  return state === 'ready' || state === 'absent'
}

function incorrect(message: string): KmsError {
  return new KmsError('IncorrectKeyMaterialException', message)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}

function conflict({ arn }: Key): KmsError {
  return new KmsError('KMSInvalidStateException', `${arn} is updating.`)
}
