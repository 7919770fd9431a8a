import type { Handle } from 'pkcs11js'

export interface FreshSeal { readonly iv: Buffer, readonly ciphertext: Buffer }

/** `out` of `decrypt` is so much longer than the ciphertext: some tokens ask for the room of all they are given, IV and tag too. */
export const openSlackBytes = 16

/**
 * One suite of domain/ciphertext-blob.ts on one token. `keys` are handles of the objects that the material consists of, in the order of its
 * plans; additional data has 32 bytes. Both calls throw what the library throws.
 */
export interface Sealing {
  /** Whether a ciphertext of ours can have these lengths. Others are never shown to the token. */
  accepts(ivBytes: number, ciphertextBytes: number): boolean
  /** Throws kind `configuration` when the token's answer is not what its profile says: it must not be given out. */
  encrypt(session: Handle, keys: readonly Handle[], plaintext: Buffer, additionalData: Buffer): FreshSeal
  /** The plaintext, at the beginning of `out`; undefined if the ciphertext does not verify, and then the session stays good. */
  decrypt(session: Handle, keys: readonly Handle[], sealed: FreshSeal, additionalData: Buffer, out: Buffer): Buffer | undefined
}
