import type { OaepAlgorithm, SigningAlgorithm } from '../domain/key-spec.js'
import type { Evidence } from '../domain/key.js'
import type { Material, MaterialKind, Suite } from '../domain/material.js'

/**
 * One key store: a token behind PKCS#11, its profile and its lanes. Every method may throw HsmError and nothing else.
 * All but createMaterial and importMaterial may be repeated after a failure; before those two are, look with `find`.
 */
export interface Hsm {
  /** What new backing keys of this store seal with. Throws kind `lost` while no token has been reached yet. */
  readonly suite: Suite
  /** Which kinds of material the token has the mechanisms for. Throws as `suite` does. */
  readonly kinds: ReadonlySet<MaterialKind>

  /**
   * Encrypts with a backing key or `root/seal`. The IV comes from the HSM, never from the caller. `additionalData` is the 32 bytes
   * of domain/ciphertext-blob.ts. When the store verifies its seals, the result was opened once in the HSM and compared.
   * The caller still owns `plaintext` and overwrites it.
   */
  seal(material: Material, plaintext: Uint8Array, additionalData: Uint8Array): Promise<Sealed>
  /** Throws kind `ciphertext-invalid` for every wrong byte of iv, ciphertext or additional data. */
  open(material: Material, sealed: Sealed, additionalData: Uint8Array): Promise<Uint8Array>
  /** HMAC with the hash of the material's kind, in full length. */
  mac(material: Material, data: Uint8Array): Promise<Uint8Array>
  /**
   * `input` is the digest for RSA and ECDSA, the message itself for the others (for ED25519_PH_SHA_512 what is hashed once more inside).
   * ECDSA answers r‖s, each as long as the order of the curve; the others what the KMS API shows.
   */
  sign(material: Material, algorithm: SigningAlgorithm, input: Uint8Array): Promise<Uint8Array>
  /** Input and signature as `sign` has them; false for every signature that is not one, whatever its length. */
  verify(material: Material, algorithm: SigningAlgorithm, input: Uint8Array, signature: Uint8Array): Promise<boolean>
  /** SubjectPublicKeyInfo, DER. */
  publicKey(material: Material): Promise<Uint8Array>
  /** RSAES-OAEP with an empty label, MGF1 with the same hash; the seed comes from the HSM. */
  encrypt(material: Material, algorithm: OaepAlgorithm, plaintext: Uint8Array): Promise<Uint8Array>
  /** Throws kind `ciphertext-invalid`, the same for every defect. */
  decrypt(material: Material, algorithm: OaepAlgorithm, ciphertext: Uint8Array): Promise<Uint8Array>
  /**
   * The x-coordinate that ECDH gives with the other side's public key, an uncompressed point (`04‖x‖y`, checked to be on the curve by the
   * caller). Made inside; the derived object is destroyed again.
   */
  deriveSharedSecret(material: Material, peerPoint: Uint8Array): Promise<Uint8Array>
  /** ML-KEM (FIPS 203). */
  encapsulate(material: Material): Promise<Encapsulation>
  /** Throws kind `ciphertext-invalid` for a ciphertext of the wrong length only. */
  decapsulate(material: Material, ciphertext: Uint8Array): Promise<Uint8Array>
  /** Fresh bytes of the HSM's generator, given out once. The caller owns and overwrites them. */
  random(length: number): Promise<Uint8Array>

  /**
   * Makes a new non-exportable token object (two for kinds that need them), reads it back, and destroys it again if it is not what
   * it should be. Throws kind `exists` when the name is taken.
   */
  createMaterial(material: Material): Promise<readonly Evidence[]>
  /**
   * Unwraps what arrived under a wrapping key, judges it, and says what it is, without keeping it. Throws kind `ciphertext-invalid` if it
   * cannot be unwrapped, `material` if it is not what material of this kind must be.
   */
  inspectImport(material: Material, wrapped: WrappedMaterial): Promise<InspectedImport>
  /** Makes token objects of it, non-exportable, and reads them back; their evidence says LOCAL false. As `createMaterial` otherwise. */
  importMaterial(material: Material, wrapped: WrappedMaterial): Promise<readonly Evidence[]>
  /** Destroys every object of that name; answers how many there were. No object is no error. */
  destroyMaterial(material: Material): Promise<number>
  /** Reads the evidence of existing material again; undefined when there is none. Throws kind `evidence` if it is not as it should be. */
  find(material: Material): Promise<readonly Evidence[] | undefined>
  /** Labels of all objects that the login can see, ours or not. */
  list(): Promise<readonly ObjectListing[]>

