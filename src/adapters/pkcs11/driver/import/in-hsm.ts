import type { KeyObject } from 'node:crypto'
import pkcs11, { type Handle, type Mechanism, type Template } from 'pkcs11js'
import type { Material } from '../../../../domain/material.js'
import { HsmError, type WrappedMaterial } from '../../../../ports/hsm.js'
import { template, type AttributeValues } from '../attributes.js'
import type { Connection } from '../connection.js'
import { hsmError, returnValueOf } from '../errors.js'
import { objectPlans, type ObjectPlan } from '../evidence.js'
import { hashes } from '../numbers.js'
import { view } from '../operations.js'
import { oaepMechanism } from '../rsa-oaep.js'
import { withSessionObject } from '../session-objects.js'
import { importFacts, wrongMaterial, type ImportFacts } from './facts.js'
import { publicFingerprint, secretFingerprintText } from './fingerprint.js'
import { belongsTogether } from './proof.js'
import { curveKey, importTemplate, publicBits, publicValues, requireSecretLength, rsaKey, spkiOf, type CurveFacts } from './templates.js'
import type { ImportWay, MakeObjects } from './way.js'
import { cannotUnwrap, kwpMechanism, wrappedParts } from './wrapping.js'

/** What looks at unwrapped material lives and ends with the call. */
const sessionSecret: AttributeValues = {
  class: pkcs11.CKO_SECRET_KEY, token: false, private: true, sensitive: true, extractable: false,
  encrypt: false, decrypt: false, wrap: false, derive: false,
}
const fingerprintKey: AttributeValues = { ...sessionSecret, key_type: pkcs11.CKK_GENERIC_SECRET, sign: true, verify: false, unwrap: false }
const keyEncryptionKey: AttributeValues = { ...sessionSecret, key_type: pkcs11.CKK_AES, sign: false, verify: false, unwrap: true }
const fingerprintBytes = 32
const livenessBytes = 16

/** CKA_PUBLIC_KEY_INFO of PKCS#11 2.40: the SubjectPublicKeyInfo, also of a private key. */
const publicKeyInfo = 0x129

/** Answers of C_UnwrapKey that blame what was to be unwrapped (PKCS#11 2.40, section 5.14). */
const invalidWrapping: readonly number[] = [
  pkcs11.CKR_WRAPPED_KEY_INVALID, pkcs11.CKR_WRAPPED_KEY_LEN_RANGE, pkcs11.CKR_ENCRYPTED_DATA_INVALID,
  pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE,
]
/** Answers that blame the key, if the wrapping is sound: some tokens have no code for it. */
const wrongKey: readonly number[] = [
  pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_TEMPLATE_INCOMPLETE, pkcs11.CKR_TEMPLATE_INCONSISTENT,
  pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
  pkcs11.CKR_DOMAIN_PARAMS_INVALID, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_ARGUMENTS_BAD,
]

/** Unwrapped by the token, straight to the object: no byte of the material is ever in this process. */
export class InHsmImport implements ImportWay {
  readonly way = 'hsm'
  private readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  fingerprint(material: Material, wrapped: WrappedMaterial): Uint8Array {
    const facts = importFacts(material.kind)
    if (facts.form === 'secret') return this.secretFingerprint(wrapped, facts)
    return publicFingerprint(spkiOf(this.publicHalf(material, wrapped, facts)))
  }

  making(material: Material, wrapped: WrappedMaterial, make: (objects: MakeObjects, prove: () => void) => void): void {
    const facts = importFacts(material.kind)
    // Judged before anything is made of it: the token would take a shorter key, too.
    if (facts.form === 'secret') this.secretFingerprint(wrapped, facts)
    const publicKey = facts.form === 'secret' ? undefined : this.publicHalf(material, wrapped, facts)
    make((plans, undo) => this.create(wrapped, publicKey, plans, undo), () => { if (publicKey) this.prove(material, publicKey) })
  }

  /** Of a private key that was never seen: its numbers need not belong together, and then it would sign, and nobody could verify. */
  private prove(material: Material, publicKey: KeyObject): void {
    if (!belongsTogether(this.connection, material, publicKey)) throw wrongMaterial('the numbers of the private key do not belong together')
  }

  private create(
    wrapped: WrappedMaterial, publicKey: KeyObject | undefined, plans: readonly ObjectPlan[], undo: (made: readonly Handle[]) => void,
  ): readonly Handle[] {
    const made: Handle[] = []
    const create = (plan: ObjectPlan): Handle => plan.role === 'public' && publicKey
      ? this.connection.lib.C_CreateObject(this.connection.session(), importTemplate(plan, publicValues(publicKey)))
      : this.unwrap(wrapped, importTemplate(plan))
    try {
      for (const plan of plans) made.push(create(plan))
    } catch (error) {
      if (made.length > 0) undo(made)
      throw error
    }
    return made
  }

  private secretFingerprint(wrapped: WrappedMaterial, facts: ImportFacts): Uint8Array {
    const { lib } = this.connection
    return this.repeatable(wrapped, () => this.looking(wrapped, template(fingerprintKey), key => {
      const session = this.connection.session()
      const bytes = this.number(key, pkcs11.CKA_VALUE_LEN)
      requireSecretLength(facts, bytes)
      lib.C_SignInit(session, { mechanism: pkcs11.CKM_SHA256_HMAC }, key)
      return Buffer.from(lib.C_Sign(session, secretFingerprintText(bytes), Buffer.alloc(fingerprintBytes)))
    }))
  }

