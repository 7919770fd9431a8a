import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pkcs11, { type Handle, type Mechanism, type PKCS11 } from 'pkcs11js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'

/** A token as the binding shows it, logged in, with nothing of the adapter between. For child processes: it has the library for itself. */
export class RawToken {
  readonly lib: PKCS11
  readonly slot: Handle
  session: Handle
  private readonly config: Pkcs11Config

  constructor(config: Pkcs11Config) {
    this.config = config
    // Before loading: p11-kit's client reads its address when it is loaded.
    Object.assign(process.env, config.environment)
    this.lib = new pkcs11.PKCS11()
    this.lib.load(config.module)
    this.slot = this.initialise()
    this.session = this.open()
    this.login()
  }

  /** Finalises and initialises anew, and logs in. */
  again(): void {
    this.lib.C_Finalize()
    this.initialise()
    this.session = this.open()
    this.login()
  }

  /** A session without anything unfinished in it. */
  fresh(): void {
    const spoilt = this.session
    this.session = this.open()
    this.lib.C_CloseSession(spoilt)
  }

  encrypt(mechanism: Mechanism, key: Handle, data: Buffer): Buffer {
    this.lib.C_EncryptInit(this.session, mechanism, key)
    return this.lib.C_Encrypt(this.session, data, Buffer.alloc(data.length + 64))
  }

  decrypt(mechanism: Mechanism, key: Handle, data: Buffer, room = data.length): Buffer {
    this.lib.C_DecryptInit(this.session, mechanism, key)
    return this.lib.C_Decrypt(this.session, data, Buffer.alloc(room))
  }

  sign(mechanism: number, key: Handle, data: Buffer): Buffer {
    this.lib.C_SignInit(this.session, { mechanism }, key)
    return this.lib.C_Sign(this.session, data, Buffer.alloc(128))
  }

  verify(mechanism: number, key: Handle, data: Buffer, signature: Buffer): boolean {
    this.lib.C_VerifyInit(this.session, { mechanism }, key)
    return this.lib.C_Verify(this.session, data, signature)
  }

  /** As hex. */
  read(object: Handle, type: number): string {
    return String(this.lib.C_GetAttributeValue(this.session, object, [{ type }])[0]?.value.toString('hex'))
  }

  generateAes(more: Attributes = {}): Handle {
    return this.lib.C_GenerateKey(this.session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, template({ ...aesKey(), ...more }))
  }

  generateHmac(more: Attributes = {}): Handle {
    return this.lib.C_GenerateKey(this.session, { mechanism: pkcs11.CKM_GENERIC_SECRET_KEY_GEN }, template({ ...hmacKey(), ...more }))
  }

  generatePair(): pkcs11.KeyPair {
    const mechanism = { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }
    return this.lib.C_GenerateKeyPair(this.session, mechanism, template(publicKey()), template(privateKey()))
  }

  private initialise(): Handle {
    const { libraryParameters, tokenLabel } = this.config
    // The binding cuts off the last character.
    const parameters = libraryParameters === undefined ? {} : { libraryParameters: `${libraryParameters} ` }
    this.lib.C_Initialize({ ...parameters, flags: pkcs11.CKF_OS_LOCKING_OK })
    const slot = this.lib.C_GetSlotList(true).find(each => this.lib.C_GetTokenInfo(each).label.trimEnd() === tokenLabel)
    if (!slot) throw new Error(`there is no token ${tokenLabel}`)
    return slot
  }

  private open(): Handle {
    return this.lib.C_OpenSession(this.slot, pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION)
  }

  private login(): void {
    const { pin } = this.config
    if (!pin || !('file' in pin)) throw new Error('a token for tests has its PIN in a file')
    this.lib.C_Login(this.session, pkcs11.CKU_USER, readFileSync(pin.file, 'latin1'))
  }
}

/** By CKA number. */
export type Attributes = Readonly<Record<number, boolean | number | string | Buffer>>

const labelBytes = 40
const idBytes = 20

/** What every vendor takes, as far as its documentation goes: all usages are said, nothing else is. */
const common = (): Attributes => ({
  [pkcs11.CKA_TOKEN]: true, [pkcs11.CKA_PRIVATE]: true, [pkcs11.CKA_DERIVE]: false,
  [pkcs11.CKA_LABEL]: randomBytes(labelBytes / 2).toString('hex'), [pkcs11.CKA_ID]: randomBytes(idBytes),
})
const secret: Attributes = { [pkcs11.CKA_SENSITIVE]: true, [pkcs11.CKA_EXTRACTABLE]: false }

const secretKey = (): Attributes => ({
  ...common(), ...secret, [pkcs11.CKA_CLASS]: pkcs11.CKO_SECRET_KEY, [pkcs11.CKA_VALUE_LEN]: 32,
  [pkcs11.CKA_ENCRYPT]: false, [pkcs11.CKA_DECRYPT]: false, [pkcs11.CKA_SIGN]: false, [pkcs11.CKA_VERIFY]: false,
  [pkcs11.CKA_WRAP]: false, [pkcs11.CKA_UNWRAP]: false,
})
const aesKey = (): Attributes => (
  { ...secretKey(), [pkcs11.CKA_KEY_TYPE]: pkcs11.CKK_AES, [pkcs11.CKA_ENCRYPT]: true, [pkcs11.CKA_DECRYPT]: true }
)
const hmacKey = (): Attributes => (
  { ...secretKey(), [pkcs11.CKA_KEY_TYPE]: pkcs11.CKK_GENERIC_SECRET, [pkcs11.CKA_SIGN]: true, [pkcs11.CKA_VERIFY]: true }
)
const privateKey = (): Attributes => ({
  ...common(), ...secret, [pkcs11.CKA_CLASS]: pkcs11.CKO_PRIVATE_KEY, [pkcs11.CKA_KEY_TYPE]: pkcs11.CKK_EC,
  [pkcs11.CKA_DECRYPT]: false, [pkcs11.CKA_SIGN]: true, [pkcs11.CKA_SIGN_RECOVER]: false, [pkcs11.CKA_UNWRAP]: false,
})
const publicKey = (): Attributes => ({
  ...common(), [pkcs11.CKA_CLASS]: pkcs11.CKO_PUBLIC_KEY, [pkcs11.CKA_KEY_TYPE]: pkcs11.CKK_EC,
  // P-256, 1.2.840.10045.3.1.7.
  [pkcs11.CKA_EC_PARAMS]: Buffer.from('06082a8648ce3d030107', 'hex'),
  [pkcs11.CKA_ENCRYPT]: false, [pkcs11.CKA_VERIFY]: true, [pkcs11.CKA_VERIFY_RECOVER]: false, [pkcs11.CKA_WRAP]: false,
})

function template(attributes: Attributes): pkcs11.Template {
  return Object.entries(attributes).map(([type, value]) => ({ type: Number(type), value }))
}
