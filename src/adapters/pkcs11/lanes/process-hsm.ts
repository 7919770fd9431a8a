import type { OaepAlgorithm, SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind, Suite } from '../../../domain/material.js'
import {
  HsmError,
  type Capacity, type Encapsulation, type Hsm, type HsmStatus, type InspectedImport, type ObjectListing, type Sealed, type WrappedMaterial,
} from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { Pkcs11Config } from '../config.js'
import { randomBytesMax } from '../driver/driver.js'
import { suiteOf, type Profile } from '../profiles/profile.js'
import { DurableDirectory } from '../token/durable-directory.js'
import { readPin } from '../token/pin.js'
import type { Answer, Call, LaneReady } from './calls.js'
import { Lane, LaneLost } from './lane.js'
import { LoginTurns } from './login-turns.js'
import { laneLimits, startDeadlineMs } from './limits.js'
import { Pool } from './pool.js'
import { RandomAhead } from './random-ahead.js'
import { Settling } from './settling.js'

/** A lane that is up, with what it found: the first of a store, opened alone. */
export interface OpenedLane {
  readonly lane: Lane
  readonly ready: LaneReady
  readonly tookMs: number
  readonly logins: LoginTurns
}

/** Opens the token in a process of its own, once. Throws HsmError. */
export async function openFirstLane(config: Pkcs11Config, log: Log): Promise<OpenedLane> {
  const since = performance.now()
  // A PIN that cannot be had is told before anything is started, and one in the environment is taken out of it.
  readPin(config.pin, log).bytes.fill(0)
  const logins = new LoginTurns(() => readPin(config.pin, log))
  const lane = new Lane({ number: 1, config, removeUnfinished: config.alone ?? false, logins }, log)
  try {
    const ready = await lane.ready(startDeadlineMs)
    return { lane, ready, logins, tookMs: performance.now() - since }
  } catch (error) {
    await lane.end()
    if (!(error instanceof LaneLost)) throw error
    throw new HsmError('lost', `the HSM cannot be reached: ${error.message}`, undefined, { cause: error })
  }
}

/** The driver in processes of its own. Nothing that a vendor's library does can stop, block or take down the server. */
export class ProcessHsm implements Hsm {
  readonly suite: Suite
  readonly kinds: ReadonlySet<MaterialKind>
  readonly #profile: Profile
  readonly #token: LaneReady['token']
  readonly #pool: Pool
  readonly #random: RandomAhead
  readonly #settling: Settling
  readonly #durable: DurableDirectory | undefined

