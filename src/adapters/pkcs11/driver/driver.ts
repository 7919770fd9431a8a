import type { OaepAlgorithm, SigningAlgorithm } from '../../../domain/key-spec.js'
import type { Evidence } from '../../../domain/key.js'
import type { Material } from '../../../domain/material.js'
import type { Capacity, Encapsulation, InspectedImport, ObjectListing, Sealed, WrappedMaterial } from '../../../ports/hsm.js'
import { Agreement } from './agreement.js'
import { canaryLabel } from './canary.js'
import type { Connection } from './connection.js'
import { Doubt } from './doubt.js'
import { Encryption } from './encryption.js'
import { Imports } from './import/imports.js'
import { Macs } from './macs.js'
import { Materials } from './materials.js'
import { ObjectBudget } from './object-budget.js'
import { listObjects } from './objects.js'
import type { Pkcs11Config } from '../config.js'
import { RandomPool } from './random-pool.js'
import { requireAtMost } from './requirements.js'
import { Seals } from './seals.js'
import { Signatures } from './signatures.js'

/** At most so many bytes in one call of `random`. */
export const randomBytesMax = 64 * 1024
const livenessBytes = 16

/** Of Pkcs11Config. */
export type DriverOptions = Pick<Pkcs11Config, 'verifySeals' | 'verifyOpens' | 'objectsMax'>

/**
 * Everything this service does with a token: synchronous, single-threaded, one operation at a time on one session of its own.
 * Throws HsmError and nothing else.
 */
export class Driver {
  private readonly connection: Connection
  private readonly pool: RandomPool
  private readonly budget: ObjectBudget
  private readonly materials: Materials
  private readonly seals: Seals
  private readonly macs: Macs
  private readonly signatures: Signatures
  private readonly encryption: Encryption
  private readonly agreement: Agreement
  private readonly imports: Imports

  /** `connection` is closed by `close`. */
  constructor(connection: Connection, { verifySeals, verifyOpens = true, objectsMax }: DriverOptions) {
    const doubt = new Doubt(verifyOpens, connection.log)
    this.connection = connection
    this.pool = new RandomPool(connection.profile.randomChunkBytes, target => {
      connection.lib.C_GenerateRandom(connection.session(), target)
    })
    const random = (target: Buffer): void => { this.pool.fill(target) }
    this.budget = new ObjectBudget(connection, objectsMax)
    this.materials = new Materials(connection, this.budget)
    this.seals = new Seals({ connection, doubt, verifySeals, random })
    this.macs = new Macs(connection, doubt)
    this.signatures = new Signatures(connection, doubt)
    this.encryption = new Encryption({ connection, doubt, verifySeals, random })
    this.agreement = new Agreement(connection, doubt)
    this.imports = new Imports({ connection, materials: this.materials, driver: this })
  }

  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Sealed {
    return this.seals.seal(material, plaintext, additionalData)
  }

  open(material: Material, sealed: Sealed, additionalData: Uint8Array): Uint8Array {
    return this.seals.open(material, sealed, additionalData)
  }

  mac(material: Material, data: Uint8Array): Uint8Array {
    return this.macs.mac(material, data)
  }

  sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Uint8Array {
    return this.signatures.sign(material, algorithm, input)
  }

  verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): boolean {
    return this.signatures.verify(material, algorithm, input, signature)
  }

  publicKey(material: Material): Uint8Array {
    return this.signatures.publicKey(material)
  }

  encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Uint8Array {
    return this.encryption.encrypt(material, algorithm, plaintext)
  }

  decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Uint8Array {
    return this.encryption.decrypt(material, algorithm, ciphertext)
  }

  deriveSharedSecret(material: Material, peerPoint: Uint8Array): Uint8Array {
    return this.agreement.deriveSharedSecret(material, peerPoint)
  }

  encapsulate(material: Material): Encapsulation {
    return this.agreement.encapsulate(material)
  }

  decapsulate(material: Material, ciphertext: Uint8Array): Uint8Array {
    return this.agreement.decapsulate(material, ciphertext)
  }

  random(length: number): Uint8Array {
    requireAtMost('random bytes', length, randomBytesMax)
    const bytes = Buffer.allocUnsafeSlow(length)
    this.connection.repeatable('getting random bytes', () => this.pool.fill(bytes))
    return bytes
  }

  createMaterial(material: Material): readonly Evidence[] {
    return this.materials.create(material)
  }

  inspectImport(material: Material, wrapped: WrappedMaterial): InspectedImport {
    return this.imports.inspectImport(material, wrapped)
  }

  importMaterial(material: Material, wrapped: WrappedMaterial): readonly Evidence[] {
    return this.imports.importMaterial(material, wrapped)
  }

  destroyMaterial(material: Material): number {
    return this.materials.destroy(material)
  }

  find(material: Material): readonly Evidence[] | undefined {
    return this.materials.find(material)
  }

  list(): readonly ObjectListing[] {
    const listed = this.connection.repeatable('listing objects', () => this.connection.searching(listObjects))
    return listed.filter(({ label }) => label !== canaryLabel)
  }

  capacity(): Capacity {
    return this.connection.repeatable('counting objects', () => this.budget.capacity())
  }

  /** Random bytes straight from the device: token and session info may be the library's memory. */
  probe(): void {
    const { lib } = this.connection
    this.connection.repeatable('probing', () => { lib.C_GenerateRandom(this.connection.session(), Buffer.alloc(livenessBytes)) })
  }

  close(): void {
    this.pool.clear()
    this.connection.close()
  }
}
