import { timingSafeEqual } from 'node:crypto'
import type { Material, Suite } from '../../../domain/material.js'
import { HsmError, type Sealed } from '../../../ports/hsm.js'
import { Canary } from './canary.js'
import type { Connection } from './connection.js'
import type { Doubt } from './doubt.js'
import { returnValueOf } from './errors.js'
import { additionalDataBytes, blockBytes, macBytes, view } from './operations.js'
import { pause } from './patience.js'
import type { Profile } from '../profiles/profile.js'
import { requireAtMost, requireLength, wrongKind } from './requirements.js'
import { openSlackBytes, type FreshSeal, type Sealing } from './sealing/sealing.js'
import { isSuite, sealings } from './sealing/sealings.js'

/** Before the second try of a ciphertext that the token refused by a word that also means "too busy". */
const busyDecryptPauseMs = 10

export interface SealParts {
  readonly connection: Connection
  readonly doubt: Doubt
  readonly verifySeals: boolean
  /** Fills from the token's generator. */
  readonly random: (target: Buffer) => void
}

/** Sealing and opening with the suites of domain/ciphertext-blob.ts. */
export class Seals {
  private readonly connection: Connection
  private readonly profile: Profile
  private readonly doubt: Doubt
  private readonly verifySeals: boolean
  private readonly sealings: Readonly<Record<Suite, Sealing>>
  private readonly canary: Canary
  /** Where a trial opening lands; wiped after each. */
  private readonly scratch: Buffer

  constructor({ connection, doubt, verifySeals, random }: SealParts) {
    this.connection = connection
    this.profile = connection.profile
    this.doubt = doubt
    this.verifySeals = verifySeals
    this.sealings = sealings(connection.lib, this.profile, random, connection.log)
    this.canary = new Canary(connection, this.sealings.gcm)
    this.scratch = Buffer.alloc(this.profile.seal.plaintextBytesMax + blockBytes + macBytes + openSlackBytes)
  }

  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Sealed {
    const sealing = this.sealingOf(material)
    requireLength('additional data', additionalData, additionalDataBytes)
    requireAtMost('plaintext', plaintext.length, this.profile.seal.plaintextBytesMax)
    const data = view(plaintext)
    const aad = view(additionalData)
    const sealed = this.connection.repeatable(
      'sealing', () => sealing.encrypt(this.connection.session(), this.connection.handles(material), data, aad), material,
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
      if (!this.doubt.confirmed(() => this.opensTo(sealing, material, given, plaintext, aad))) {
        out.fill(0)
        throw this.doubt.twoAnswers('one ciphertext opened to two plaintexts', material)
      }
      return plaintext
    }, material)
  }

  private sealingOf(material: Material): Sealing {
    if (!isSuite(material.kind)) throw wrongKind(material, 'seals nothing')
    return this.sealings[material.kind]
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
    const once = (): Buffer | undefined =>
      sealing.decrypt(this.connection.session(), this.connection.handles(material), sealed, additionalData, out)
    try {
      const plaintext = once()
      if (plaintext || material.kind !== 'gcm') return plaintext
    } catch (error) {
      if (!this.isAmbiguous(material, error)) throw error
      if (this.profile.returnValues.busy.includes(returnValueOf(error) ?? 0)) pause(busyDecryptPauseMs)
    }
    return once()
  }

  /** Of `cbc-hmac` every ciphertext that is decrypted is authentic. */
  private isAmbiguous(material: Material, error: unknown): boolean {
    return material.kind === 'gcm' && this.profile.returnValues.ambiguous.includes(returnValueOf(error) ?? 0)
  }
}

function ciphertextInvalid(): HsmError {
  return new HsmError('ciphertext-invalid', 'the ciphertext does not verify')
}
