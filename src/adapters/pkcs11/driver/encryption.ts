import { timingSafeEqual } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { OaepAlgorithm } from '../../../domain/key-spec.js'
import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import type { Doubt } from './doubt.js'
import { returnValueOf } from './errors.js'
import { modulusBytesOf } from './numbers.js'
import { oaepBytesMax, oaepDecrypt, oaepEncrypt, type OaepChoice, type OaepHash } from './rsa-oaep.js'
import { requireAtMost, wrongKind } from './requirements.js'
import { Verdict } from './verdict.js'

export interface EncryptionParts {
  readonly connection: Connection
  readonly doubt: Doubt
  readonly verifySeals: boolean
  /** Fills from the token's generator. */
  readonly random: (target: Buffer) => void
}

const canary = Buffer.alloc(16, 0x5a)
const hashOf: Readonly<Record<OaepAlgorithm, OaepHash>> = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' }

/** RSAES-OAEP under the kinds `rsa-*-encrypt`. */
export class Encryption {
  private readonly connection: Connection
  private readonly doubt: Doubt
  private readonly verifies: boolean
  private readonly random: (target: Buffer) => void
  private readonly verdict = new Verdict()

  constructor({ connection, doubt, verifySeals, random }: EncryptionParts) {
    this.connection = connection
    this.doubt = doubt
    this.verifies = verifySeals
    this.random = random
  }

  encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Uint8Array {
    const choice = this.choice(material, algorithm)
    requireAtMost('plaintext', plaintext.length, oaepBytesMax(choice))
    return this.connection.repeatable('encrypting', () => {
      const ciphertext = this.encrypted(material, plaintext, choice)
      if (this.verifies && !this.opensTo(material, ciphertext, choice, plaintext)) {
        throw this.doubt.twoAnswers('a fresh ciphertext does not open to what was encrypted', material)
      }
      return ciphertext
    }, material)
  }

  decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Uint8Array {
    const choice = this.choice(material, algorithm)
    return this.connection.repeatable('decrypting', () => {
      const plaintext = this.judge(material, ciphertext, choice)
      if (!plaintext) throw new HsmError('ciphertext-invalid', 'the ciphertext does not decrypt')
      // The padding vouches for the ciphertext, and hardly for what the device made of it.
      if (!this.doubt.confirmed(() => this.opensTo(material, ciphertext, choice, plaintext))) {
        plaintext.fill(0)
        throw this.doubt.twoAnswers('one ciphertext decrypted to two plaintexts', material)
      }
      return plaintext
    }, material)
  }

  private choice(material: Material, algorithm: OaepAlgorithm): OaepChoice {
    const { oaep: mode, returnValues } = this.connection.profile
    if (!/^rsa-\d+-encrypt$/.test(material.kind) || !Object.hasOwn(hashOf, algorithm)) throw wrongKind(material, `does no ${algorithm}`)
    if (mode === 'none') throw new HsmError('unsupported', 'this token does no RSA-OAEP')
    return { hash: hashOf[algorithm], mode, modulusBytes: modulusBytesOf(material.kind), invalid: returnValues.ciphertextInvalid }
  }

  private encrypted(material: Material, plaintext: Uint8Array, choice: OaepChoice): Buffer {
    const { lib } = this.connection
    return oaepEncrypt(lib, this.connection.session(), this.half(material, 1), plaintext, { ...choice, random: this.random })
  }

  private opensTo(material: Material, ciphertext: Uint8Array, choice: OaepChoice, plaintext: Uint8Array): boolean {
    let opened: Buffer | undefined
    try {
      opened = this.decrypted(material, ciphertext, choice)
      return opened?.length === plaintext.length && timingSafeEqual(opened, plaintext)
    } catch (error) {
      // Nobody but the device can be to blame here.
      if (this.isAmbiguous(error)) return false
      throw error
    } finally {
      opened?.fill(0)
    }
  }

  /** A client's ciphertext: where the token's answer leaves open who is to blame, a ciphertext of our own decides. */
  private judge(material: Material, ciphertext: Uint8Array, choice: OaepChoice): Buffer | undefined {
    try {
      return this.decrypted(material, ciphertext, choice)
    } catch (error) {
      if (!this.isAmbiguous(error)) throw error
      this.verdict.requireWorking(error, () => this.opensOurs(material, choice))
      return undefined
    }
  }

  /** undefined if the ciphertext does not decrypt, which is believed the second time. */
  private decrypted(material: Material, ciphertext: Uint8Array, choice: OaepChoice): Buffer | undefined {
    const once = (): Buffer | undefined => {
      try {
        return oaepDecrypt(this.connection.lib, this.connection.session(), this.half(material, 0), ciphertext, choice)
      } catch (error) {
        if (error instanceof HsmError && error.kind === 'ciphertext-invalid') return undefined
        throw error
      }
    }
    return once() ?? once()
  }

  private opensOurs(material: Material, choice: OaepChoice): boolean {
    return this.opensTo(material, this.encrypted(material, canary, choice), choice, canary)
  }

  private half(material: Material, at: 0 | 1): Handle {
    return this.connection.handles(material)[at] as Handle
  }

  private isAmbiguous(error: unknown): boolean {
    return this.connection.profile.returnValues.ambiguous.includes(returnValueOf(error) ?? 0)
  }
}
