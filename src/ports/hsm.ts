import type { Evidence } from '../domain/key.js'
import type { Material, Suite } from '../domain/material.js'

/**
 * One key store: a token behind PKCS#11, its profile and its lanes. Every method may throw HsmError and nothing else.
 * seal, open, mac, sign and random may be repeated after a failure; createMaterial may not (look with `find` first).
 */
export interface Hsm {
  /** What new backing keys of this store seal with. */
  readonly suite: Suite

  /**
   * Encrypts with a backing key or `root/seal`. The IV comes from the HSM, never from the caller. `additionalData` is the 32 bytes
   * of domain/ciphertext-blob.ts. When the store verifies its seals, the result was opened once in the HSM and compared.
   * The caller still owns `plaintext` and overwrites it.
   */
  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed>
  /** Throws kind `ciphertext-invalid` for every wrong byte of iv, ciphertext or additional data. */
  open(material: Material, sealed: Sealed, additionalData: Uint8Array): Promise<Uint8Array>
  /** HMAC-SHA-256, 32 bytes. */
  mac(material: Material, data: Uint8Array): Promise<Uint8Array>
  /** ECDSA over P-256 of a SHA-256 digest; r‖s, 64 bytes. */
  sign(material: Material, digest: Uint8Array): Promise<Uint8Array>
  /** SubjectPublicKeyInfo, DER. */
  publicKey(material: Material): Promise<Uint8Array>
  /** Fresh bytes of the HSM's generator, given out once. The caller owns and overwrites them. */
  random(length: number): Promise<Uint8Array>

  /**
   * Makes a new non-exportable token object (two for kinds that need them), reads it back, and destroys it again if it is not what
   * it should be. Throws kind `exists` when the name is taken.
   */
  createMaterial(material: Material): Promise<readonly Evidence[]>
  /** Destroys every object of that name; answers how many there were. No object is no error. */
  destroyMaterial(material: Material): Promise<number>
  /** Reads the evidence of existing material again; undefined when there is none. Throws kind `evidence` if it is not as it should be. */
  find(material: Material): Promise<readonly Evidence[] | undefined>
  /** Labels of all objects that the login can see, ours or not. */
  list(): Promise<readonly ObjectListing[]>

  /** An operation on the device (random bytes), not a question its client library could answer alone. Throws when it fails. */
  probe(): Promise<void>
  /** Ends all sessions. The object must not be used afterwards. */
  close(): Promise<void>
}

export interface Sealed {
  readonly iv: Uint8Array
  /** Ciphertext and, behind it, the tag. */
  readonly ciphertext: Uint8Array
}

export interface ObjectListing {
  readonly label: string
  readonly objectClass: 'secret' | 'private' | 'public' | 'other'
}

/**
 * What a return code means to us:
 * `ciphertext-invalid` the client's bytes · `busy` try again later · `lost` session, login or device is gone, a later call may work ·
 * `capacity` the token is full · `missing` the material is not in the token, or its name is not unique · `exists` the name is
 * taken · `evidence` an object is not what it should be · `login` the PIN was refused, never tried again ·
 * `configuration` the token, the profile or our use of it is wrong.
 */
export type HsmErrorKind =
  | 'ciphertext-invalid' | 'busy' | 'lost' | 'capacity' | 'missing' | 'exists' | 'evidence' | 'login' | 'configuration'

export class HsmError extends Error {
  override readonly name = 'HsmError'
  readonly kind: HsmErrorKind
  /** The CKR value behind it, where there is one. */
  readonly returnValue: number | undefined

  constructor(kind: HsmErrorKind, message: string, returnValue?: number, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
    this.returnValue = returnValue
  }
}
