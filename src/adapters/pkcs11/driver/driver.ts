import { timingSafeEqual } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind } from '../../../domain/material.js'
import { HsmError, type ObjectListing, type Sealed } from '../../../ports/hsm.js'
import { Canary, canaryLabel } from './canary.js'
import type { Connection } from './connection.js'
import { returnValueOf } from './errors.js'
import { objectPlans, type ObjectPlan } from './evidence.js'
import { generate, listObjects } from './objects.js'
import { additionalDataBytes, digestBytes, Gcm, gcmIvBytes, gcmTagBytes, hmac, signDigest, view } from './operations.js'
import type { Profile } from '../profiles/profile.js'
import { RandomPool } from './random-pool.js'
import { p256PublicKeyInfo } from './spki.js'

/** At most so many bytes in one call of `random`. */
export const randomBytesMax = 64 * 1024
const livenessBytes = 16

interface FreshSeal { readonly iv: Buffer, readonly ciphertext: Buffer }

/**
 * Everything this service does with a token: synchronous, single-threaded, one operation at a time on one session of its own.
 * Throws HsmError and nothing else.
 */
export class Driver {
  private readonly connection: Connection
  private readonly profile: Profile
  private readonly lib: pkcs11.PKCS11
  private readonly verifySeals: boolean
  private readonly gcm: Gcm
  private readonly pool: RandomPool
  private readonly canary: Canary
  /** Where a trial opening lands; wiped after each. */
  private readonly scratch: Buffer

  /** `connection` is closed by `close`. */
  constructor(connection: Connection, verifySeals: boolean) {
    this.connection = connection
    this.profile = connection.profile
    this.lib = connection.lib
    this.verifySeals = verifySeals
    const { seal, returnValues, randomChunkBytes } = this.profile
    this.gcm = new Gcm(this.lib, seal.outputSlackBytes, returnValues.ciphertextInvalid)
    this.pool = new RandomPool(randomChunkBytes, target => { this.lib.C_GenerateRandom(this.session(), target) })
    this.canary = new Canary(connection, this.gcm, target => { this.pool.fill(target) })
    this.scratch = Buffer.alloc(seal.plaintextBytesMax + gcmTagBytes)
  }

  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Sealed {
    requireKind(material, 'gcm')
    requireLength('additional data', additionalData, additionalDataBytes)
    requireAtMost('plaintext', plaintext.length, this.profile.seal.plaintextBytesMax)
    const data = view(plaintext)
    const aad = view(additionalData)
    const sealed = this.connection.repeatable('sealing', () => this.encrypt(material, data, aad))
    if (this.verifySeals) this.tryOpening(material, sealed, data, aad)
    return sealed
  }

  open(material: Material, sealed: Sealed, additionalData: Uint8Array): Uint8Array {
    requireKind(material, 'gcm')
    requireLength('additional data', additionalData, additionalDataBytes)
    const bodyBytes = sealed.ciphertext.length - gcmTagBytes
    if (sealed.iv.length !== gcmIvBytes || bodyBytes < 0 || bodyBytes > this.profile.seal.plaintextBytesMax) throw ciphertextInvalid()
    const [iv, ciphertext, aad] = [view(sealed.iv), view(sealed.ciphertext), view(additionalData)]
    return this.connection.repeatable('opening', () => {
      // Memory of its own: what holds a plaintext is wiped by its owner and shared with nothing.
      const out = Buffer.allocUnsafeSlow(ciphertext.length)
      const plaintext = this.decrypt(material, { iv, ciphertext }, aad, out)
      if (!plaintext) throw ciphertextInvalid()
      return plaintext
    })
  }

  mac(material: Material, data: Uint8Array): Uint8Array {
    requireKind(material, 'hmac-sha-256')
    requireAtMost('data', data.length, this.profile.macBytesMax)
    const bytes = view(data)
    return this.connection.repeatable('making a MAC', () => hmac(this.lib, this.session(), this.handle(material), bytes))
  }

  sign(material: Material, digest: Uint8Array): Uint8Array {
    requireKind(material, 'ecdsa-p256')
    requireLength('a digest', digest, digestBytes)
    const bytes = view(digest)
    return this.connection.repeatable('signing', () => signDigest(this.lib, this.session(), this.handle(material), bytes))
  }

  publicKey(material: Material): Uint8Array {
    requireKind(material, 'ecdsa-p256')
    return this.connection.repeatable('reading a public key', () => {
      const object = this.connection.handle(material, 'public')
      const [read] = this.lib.C_GetAttributeValue(this.session(), object, [{ type: pkcs11.CKA_EC_POINT }])
      return p256PublicKeyInfo(read?.value ?? new Uint8Array())
    })
  }

  random(length: number): Uint8Array {
    requireAtMost('random bytes', length, randomBytesMax)
    const bytes = Buffer.allocUnsafeSlow(length)
    this.connection.repeatable('getting random bytes', () => this.pool.fill(bytes))
    return bytes
  }

  /** Not repeated after a failure: the objects may exist. */
  createMaterial(material: Material): readonly Evidence[] {
    const plans = objectPlans(material, this.profile)
    requireAtMost('a name', Buffer.byteLength(material.name), this.profile.labelBytesMax)
    this.connection.repeatable('looking for a name', () => {
      if (this.connection.byName(material, 1).length > 0) throw new HsmError('exists', `there is material named ${material.name} already`)
    })
    return this.connection.once('creating material', () => {
      const made = this.generate(material, plans)
      return this.accept(material, plans, made)
    })
  }

