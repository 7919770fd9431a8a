import { timingSafeEqual } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { Material } from '../../../domain/material.js'
import { HsmError, type Encapsulation } from '../../../ports/hsm.js'
import type { Connection } from './connection.js'
import type { Doubt } from './doubt.js'
import { canEncapsulate, type EncapsulatingLibrary } from './encapsulation.js'
import { curveOf, latticeBytes, newer } from './numbers.js'
import { exactly, view } from './operations.js'
import { requireLength, wrongKind } from './requirements.js'
import { ecdh, readSecret } from './session-objects.js'

const uncompressed = 0x04
const sharedSecretBytes = 32
const mlKem = { mechanism: newer.CKM_ML_KEM }

/** Secrets that two sides come to have: ECDH, and ML-KEM. Each is an object of the session for a moment, is read, and destroyed. */
export class Agreement {
  private readonly connection: Connection
  private readonly doubt: Doubt

  constructor(connection: Connection, doubt: Doubt) {
    this.connection = connection
    this.doubt = doubt
  }

  deriveSharedSecret(material: Material, peerPoint: Uint8Array): Uint8Array {
    if (!material.kind.startsWith('ecdh-')) throw wrongKind(material, 'agrees on no secrets')
    const { fieldBytes } = curveOf(material.kind)
    requireLength('a public point', peerPoint, 1 + 2 * fieldBytes)
    if (peerPoint[0] !== uncompressed) throw new HsmError('configuration', 'a public point must be uncompressed')
    const once = (): Buffer => ecdh(this.connection, this.half(material, 0), view(peerPoint), fieldBytes)
    return this.connection.repeatable('deriving a shared secret', () => this.confirmed(material, once(), once), material)
  }

  encapsulate(material: Material): Encapsulation {
    const { output } = this.mlKem(material)
    return this.connection.repeatable('encapsulating', () => {
      let ciphertext: Buffer = Buffer.alloc(output)
      const publicKey = this.half(material, 1)
      const secret = readSecret(this.connection, sharedSecretBytes, (_lib, session, template) => {
        const made = this.encapsulating().C_EncapsulateKey(session, mlKem, publicKey, template, ciphertext)
        ciphertext = made.ciphertext
        return made.key
      })
      if (ciphertext.length !== output) secret.fill(0)
      exactly(output, ciphertext)
      return { sharedSecret: this.confirmed(material, secret, () => this.decapsulated(material, ciphertext)), ciphertext }
    }, material)
  }

  decapsulate(material: Material, ciphertext: Uint8Array): Uint8Array {
    const { output } = this.mlKem(material)
    // Of any other ciphertext of this length ML-KEM makes a secret, which nobody else has.
    if (ciphertext.length !== output) throw new HsmError('ciphertext-invalid', 'the ciphertext has not the length that it must have')
    const once = (): Buffer => this.decapsulated(material, view(ciphertext))
    return this.connection.repeatable('decapsulating', () => this.confirmed(material, once(), once), material)
  }

  private decapsulated(material: Material, ciphertext: Buffer): Buffer {
    const privateKey = this.half(material, 0)
    return readSecret(this.connection, sharedSecretBytes, (_lib, session, template) =>
      this.encapsulating().C_DecapsulateKey(session, mlKem, privateKey, template, ciphertext))
  }

  private mlKem(material: Material): { readonly output: number } {
    const facts = material.kind.startsWith('ml-kem-') ? latticeBytes[material.kind] : undefined
    if (!facts) throw wrongKind(material, 'encapsulates nothing')
    this.encapsulating()
    return facts
  }

  private encapsulating(): EncapsulatingLibrary {
    const { lib } = this.connection
    if (canEncapsulate(lib)) return lib
    throw new HsmError('unsupported', 'the PKCS#11 binding has no C_EncapsulateKey: it is of before PKCS#11 3.2')
  }

  private confirmed(material: Material, secret: Buffer, again: () => Buffer): Buffer {
    const same = (): boolean => {
      const second = again()
      try {
        return timingSafeEqual(secret, second)
      } finally {
        second.fill(0)
      }
    }
    try {
      if (this.doubt.confirmed(same)) return secret
    } catch (error) {
      secret.fill(0)
      throw error
    }
    secret.fill(0)
    throw this.doubt.twoAnswers('one shared secret came out as two', material)
  }

  private half(material: Material, at: 0 | 1): Handle {
    return this.connection.handles(material)[at] as Handle
  }
}
