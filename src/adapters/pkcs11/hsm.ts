import type { Evidence } from '../../domain/key.js'
import type { Material, Suite } from '../../domain/material.js'
import type { Capacity, Hsm, HsmStatus, ObjectListing, Sealed } from '../../ports/hsm.js'
import type { Log } from '../../ports/log.js'
import { Connection } from './driver/connection.js'
import { Driver } from './driver/driver.js'
import { DurableDirectory } from './token/durable-directory.js'
import type { Pkcs11Config } from './config.js'
import { suiteOf } from './profiles/profile.js'
import { acquireToken } from './token/token.js'
import { removeUnfinished } from './driver/unfinished.js'

export type { Pkcs11Config } from './config.js'

/**
 * Opens the token of a configuration: loads and initialises the module, logs in, and answers a key store. Several may be
 * open on one token in one process; closing one leaves the others logged in. Throws HsmError.
 */
export async function openHsm(config: Pkcs11Config, log: Log): Promise<Hsm> {
  const token = acquireToken(config, log)
  try {
    const connection = new Connection(token, log)
    if (config.alone && token.profile.leavesUnfinished) removeUnfinished(connection)
    const durable = config.durableDirectory === undefined ? undefined : new DurableDirectory(config.durableDirectory)
    return new InlineHsm(new Driver(connection, config.verifySeals), suiteOf(token.profile), durable)
  } catch (error) {
    token.release()
    throw error
  }
}

/** The driver in the server's own process, for a token whose calls take microseconds. Only the disk is ever waited for. */
class InlineHsm implements Hsm {
  readonly suite: Suite
  private readonly driver: Driver
  private readonly durable: DurableDirectory | undefined

  constructor(driver: Driver, suite: Suite, durable: DurableDirectory | undefined) {
    this.driver = driver
    this.suite = suite
    this.durable = durable
  }

  async seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed> {
    return this.driver.seal(material, plaintext, additionalData)
  }

  async open(material: Material, sealed: Sealed, additionalData: Uint8Array): Promise<Uint8Array> {
    return this.driver.open(material, sealed, additionalData)
  }

  async mac(material: Material, data: Uint8Array): Promise<Uint8Array> {
    return this.driver.mac(material, data)
  }

  async sign(material: Material, digest: Uint8Array): Promise<Uint8Array> {
    return this.driver.sign(material, digest)
  }

  async publicKey(material: Material): Promise<Uint8Array> {
    return this.driver.publicKey(material)
  }

  async random(length: number): Promise<Uint8Array> {
    return this.driver.random(length)
  }

  async createMaterial(material: Material): Promise<readonly Evidence[]> {
    const create = (): readonly Evidence[] => this.driver.createMaterial(material)
    return this.durable ? this.durable.keep(create, () => this.driver.destroyMaterial(material)) : create()
  }

  async destroyMaterial(material: Material): Promise<number> {
    const destroy = (): number => this.driver.destroyMaterial(material)
    return this.durable ? this.durable.keep(destroy) : destroy()
  }

  async find(material: Material): Promise<readonly Evidence[] | undefined> {
    return this.driver.find(material)
  }

  async list(): Promise<readonly ObjectListing[]> {
    return this.driver.list()
  }

  async capacity(): Promise<Capacity> {
    return { used: this.driver.list().length, max: undefined }
  }

  status(): HsmStatus {
    return {
      host: 'inline', token: undefined, profile: undefined, suite: this.suite, circuit: 'closed', lanes: [],
      queue: { length: 0, max: 0, waitMsMax: 0 }, calls: { done: 0, failed: 0, refused: 0, deadlineMissed: 0 },
      latency: { p50: 0, p99: 0, max: 0, calls: 0 },
    }
  }

  async probe(): Promise<void> {
    this.driver.probe()
  }

  async close(): Promise<void> {
    this.driver.close()
  }
}