  destroyMaterial(material: Material): number {
    return this.connection.repeatable('destroying material', () => {
      this.connection.forget(material)
      const objects = this.connection.byName(material)
      for (const object of objects) this.lib.C_DestroyObject(this.session(), object)
      return objects.length
    })
  }

  find(material: Material): readonly Evidence[] | undefined {
    const plans = objectPlans(material, this.profile)
    return this.connection.repeatable('reading evidence', () => {
      const found = plans.map(plan => this.connection.lookUp(material, plan))
      if (found.every(object => object === undefined)) return undefined
      return plans.map((plan, at) => {
        const object = found[at]
        if (!object) throw new HsmError('evidence', `material ${material.name} has no ${plan.role} object`)
        return this.connection.evidence(material, plan, object)
      })
    })
  }

  list(): readonly ObjectListing[] {
    return this.connection.repeatable('listing objects', () => {
      this.connection.requireLogin()
      return listObjects(this.lib, this.session()).filter(({ label }) => label !== canaryLabel)
    })
  }

  /** Random bytes straight from the device: token and session info may be the library's memory. */
  probe(): void {
    this.connection.repeatable('probing', () => { this.lib.C_GenerateRandom(this.session(), Buffer.alloc(livenessBytes)) })
  }

  close(): void {
    this.pool.clear()
    this.connection.close()
  }

  private session(): Handle {
    return this.connection.session()
  }

  private handle(material: Material): Handle {
    return this.connection.handle(material)
  }

  private encrypt(material: Material, plaintext: Buffer, additionalData: Buffer): FreshSeal {
    const iv = Buffer.allocUnsafe(gcmIvBytes)
    this.pool.fill(iv)
    return { iv, ciphertext: this.gcm.encrypt(this.session(), this.handle(material), iv, plaintext, additionalData) }
  }

  /** Repeated on its own: sealing again would be a second encryption under the key, and only one was counted. */
  private tryOpening(material: Material, sealed: FreshSeal, plaintext: Buffer, additionalData: Buffer): void {
    if (this.connection.repeatable('trial opening', () => this.opensTo(material, sealed, plaintext, additionalData))) return
    this.connection.log.error('a fresh ciphertext does not open to what was sealed', { material: material.name })
    throw new HsmError('lost', 'a fresh ciphertext does not open to what was sealed')
  }

  private opensTo(material: Material, { iv, ciphertext }: FreshSeal, plaintext: Buffer, additionalData: Buffer): boolean {
    const out = this.scratch.subarray(0, ciphertext.length)
    const key = this.handle(material)
    try {
      const opened = this.gcm.decrypt(this.session(), key, iv, ciphertext, additionalData, out)
      return opened?.length === plaintext.length && timingSafeEqual(opened, plaintext)
    } catch (error) {
      // Nobody but the device can be to blame here.
      if (this.isAmbiguous(error)) return false
      throw error
    } finally {
      out.fill(0)
    }
  }

  /** undefined if the ciphertext does not verify; where the token's answer leaves that open, the canary decides. */
  private decrypt(material: Material, { iv, ciphertext }: FreshSeal, additionalData: Buffer, out: Buffer): Buffer | undefined {
    const key = this.handle(material)
    try {
      return this.gcm.decrypt(this.session(), key, iv, ciphertext, additionalData, out)
    } catch (error) {
      if (!this.isAmbiguous(error)) throw error
      this.canary.requireWorking(error)
      return undefined
    }
  }

  private isAmbiguous(error: unknown): boolean {
    return this.profile.returnValues.ambiguous.includes(returnValueOf(error) ?? 0)
  }

  private generate(material: Material, plans: readonly ObjectPlan[]): readonly Handle[] {
    try {
      return generate(this.lib, this.session(), material, plans)
    } catch (error) {
      const again = this.profile.returnValues.createAgain.includes(returnValueOf(error) ?? 0)
      if (!again || this.connection.byName(material, 1).length > 0) throw error
      this.connection.log.warn('generating a key failed, trying once more', { returnValue: returnValueOf(error) })
      return generate(this.lib, this.session(), material, plans)
    }
  }

  /** Keeps just-made objects if they are what they should be and alone under their name, else destroys them. */
  private accept(material: Material, plans: readonly ObjectPlan[], made: readonly Handle[]): readonly Evidence[] {
    try {
      const evidence = plans.map((plan, at) => this.connection.evidence(material, plan, made[at] as Handle))
      if (this.connection.byName(material, made.length + 1).length > made.length) {
        throw new HsmError('exists', `the name ${material.name} was taken meanwhile`)
      }
      plans.forEach((plan, at) => this.connection.remember(material, plan, made[at] as Handle))
      return evidence
    } catch (error) {
      for (const object of made) this.discard(object, material)
      throw error
    }
  }

  private discard(object: Handle, material: Material): void {
    try {
      this.lib.C_DestroyObject(this.session(), object)
    } catch (error) {
      this.connection.log.error('a refused object could not be destroyed', { material: material.name, returnValue: returnValueOf(error) })
    }
  }
}

function ciphertextInvalid(): HsmError {
  return new HsmError('ciphertext-invalid', 'the ciphertext does not verify')
}

function requireKind(material: Material, kind: MaterialKind): void {
  if (material.kind !== kind) throw new HsmError('configuration', `material ${material.name} is of kind ${material.kind}, not ${kind}`)
}

function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new HsmError('configuration', `${what} must have ${length} bytes`)
}

function requireAtMost(what: string, length: number, max: number): void {
  if (!(length >= 0 && length <= max)) throw new HsmError('configuration', `${what} may have at most ${max} bytes`)
}
