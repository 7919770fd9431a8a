import { timingSafeEqual } from 'node:crypto'
import pkcs11, { type Handle } from 'pkcs11js'
import type { Evidence } from '../../../domain/key.js'
import type { Material, MaterialKind, Suite } from '../../../domain/material.js'
import { HsmError, type Capacity, type ObjectListing, type Sealed } from '../../../ports/hsm.js'
import { Canary, canaryLabel } from './canary.js'
import type { Connection } from './connection.js'
import { returnValueOf } from './errors.js'
import { Materials } from './materials.js'
import { ObjectBudget } from './object-budget.js'
import { listObjects } from './objects.js'
import { additionalDataBytes, blockBytes, digestBytes, hmac, macBytes, signDigest, verifiesDigest, view } from './operations.js'
import { pause } from './patience.js'
import type { Pkcs11Config } from '../config.js'
import type { Profile } from '../profiles/profile.js'
import { RandomPool } from './random-pool.js'
import { openSlackBytes, type FreshSeal, type Sealing } from './sealing/sealing.js'
import { isSuite, sealings } from './sealing/sealings.js'
import { p256PublicKeyInfo } from './spki.js'

/** At most so many bytes in one call of `random`. */
export const randomBytesMax = 64 * 1024
const livenessBytes = 16

/** Of Pkcs11Config. */
export type DriverOptions = Pick<Pkcs11Config, 'verifySeals' | 'verifyOpens' | 'objectsMax'>

/** Two wrong answers agree by chance once in some hundred times; so a device that has lied is asked more often for a while. */
const suspicionMs = 60_000
const looksInSuspicion = 3

/** Before the second try of a ciphertext that the token refused by a word that also means "too busy". */
const busyDecryptPauseMs = 10

/**
 * Everything this service does with a token: synchronous, single-threaded, one operation at a time on one session of its own.
 * Throws HsmError and nothing else.
 */
export class Driver {
  private readonly connection: Connection
  private readonly profile: Profile
  private readonly lib: pkcs11.PKCS11
  private readonly verifySeals: boolean
  private readonly verifyOpens: boolean
  private suspiciousUntil = -Infinity
  private readonly sealings: Readonly<Record<Suite, Sealing>>
  private readonly pool: RandomPool
  private readonly canary: Canary
  private readonly budget: ObjectBudget
  private readonly materials: Materials
  /** Where a trial opening lands; wiped after each. */
  private readonly scratch: Buffer

  /** `connection` is closed by `close`. */
  constructor(connection: Connection, { verifySeals, verifyOpens = true, objectsMax }: DriverOptions) {
    this.connection = connection
    this.profile = connection.profile
    this.lib = connection.lib
    this.verifySeals = verifySeals
    this.verifyOpens = verifyOpens
    this.pool = new RandomPool(this.profile.randomChunkBytes, target => { this.lib.C_GenerateRandom(this.session(), target) })
    this.sealings = sealings(this.lib, this.profile, target => { this.pool.fill(target) }, connection.log)
    this.canary = new Canary(connection, this.sealings.gcm)
    this.budget = new ObjectBudget(connection, objectsMax)
    this.materials = new Materials(connection, this.budget)
    this.scratch = Buffer.alloc(this.profile.seal.plaintextBytesMax + blockBytes + macBytes + openSlackBytes)
  }

  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Sealed {
    const sealing = this.sealingOf(material)
    requireLength('additional data', additionalData, additionalDataBytes)
    requireAtMost('plaintext', plaintext.length, this.profile.seal.plaintextBytesMax)
    const data = view(plaintext)
    const aad = view(additionalData)
    const sealed = this.connection.repeatable(
      'sealing', () => sealing.encrypt(this.session(), this.connection.handles(material), data, aad), material,
    )
    if (this.verifySeals) this.tryOpening(sealing, material, sealed, data, aad)
    return sealed
  }

  open(material: Material, sealed: Sealed, additionalData: Uint8Array): Uint8Array {
    const sealing = this.sealingOf(material)
    requireLength('additional data', additionalData, additionalDataBytes)
    if (!sealing.accepts(sealed.iv.length, sealed.ciphertext.length)) throw ciphertextInvalid()
    const given = { iv: view(sealed.iv), ciphertext: view(sealed.ciphertext) }
    const aad = view(additionalData)
    return this.connection.repeatable('opening', () => {
      // Memory of its own: what holds a plaintext is wiped by its owner and shared with nothing.
      const out = Buffer.allocUnsafeSlow(given.ciphertext.length + openSlackBytes)
      const plaintext = this.judge(sealing, material, given, aad, out)
      if (!plaintext) throw ciphertextInvalid()
      // Tag and MAC vouch for the ciphertext, and nobody for what the device made of it.
      if (this.verifyOpens && !this.opensAgain(sealing, material, given, plaintext, aad)) {
        out.fill(0)
        throw this.twoAnswers('one ciphertext opened to two plaintexts', material)
      }
      return plaintext
    }, material)
  }

  mac(material: Material, data: Uint8Array): Uint8Array {
    requireKind(material, 'hmac-sha-256')
    requireAtMost('data', data.length, this.profile.macBytesMax)
    const bytes = view(data)
    return this.connection.repeatable('making a MAC', () => {
      const tag = hmac(this.lib, this.session(), this.first(material), bytes)
      const same = !this.verifyOpens || timingSafeEqual(tag, hmac(this.lib, this.session(), this.first(material), bytes))
      if (!same) throw this.twoAnswers('one text had two MACs', material)
      return tag
    }, material)
  }

