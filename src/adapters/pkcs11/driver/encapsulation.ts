import type { Handle, Mechanism, PKCS11, Template } from 'pkcs11js'

/**
 * C_EncapsulateKey and C_DecapsulateKey of PKCS#11 3.2 (section 5.18), as a binding of this family would have them. That of today has not,
 * so that ML-KEM is refused with it; what is here waits for one that has.
 */
export interface EncapsulatingLibrary {
  /** `ciphertext` is room for it; what is answered is as much of it as was used. The new object is the shared secret. */
  C_EncapsulateKey(
    session: Handle, mechanism: Mechanism, publicKey: Handle, template: Template, ciphertext: Buffer,
  ): { readonly ciphertext: Buffer, readonly key: Handle }
  C_DecapsulateKey(session: Handle, mechanism: Mechanism, privateKey: Handle, template: Template, ciphertext: Buffer): Handle
}

export function canEncapsulate(lib: PKCS11): lib is PKCS11 & EncapsulatingLibrary {
  const { C_EncapsulateKey, C_DecapsulateKey } = lib as Partial<EncapsulatingLibrary>
  return typeof C_EncapsulateKey === 'function' && typeof C_DecapsulateKey === 'function'
}