  private publicHalf(material: Material, wrapped: WrappedMaterial, facts: Exclude<ImportFacts, { readonly form: 'secret' }>): KeyObject {
    const plans = objectPlans(material, this.connection.profile)
    const secret = plans.find(({ role }) => role === 'private')
    const open = plans.find(({ role }) => role === 'public')
    if (!secret || !open) throw new HsmError('configuration', `material ${material.name} is no key pair`)
    const { label: _label, id: _id, ...wanted } = secret.wanted
    const session = importTemplate({ ...secret, wanted: { ...wanted, token: false } })
    const look = (key: Handle): KeyObject => facts.form === 'rsa' ? this.rsaHalf(key, facts.bits) : this.curveHalf(key, facts, open)
    const once = (): KeyObject | undefined => this.unlessWrongKey(() => this.looking(wrapped, session, look))
    return this.repeatable(wrapped, () => {
      // Believed the second time: a device that fails for once may say the same.
      const half = once() ?? once()
      if (half) return half
      this.requireSound(wrapped)
      throw wrongMaterial('the key material is not of the right type of key')
    })
  }

  /** undefined where the token blames the key, which costs it neither session nor login: a client can send what it likes. */
  private unlessWrongKey<T>(look: () => T): T | undefined {
    try {
      return look()
    } catch (error) {
      if (error instanceof HsmError || !wrongKey.includes(returnValueOf(error) ?? 0)) throw error
      return undefined
    }
  }

  /** Tells a bad wrapping, and a device that has failed, apart from a key of another kind. Not every token unwraps just any bytes. */
  private requireSound(wrapped: WrappedMaterial): void {
    const { lib } = this.connection
    this.unlessWrongKey(() => this.looking(wrapped, template(fingerprintKey), () => undefined))
    lib.C_GenerateRandom(this.connection.session(), Buffer.alloc(livenessBytes))
  }

  private rsaHalf(key: Handle, bits: number): KeyObject {
    const found = rsaKey(this.bytes(key, pkcs11.CKA_MODULUS), this.bytes(key, pkcs11.CKA_PUBLIC_EXPONENT))
    if (found.asymmetricKeyDetails?.modulusLength !== bits) throw wrongMaterial(`the key material is no RSA key of ${bits} bits`)
    return found
  }

  private curveHalf(key: Handle, facts: CurveFacts, { wanted }: ObjectPlan): KeyObject {
    const parameters = wanted.ec_params
    if (!(parameters instanceof Uint8Array)) throw new HsmError('configuration', 'the kind of a curve has no parameters')
    if (!this.bytes(key, pkcs11.CKA_EC_PARAMS).equals(parameters)) throw wrongMaterial('the key material is on another curve')
    const info = this.optional(key, publicKeyInfo)
    const point = info ? publicBits(info) : this.optional(key, pkcs11.CKA_EC_POINT)
    if (!point) throw new HsmError('unsupported', 'this token does not tell the public half of an unwrapped key')
    return curveKey(facts, point)
  }

  /** Unwraps to an object of the session, and destroys it when it was looked at. */
  private looking<T>(wrapped: WrappedMaterial, wanted: Template, look: (key: Handle) => T): T {
    return withSessionObject(this.connection, this.connection.session(), this.unwrap(wrapped, wanted), look)
  }

  private repeatable<T>({ wrappingKey }: WrappedMaterial, run: () => T): T {
    return this.connection.repeatable('looking at key material', run, wrappingKey)
  }

  private unwrap(wrapped: WrappedMaterial, wanted: Template): Handle {
    const { rsa, kwp, hash } = wrappedParts(wrapped)
    const [oaep, outer] = [oaepMechanism(hashes[hash]), this.connection.handles(wrapped.wrappingKey)[0] as Handle]
    if (!kwp) return this.unwrapped(oaep, outer, rsa, wanted)
    const inner = this.unwrapped(oaep, outer, rsa, template(keyEncryptionKey))
    return withSessionObject(this.connection, this.connection.session(), inner, key => this.unwrapped(kwpMechanism, key, kwp, wanted))
  }

  private unwrapped(mechanism: Mechanism, key: Handle, bytes: Uint8Array, wanted: Template): Handle {
    try {
      return this.connection.lib.C_UnwrapKey(this.connection.session(), mechanism, key, Buffer.from(view(bytes)), wanted)
    } catch (error) {
      const code = returnValueOf(error) ?? 0
      const { profile } = this.connection
      if (invalidWrapping.includes(code) || profile.returnValues.ciphertextInvalid.includes(code)) throw cannotUnwrap()
      if (code === pkcs11.CKR_MECHANISM_INVALID) throw hsmError('unsupported', 'unwrapping key material', error)
      throw error
    }
  }

  private number(key: Handle, type: number): number {
    const bytes = this.bytes(key, type)
    if (bytes.length !== 8) throw new HsmError('unsupported', 'this token does not tell the length of an unwrapped key')
    return Number(bytes.readBigUInt64LE())
  }

  private bytes(key: Handle, type: number): Buffer {
    const bytes = this.optional(key, type)
    if (!bytes) throw new HsmError('unsupported', 'this token does not tell what it has unwrapped')
    return bytes
  }

  private optional(key: Handle, type: number): Buffer | undefined {
    try {
      const [read] = this.connection.lib.C_GetAttributeValue(this.connection.session(), key, [{ type }])
      const value = read?.value
      return Buffer.isBuffer(value) && value.length > 0 ? value : undefined
    } catch (error) {
      const code = returnValueOf(error)
      if (code === pkcs11.CKR_ATTRIBUTE_TYPE_INVALID || code === pkcs11.CKR_ATTRIBUTE_SENSITIVE) return undefined
      throw error
    }
  }
}