  sign(material: Material, digest: Uint8Array): Uint8Array {
    requireKind(material, 'ecdsa-p256')
    requireLength('a digest', digest, digestBytes)
    const bytes = view(digest)
    return this.connection.repeatable('signing', () => {
      const [privateKey, publicKey] = this.connection.handles(material) as readonly [Handle, Handle]
      const signature = signDigest(this.lib, this.session(), privateKey, bytes)
      if (this.verifyOpens && !verifiesDigest(this.lib, this.session(), publicKey, bytes, signature)) {
        throw this.twoAnswers('a fresh signature did not verify', material)
      }
      return signature
    }, material)
  }

  publicKey(material: Material): Uint8Array {
    requireKind(material, 'ecdsa-p256')
    return this.connection.repeatable('reading a public key', () => {
      const [, object] = this.connection.handles(material)
      const [read] = this.lib.C_GetAttributeValue(this.session(), object as Handle, [{ type: pkcs11.CKA_EC_POINT }])
      return p256PublicKeyInfo(read?.value ?? new Uint8Array())
    }, material)
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
    this.connection.repeatable('probing', () => { this.lib.C_GenerateRandom(this.session(), Buffer.alloc(livenessBytes)) })
  }

  close(): void {
    this.pool.clear()
    this.connection.close()
  }

  private session(): Handle {
    return this.connection.session()
  }

  private first(material: Material): Handle {
    return this.connection.handles(material)[0] as Handle
  }

  private sealingOf({ name, kind }: Material): Sealing {
    if (!isSuite(kind)) throw new HsmError('configuration', `material ${name} is of kind ${kind}, which seals nothing`)
    return this.sealings[kind]
  }

  /** Repeated on its own: sealing again would be a second encryption under the key, and only one was counted. */
  private tryOpening(sealing: Sealing, material: Material, sealed: FreshSeal, plaintext: Buffer, additionalData: Buffer): void {
    const good = this.connection.repeatable(
      'trial opening', () => this.opensTo(sealing, material, sealed, plaintext, additionalData), material,
    )
    if (good) return
    this.connection.log.error('a fresh ciphertext does not open to what was sealed', { material: material.name })
    throw new HsmError('lost', 'a fresh ciphertext does not open to what was sealed')
  }

  private opensAgain(sealing: Sealing, material: Material, sealed: FreshSeal, plaintext: Buffer, additionalData: Buffer): boolean {
    const looks = performance.now() < this.suspiciousUntil ? looksInSuspicion : 1
    for (let look = 0; look < looks; look++) {
      if (!this.opensTo(sealing, material, sealed, plaintext, additionalData)) return false
    }
    return true
  }

  private opensTo(sealing: Sealing, material: Material, sealed: FreshSeal, plaintext: Buffer, additionalData: Buffer): boolean {
    const out = this.scratch.subarray(0, sealed.ciphertext.length + openSlackBytes)
    try {
      const opened = this.decrypt(sealing, material, sealed, additionalData, out)
      return opened?.length === plaintext.length && timingSafeEqual(opened, plaintext)
    } catch (error) {
      // Nobody but the device can be to blame here.
      if (this.isAmbiguous(material, error)) return false
      throw error
    } finally {
      out.fill(0)
    }
  }

  /** `decrypt` for a client's ciphertext: where the token's answer leaves open who is to blame, the canary decides. */
  private judge(sealing: Sealing, material: Material, sealed: FreshSeal, additionalData: Buffer, out: Buffer): Buffer | undefined {
    try {
      return this.decrypt(sealing, material, sealed, additionalData, out)
    } catch (error) {
      if (!this.isAmbiguous(material, error)) throw error
      this.canary.requireWorking(error)
      return undefined
    }
  }

  /**
   * undefined if the ciphertext does not verify. That, and an answer that may also be a failure of the device, is believed the second time;
   * `cbc-hmac` has asked twice already.
   */
  private decrypt(sealing: Sealing, material: Material, sealed: FreshSeal, additionalData: Buffer, out: Buffer): Buffer | undefined {
    try {
      const plaintext = sealing.decrypt(this.session(), this.connection.handles(material), sealed, additionalData, out)
      if (plaintext || material.kind !== 'gcm') return plaintext
    } catch (error) {
      if (!this.isAmbiguous(material, error)) throw error
      if (this.profile.returnValues.busy.includes(returnValueOf(error) ?? 0)) pause(busyDecryptPauseMs)
    }
    return sealing.decrypt(this.session(), this.connection.handles(material), sealed, additionalData, out)
  }

  private twoAnswers(what: string, { name }: Material): HsmError {
    this.suspiciousUntil = performance.now() + suspicionMs
    this.connection.log.error(`the device does not agree with itself: ${what}`, { material: name })
    return new HsmError('lost', what)
  }

  /** Of `cbc-hmac` every ciphertext that is decrypted is authentic. */
  private isAmbiguous(material: Material, error: unknown): boolean {
    return material.kind === 'gcm' && this.profile.returnValues.ambiguous.includes(returnValueOf(error) ?? 0)
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
