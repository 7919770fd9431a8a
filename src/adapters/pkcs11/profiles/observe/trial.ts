import { randomBytes } from 'node:crypto'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { template, type AttributeValues } from '../../driver/attributes.js'
import { failureText, returnValueOf } from '../../driver/errors.js'

/** A token that this process is logged in to. */
export interface Place {
  readonly lib: PKCS11
  readonly slot: Handle
}

/** What came of asking the token for something that it may refuse. */
export type Answer<T> =
  | { readonly ok: true, readonly value: T }
  | { readonly ok: false, readonly returnValue: number | undefined, readonly text: string }

/** Of these no conclusion about the token can be drawn: the device, the login or our session is gone. */
const gone = new Set<number | undefined>([
  pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
  pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_DEVICE_MEMORY,
])
const sessionFlags = pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION

export function ask<T>(run: () => T): Answer<T> {
  try {
    return { ok: true, value: run() }
  } catch (error) {
    const returnValue = returnValueOf(error)
    if (gone.has(returnValue) && returnValue !== undefined) throw error
    return { ok: false, returnValue, text: failureText(error) }
  }
}

/**
 * Keys made to be tried and destroyed again, under an unmistakable name. PKCS#11 2.40 has no call that ends an operation: so every try has
 * a session of its own.
 */
export class Trial {
  readonly lib: PKCS11
  /** The label of everything made here, 24 bytes. */
  readonly label = `claviger-trial-${randomBytes(4).toString('hex')}`
  /** Whether the next keys are session keys. Some tokens treat those otherwise than the objects that they keep. */
  sessionKeys = false
  private readonly slot: Handle
  private readonly keySession: Handle
  private readonly made = new Set<Handle>()

  private constructor({ lib, slot }: Place) {
    this.lib = lib
    this.slot = slot
    this.keySession = lib.C_OpenSession(slot, sessionFlags)
  }

  /** Nothing is left in the token afterwards, unless the device goes away meanwhile. */
  static run<T>(place: Place, use: (trial: Trial) => T): T {
    const trial = new Trial(place)
    try {
      return use(trial)
    } finally {
      trial.end()
    }
  }

  onSession<T>(run: (session: Handle) => T): T {
    const session = this.lib.C_OpenSession(this.slot, sessionFlags)
    try {
      return run(session)
    } finally {
      this.close(session)
    }
  }

  /** `wanted` as for a token object; throws what the library throws. */
  key(mechanism: number, wanted: AttributeValues): Handle {
    return this.keep(this.lib.C_GenerateKey(this.keySession, { mechanism }, template(this.here(wanted))))
  }

  pair(mechanism: number, publicKey: pkcs11.Template, privateKey: pkcs11.Template): pkcs11.KeyPair {
    const pair = this.lib.C_GenerateKeyPair(this.keySession, { mechanism }, publicKey, privateKey)
    return { publicKey: this.keep(pair.publicKey), privateKey: this.keep(pair.privateKey) }
  }

  /** The attributes with CKA_TOKEN as trials need it. */
  here(wanted: AttributeValues): AttributeValues {
    return { ...wanted, token: !this.sessionKeys }
  }

  discard(...objects: readonly Handle[]): void {
    for (const object of objects) {
      if (!this.made.delete(object)) continue
      try {
        this.lib.C_DestroyObject(this.keySession, object)
      } catch {
        // Both halves of a pair may be one object to the token.
      }
    }
  }

  get mechanisms(): readonly number[] {
    return this.lib.C_GetMechanismList(this.slot)
  }

  /** Reads on the session that holds the keys. */
  reading<T>(read: (session: Handle) => T): T {
    return read(this.keySession)
  }

  /** Bytes of the token's own generator. */
  random(target: Buffer): void {
    this.onSession(session => this.lib.C_GenerateRandom(session, target))
  }

  private keep(object: Handle): Handle {
    this.made.add(object)
    return object
  }

  private end(): void {
    this.discard(...this.made)
    this.close(this.keySession)
  }

  private close(session: Handle): void {
    try {
      this.lib.C_CloseSession(session)
    } catch {
      // Gone already, and its keys with it.
    }
  }
}
