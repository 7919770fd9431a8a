import type { OaepAlgorithm, SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind, Suite } from '../../../domain/material.js'
import type {
  Capacity, Encapsulation, Hsm, HsmStatus, InspectedImport, ObjectListing, Sealed, WrappedMaterial,
} from '../../../ports/hsm.js'
import type { Driver } from '../driver/driver.js'
import { kindRow, type KindRow } from '../driver/mechanisms.js'
import { suiteOf } from '../profiles/profile.js'
import { DurableDirectory } from '../token/durable-directory.js'
import type { Token } from '../token/token.js'
import type { Errands } from './errands.js'
import { Figures } from './figures.js'

export interface InlineParts {
  readonly driver: Driver
  readonly token: Token
  /** What the token offers. */
  readonly kinds: readonly MaterialKind[]
  readonly durableDirectory: string | undefined
  /** Does what would block the server for too long. */
  readonly errands: Errands
  /** Makes key pairs, which takes so long that the errands would have to wait too long for it. */
  readonly makings: Errands
}

/** The driver in the server's own process, for a token whose calls take microseconds. Only the disk and slow errands are waited for. */
export class InlineHsm implements Hsm {
  readonly suite: Suite
  readonly kinds: ReadonlySet<MaterialKind>
  readonly #driver: Driver
  readonly #token: Token
  readonly #durable: DurableDirectory | undefined
  readonly #errands: Errands
  readonly #makings: Errands
  readonly #figures = new Figures()

  constructor({ driver, token, kinds, durableDirectory, errands, makings }: InlineParts) {
    this.suite = suiteOf(token.profile)
    this.kinds = new Set(kinds)
    this.#driver = driver
    this.#token = token
    this.#durable = durableDirectory === undefined ? undefined : new DurableDirectory(durableDirectory)
    this.#errands = errands
    this.#makings = makings
  }

  async seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed> {
    return this.#figures.of(() => this.#driver.seal(material, plaintext, additionalData))
  }

  async open(material: Material, sealed: Sealed, additionalData: Uint8Array): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.open(material, sealed, additionalData))
  }

  async mac(material: Material, data: Uint8Array): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.mac(material, data))
  }

  async sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Promise<Uint8Array> {
    if (this.#row(material).slowUse) return this.#errands.run(hsm => hsm.sign(material, algorithm, input))
    return this.#figures.of(() => this.#driver.sign(material, algorithm, input))
  }

  async verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return this.#figures.of(() => this.#driver.verify(material, algorithm, input, signature))
  }

  async publicKey(material: Material): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.publicKey(material))
  }

  /** What is encrypted is decrypted on trial. */
  async encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Promise<Uint8Array> {
    return this.#errands.run(hsm => hsm.encrypt(material, algorithm, plaintext))
  }

  async decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#errands.run(hsm => hsm.decrypt(material, algorithm, ciphertext))
  }

  async deriveSharedSecret(material: Material, peerPoint: Uint8Array): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.deriveSharedSecret(material, peerPoint))
  }

  async encapsulate(material: Material): Promise<Encapsulation> {
    return this.#figures.of(() => this.#driver.encapsulate(material))
  }

  async decapsulate(material: Material, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.decapsulate(material, ciphertext))
  }

  async random(length: number): Promise<Uint8Array> {
    return this.#figures.of(() => this.#driver.random(length))
  }

  async createMaterial(material: Material): Promise<readonly Evidence[]> {
    if (this.#row(material).slow) return this.#makings.run(hsm => hsm.createMaterial(material))
    const create = (): readonly Evidence[] => this.#figures.of(() => this.#driver.createMaterial(material))
    return this.#durable ? this.#durable.keep(create, () => this.#driver.destroyMaterial(material)) : create()
  }

  /** The wrapping keys are RSA. */
  async inspectImport(material: Material, wrapped: WrappedMaterial): Promise<InspectedImport> {
    return this.#errands.run(hsm => hsm.inspectImport(material, wrapped))
  }

  async importMaterial(material: Material, wrapped: WrappedMaterial): Promise<readonly Evidence[]> {
    return this.#errands.run(hsm => hsm.importMaterial(material, wrapped))
  }

  async destroyMaterial(material: Material): Promise<number> {
    // A lane that has used it must forget its handles.
    const there = this.#row(material).slowUse && this.#errands.isRunning ? await this.#errands.run(hsm => hsm.destroyMaterial(material)) : 0
    const destroy = (): number => this.#figures.of(() => this.#driver.destroyMaterial(material))
    return there + (this.#durable ? await this.#durable.keep(destroy) : destroy())
  }

  async find(material: Material): Promise<readonly Evidence[] | undefined> {
    return this.#figures.of(() => this.#driver.find(material))
  }

  async list(): Promise<readonly ObjectListing[]> {
    return this.#figures.of(() => this.#driver.list())
  }

  async capacity(): Promise<Capacity> {
    return this.#figures.of(() => this.#driver.capacity())
  }

  status(): HsmStatus {
    const { label, serial, manufacturer, model } = this.#token.info
    return {
      host: 'inline',
      token: { label, serial, manufacturer, model },
      profile: this.#token.profile.name,
      suite: this.suite,
      circuit: 'closed',
      lanes: [...this.#errands.lanes(), ...this.#makings.lanes()].map((status, at) => ({ ...status, lane: at + 1 })),
      queue: { length: 0, max: 0, waitMsMax: 0 },
      calls: this.#figures.calls(),
      latency: this.#figures.latency(),
    }
  }

  async probe(): Promise<void> {
    this.#figures.of(() => { this.#driver.probe() })
  }

  async close(): Promise<void> {
    this.#driver.close()
    await Promise.all([this.#errands.close(), this.#makings.close()])
  }

  #row({ kind }: Material): KindRow {
    return kindRow(kind, this.#token.profile)
  }
}