  constructor(config: Pkcs11Config, first: OpenedLane, log: Log) {
    const { ready: { profile, token, kinds, sessionsMax }, logins } = first
    const limits = laneLimits(config, profile, sessionsMax)
    // What the first lane found out about the token need not be found out again.
    const known = { ...config, profile }
    this.suite = suiteOf(profile)
    this.kinds = new Set(kinds)
    this.#profile = profile
    this.#token = token
    this.#pool = new Pool({
      limits, first, log, start: number => new Lane({ number, config: known, removeUnfinished: false, logins }, log),
    })
    this.#random = new RandomAhead(profile.randomChunkBytes, length => this.#bytes({ operation: 'random', length, parts: [] }))
    this.#settling = new Settling(limits.settleMs)
    this.#durable = config.durableDirectory === undefined ? undefined : new DurableDirectory(config.durableDirectory)
  }

  async seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed> {
    const sealed = await this.#use({ operation: 'seal', material, parts: [plaintext, additionalData] }, material)
    const [iv = none, ciphertext = none] = sealed.parts
    return { iv, ciphertext }
  }

  open(material: Material, { iv, ciphertext }: Sealed, additionalData: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'open', material, parts: [iv, ciphertext, additionalData] }, material)
  }

  mac(material: Material, data: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'mac', material, parts: [data] }, material)
  }

  sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'sign', material, algorithm, parts: [input] }, material)
  }

  async verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const answer = await this.#use({ operation: 'verify', material, algorithm, parts: [input, signature] }, material)
    return answer.value === true
  }

  publicKey(material: Material): Promise<Uint8Array> {
    return this.#bytes({ operation: 'publicKey', material, parts: [] }, material)
  }

  encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'encrypt', material, algorithm, parts: [plaintext] }, material)
  }

  decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'decrypt', material, algorithm, parts: [ciphertext] }, material)
  }

  deriveSharedSecret(material: Material, peerPoint: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'deriveSharedSecret', material, parts: [peerPoint] }, material)
  }

  async encapsulate(material: Material): Promise<Encapsulation> {
    const { parts: [sharedSecret = none, ciphertext = none] } = await this.#use({ operation: 'encapsulate', material, parts: [] }, material)
    return { sharedSecret, ciphertext }
  }

  decapsulate(material: Material, ciphertext: Uint8Array): Promise<Uint8Array> {
    return this.#bytes({ operation: 'decapsulate', material, parts: [ciphertext] }, material)
  }

  async random(length: number): Promise<Uint8Array> {
    if (!(length >= 0 && length <= randomBytesMax)) {
      throw new HsmError('configuration', `a call gives at most ${randomBytesMax} random bytes`)
    }
    this.#pool.requireUp()
    return this.#random.take(length)
  }

  createMaterial(material: Material): Promise<readonly Evidence[]> {
    return this.#make(material, () => this.#createOnce(material))
  }

  async inspectImport(material: Material, wrapped: WrappedMaterial): Promise<InspectedImport> {
    const call = { operation: 'inspectImport', material, ...wrappedParts(wrapped) } as const
    const { value, parts: [fingerprint = none] } = await this.#use(call, wrapped.wrappingKey)
    return { way: value as InspectedImport['way'], fingerprint }
  }

  /** When the answer is lost, what is there may not have been tried yet. It is no loss: the client has the material. */
  importMaterial(given: Material, wrapped: WrappedMaterial): Promise<readonly Evidence[]> {
    const material: Material = { ...given, imported: true }
    return this.#make(material, () => this.#value({ operation: 'importMaterial', material, ...wrappedParts(wrapped) }))
  }

  async destroyMaterial(material: Material): Promise<number> {
    this.#settling.destroyed(material)
    const destroy = (): Promise<number> => this.#value<number>({ operation: 'destroyMaterial', material, parts: [] })
    return this.#durable ? this.#durable.keep(destroy) : destroy()
  }

  async find(material: Material): Promise<readonly Evidence[] | undefined> {
    return this.#value<readonly Evidence[] | undefined>({ operation: 'find', material, parts: [] })
  }

  async list(): Promise<readonly ObjectListing[]> {
    return this.#value<readonly ObjectListing[]>({ operation: 'list', parts: [] })
  }

  async capacity(): Promise<Capacity> {
    const { used, max } = await this.#value<{ readonly used: number, readonly max?: number }>({ operation: 'capacity', parts: [] })
    return { used, max }
  }

  status(): HsmStatus {
    return { host: 'process', token: this.#token, profile: this.#profile.name, suite: this.suite, ...this.#pool.status() }
  }

  async probe(): Promise<void> {
    await this.#pool.run({ operation: 'probe', parts: [] })
  }

  async close(): Promise<void> {
    await this.#pool.close()
    this.#random.clear()
  }

  async #make(material: Material, make: () => Promise<readonly Evidence[]>): Promise<readonly Evidence[]> {
    const made = await (this.#durable ? this.#durable.keep(make, () => this.destroyMaterial(material)) : make())
    this.#settling.made(material)
    return made
  }

  /** When the answer is lost the objects may exist all the same: if the name was free before, what is there now is what was made. */
  async #createOnce(material: Material): Promise<readonly Evidence[]> {
    let begun = false
    try {
      const onBegun = (): void => { begun = true }
      return await this.#value<readonly Evidence[]>({ operation: 'createMaterial', material, parts: [], onBegun })
    } catch (error) {
      if (!begun || !(error instanceof HsmError) || error.kind !== 'lost') throw error
      const found = await this.find(material).catch(() => undefined)
      if (!found) throw error
      return found
    }
  }

  async #use(call: Call, material: Material): Promise<Answer> {
    if (this.#settling.isQuiet) return this.#pool.run(call)
    return this.#settling.retried(material, () => this.#pool.run(call))
  }

  async #bytes(call: Call, material?: Material): Promise<Uint8Array> {
    const { parts: [bytes = none] } = material ? await this.#use(call, material) : await this.#pool.run(call)
    return bytes
  }

  async #value<T>(call: Call): Promise<T> {
    return (await this.#pool.run(call)).value as T
  }
}

const none: Uint8Array = new Uint8Array()

function wrappedParts({ wrappingKey, algorithm, bytes }: WrappedMaterial): Pick<Call, 'wrappingKey' | 'algorithm' | 'parts'> {
  return { wrappingKey, algorithm, parts: [bytes] }
}