  /** Objects in the token, and how many it holds as far as anybody knows. */
  capacity(): Promise<Capacity>
  /** How the store is doing, from memory: no call to the device. */
  status(): HsmStatus

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

export interface Encapsulation { readonly sharedSecret: Uint8Array, readonly ciphertext: Uint8Array }

export type WrappingAlgorithm = 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'RSA_AES_KEY_WRAP_SHA_1' | 'RSA_AES_KEY_WRAP_SHA_256'

/** Key material as a client wrapped it (KMS developer guide, Importing key material). */
export interface WrappedMaterial {
  readonly wrappingKey: Material
  readonly algorithm: WrappingAlgorithm
  readonly bytes: Uint8Array
}

export interface InspectedImport {
  /**
   * 32 bytes that only the same material gives and that do not tell it: of secret keys HMAC-SHA-256 under the material itself of
   * "claviger imported key material\0" and its length (u32), of key pairs SHA-256 of the SubjectPublicKeyInfo.
   */
  readonly fingerprint: Uint8Array
  readonly way: 'hsm' | 'process'
}

export interface ObjectListing {
  readonly label: string
  readonly objectClass: 'secret' | 'private' | 'public' | 'other'
}

export interface Capacity {
  readonly used: number
  /** From the profile, the configuration, or learnt when the token was full; undefined when nobody knows. */
  readonly max: number | undefined
}

/** Plain values: goes out as JSON. */
export interface HsmStatus {
  readonly host: 'inline' | 'process'
  /** undefined while no token has been reached. */
  readonly token: { readonly label: string, readonly serial: string, readonly manufacturer: string, readonly model: string } | undefined
  readonly profile: string | undefined
  readonly suite: Suite | undefined
  /** `open`: the device is gone, calls are refused at once, and it is tried with back-off. `refused`: the PIN was, and nothing is tried. */
  readonly circuit: 'closed' | 'open' | 'refused'
  readonly lanes: readonly LaneStatus[]
  readonly queue: { readonly length: number, readonly max: number, readonly waitMsMax: number }
  /** Since the start. `refused`: never sent to a lane, because the queue was full or the wait too long, or the circuit open. */
  readonly calls: { readonly done: number, readonly failed: number, readonly refused: number, readonly deadlineMissed: number }
  /** Of the newest calls, in microseconds, from being handed in to being answered. */
  readonly latency: { readonly p50: number, readonly p99: number, readonly max: number, readonly calls: number }
}

export interface LaneStatus {
  readonly lane: number
  readonly pid: number | undefined
  readonly state: 'starting' | 'idle' | 'busy' | 'waiting'
  readonly calls: number
  /** How often its process was replaced. */
  readonly replaced: number
}

/**
 * What a return code means to us:
 * `ciphertext-invalid` the client's bytes · `busy` try again later · `lost` session, login or device is gone, a later call may work ·
 * `capacity` the token is full · `missing` the material is not in the token, or its name is not unique · `exists` the name is
 * taken · `evidence` an object is not what it should be · `login` the PIN was refused, never tried again ·
 * `material` imported key material is not what it should be · `unsupported` the token has not got what this needs ·
 * `configuration` the token, the profile or our use of it is wrong.
 */
export type HsmErrorKind =
  | 'ciphertext-invalid' | 'busy' | 'lost' | 'capacity' | 'missing' | 'exists' | 'evidence' | 'login' | 'material' | 'unsupported'
  | 'configuration'

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
