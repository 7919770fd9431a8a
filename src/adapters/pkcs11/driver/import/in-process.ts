import { createDecipheriv, type KeyObject } from 'node:crypto'
import type { Handle } from 'pkcs11js'
import type { Material } from '../../../../domain/material.js'
import { HsmError, type WrappedMaterial } from '../../../../ports/hsm.js'
import type { Connection } from '../connection.js'
import type { ObjectPlan } from '../evidence.js'
import { view } from '../operations.js'
import { oaepDecrypt } from '../rsa-oaep.js'
import { importFacts } from './facts.js'
import { publicFingerprint, secretFingerprint } from './fingerprint.js'
import { readPrivateKey, type PrivateParts } from './pkcs8.js'
import { belongsTogether, isSecret, type Trier } from './proof.js'
import { importTemplate, privateValues, publicHalf, publicValues, requireSecretLength, secretValues, spkiOf } from './templates.js'
import type { ImportWay, MakeObjects } from './way.js'
import { cannotUnwrap, wrappedParts, type WrappedParts } from './wrapping.js'

/** The alternative initial value of AES-KWP, the half that is fixed (RFC 5649, section 3). */
const kwpInitialValue = Buffer.from('a65959a6', 'hex')
const kwpKeyBytes = 32

/** Material as it is in this process for a moment. Its bytes are overwritten when the work is done. */
type Opened =
  | { readonly form: 'secret', readonly bytes: Uint8Array }
  | { readonly form: 'pair', readonly parts: PrivateParts, readonly publicKey: KeyObject }

/** For tokens that cannot unwrap what clients send: the wrapping key decrypts, and the object is made of the bytes. */
export class InProcessImport implements ImportWay {
  readonly way = 'process'
  private readonly connection: Connection
  private readonly driver: Trier

  constructor(connection: Connection, driver: Trier) {
    this.connection = connection
    this.driver = driver
  }

  fingerprint(material: Material, wrapped: WrappedMaterial): Uint8Array {
    return this.opened(material, wrapped, opened => {
      return opened.form === 'secret' ? secretFingerprint(opened.bytes) : publicFingerprint(spkiOf(opened.publicKey))
    })
  }

  making(material: Material, wrapped: WrappedMaterial, make: (objects: MakeObjects, prove: () => void) => void): void {
    this.opened(material, wrapped, opened => {
      make((plans, undo) => this.create(opened, plans, undo), () => { this.prove(material, opened) })
    })
  }

  /** The material is known to be right: if the object is not, the device has not kept it well. */
  private prove(material: Material, opened: Opened): void {
    const good = opened.form === 'secret'
      ? isSecret(this.driver, material, opened.bytes)
      : belongsTogether(this.connection, material, opened.publicKey)
    if (!good) throw new HsmError('lost', `what the device keeps as ${material.name} is not what it was given`)
  }

  private create(opened: Opened, plans: readonly ObjectPlan[], undo: (made: readonly Handle[]) => void): readonly Handle[] {
    const { lib } = this.connection
    const made: Handle[] = []
    try {
      for (const plan of plans) {
        made.push(lib.C_CreateObject(this.connection.session(), importTemplate(plan, valuesFor(plan, plans, opened))))
      }
    } catch (error) {
      if (made.length > 0) undo(made)
      throw error
    }
    return made
  }

  private opened<T>(material: Material, wrapped: WrappedMaterial, work: (opened: Opened) => T): T {
    const facts = importFacts(material.kind)
    const bytes = this.unwrapped(wrapped)
    try {
      if (facts.form === 'secret') {
        requireSecretLength(facts, bytes.length)
        return work({ form: 'secret', bytes })
      }
      const parts = readPrivateKey(bytes, facts)
      return work({ form: 'pair', parts, publicKey: publicHalf(parts, facts) })
    } finally {
      bytes.fill(0)
    }
  }

  /** The caller overwrites it. */
  private unwrapped(wrapped: WrappedMaterial): Buffer {
    const { rsa, kwp, ...oaep } = wrappedParts(wrapped)
    const first = this.decrypted(wrapped.wrappingKey, rsa, oaep)
    if (!kwp) return first
    try {
      return kwpUnwrap(first, kwp)
    } finally {
      first.fill(0)
    }
  }

  private decrypted(key: Material, ciphertext: Uint8Array, oaep: Pick<WrappedParts, 'hash' | 'modulusBytes'>): Buffer {
    const { lib, profile: { oaep: mode, returnValues } } = this.connection
    if (mode === 'none') throw new HsmError('unsupported', 'this token does no RSA-OAEP')
    const choice = { ...oaep, mode, invalid: returnValues.ciphertextInvalid }
    const once = (): Buffer => oaepDecrypt(lib, this.connection.session(), this.connection.handles(key)[0] as Handle, ciphertext, choice)
    return this.connection.repeatable('unwrapping key material', () => {
      try {
        return once()
      } catch (error) {
        // Believed the second time: one wrong bit of the device looks the same.
        if (error instanceof HsmError && error.kind === 'ciphertext-invalid') return once()
        throw error
      }
    }, key)
  }
}

/** AES-KWP with a 256-bit key. Throws kind `ciphertext-invalid`. */
export function kwpUnwrap(key: Uint8Array, wrapped: Uint8Array): Buffer {
  if (key.length !== kwpKeyBytes) throw cannotUnwrap()
  try {
    const decipher = createDecipheriv('id-aes256-wrap-pad', view(key), kwpInitialValue)
    const bytes = decipher.update(view(wrapped))
    decipher.final()
    return bytes
  } catch {
    throw cannotUnwrap()
  }
}

function valuesFor({ role }: ObjectPlan, plans: readonly ObjectPlan[], opened: Opened) {
  if (opened.form === 'secret') return secretValues(opened.bytes)
  if (role === 'public') return publicValues(opened.publicKey)
  return privateValues(opened.parts, plans.find(plan => plan.role === 'public')?.wanted.ec_params)
}
