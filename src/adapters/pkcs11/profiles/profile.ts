import type { Suite } from '../../../domain/material.js'
import type { AttributeName, AttributeValues } from '../driver/attributes.js'

/** What one vendor does its own way, as data. The driver asks a profile and never which vendor it has. */
export interface Profile {
  readonly name: string
  /** Every given field must equal what library and token say of themselves, without padding. */
  readonly match: { readonly manufacturer?: string, readonly model?: string, readonly libraryDescription?: string }
  /** Where the driver runs; quick local tokens are called in the server's own process. */
  readonly host: 'inline'
  /** What new backing keys seal with. */
  readonly suite: Suite
  readonly pin: PinShape
  readonly seal: {
    /** `gcm-caller-iv`: we give 12 bytes of the token's own generator. */
    readonly mode: 'gcm-caller-iv'
    readonly plaintextBytesMax: number
    /** Room in the output buffer beyond ciphertext and tag. */
    readonly outputSlackBytes: number
  }
  readonly macBytesMax: number
  readonly randomChunkBytes: number
  readonly labelBytesMax: number
  /** A longer CKA_ID is left out. */
  readonly idBytesMax: number
  /** Added to the portable templates, and expected back. */
  readonly template: Readonly<Record<ObjectRole, AttributeValues>>
  /** CKA_ALLOWED_MECHANISMS binds a key to its one mechanism. */
  readonly allowedMechanisms: boolean
  /** Attributes of the evidence that this vendor cannot show; any other must be readable and right. */
  readonly unreadable: readonly AttributeName[]
  /** Makes an object in several steps, of which a crash can leave the first ones behind. */
  readonly leavesUnfinished: boolean
  readonly returnValues: {
    /** From C_Decrypt: the ciphertext does not verify. Wrong here, and a client's bad bytes become our fault. */
    readonly ciphertextInvalid: readonly number[]
    /** From C_Decrypt: that, or the device fails. A second ciphertext, which is good, tells which. */
    readonly ambiguous: readonly number[]
    readonly busy: readonly number[]
    readonly lost: readonly number[]
    /** From generating: nothing was made and a second try may work. */
    readonly createAgain: readonly number[]
  }
}

export type ObjectRole = 'secret' | 'private' | 'public'

/** `AAAApassword`: four hex digits name the authentication key. */
export type PinShape = 'free-text' | 'user:password' | 'AAAApassword'
