import { randomBytes } from 'node:crypto'
import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'

export interface Pins {
  /** As it is. */
  readonly soPin: string
  /** As it shall be, where it must be changed before the token can be used. */
  readonly newSoPin?: string
  readonly pin: string
}

/** `length` letters, digits, - and _. */
export function newPin(length: number): string {
  return randomBytes(length).toString('base64url').slice(0, length)
}

/** The user PIN, set by the security officer (PKCS#11 2.40, section 5.6). */
export function initialise(lib: PKCS11, slot: Handle, { soPin, newSoPin, pin }: Pins): void {
  const session = lib.C_OpenSession(slot, pkcs11.CKF_RW_SESSION | pkcs11.CKF_SERIAL_SESSION)
  lib.C_Login(session, pkcs11.CKU_SO, soPin)
  if (newSoPin !== undefined) lib.C_SetPIN(session, soPin, newSoPin)
  lib.C_InitPIN(session, pin)
  lib.C_Logout(session)
  // A login with the new PIN: NSS writes its password check only now, and openCryptoki its master key.
  lib.C_Login(session, pkcs11.CKU_USER, pin)
  lib.C_Logout(session)
  lib.C_CloseSession(session)
}
