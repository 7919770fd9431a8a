import type { MaterialKind, Suite } from '../../../domain/material.js'
import type { AttributeName, AttributeValues } from '../driver/attributes.js'

/**
 * What one vendor does its own way, as data: the driver asks a profile and never which vendor it has. Plain values only, because a
 * profile travels to lane processes as JSON (hence no sets, no bytes, no undefined).
 */
export interface Profile {
  readonly name: string
  /** For people: vendor and product. */
  readonly title: string
  /** What a device or its mode of operation decides, and is found out by keys made for it and destroyed again, after the first login. */
  readonly probeAtStart: StartProbe
  /**
   * Any one of them fits when every field it gives equals what library and token say of themselves, without padding; `*` at its end fits
   * any rest, `*x*` any text around x. Where several profiles fit, the one whose match says most is taken.
   */
  readonly match: readonly TokenMatch[]
  /** Where the driver runs: quick local tokens in the server's own process, everything else in processes of its own. */
  readonly host: Host
  readonly pin: PinShape
  readonly seal: SealFacts
  /** RSA-OAEP: done by the token; or raw RSA in the token and the padding removed here in constant time; or not to be had. */
  readonly oaep: 'native' | 'raw' | 'none'
  /**
   * Key material of clients: unwrapped by the token straight into the object; or decrypted by the token and made an object of by this
   * process, which has it for a moment; or not to be had. `hsm-secrets`: unwrapped by the token, but it takes no private keys.
   */
  readonly import: 'hsm' | 'hsm-secrets' | 'process' | 'refuse'
  readonly edwards: EdwardsFacts
  /** Kinds that the token's list of mechanisms promises and that it does not make. */
  readonly lacks: readonly MaterialKind[]
  /** Data of one HMAC call. */
  readonly macBytesMax: number
  /** Bytes of one C_GenerateRandom. */
  readonly randomChunkBytes: number
  readonly labelBytesMax: number
  /** A CKA_ID of ours that is longer is left out, and the token chooses one. */
  readonly idBytesMax: number
  /** A longer label or id would cost a helper object. */
  readonly helperObjects: boolean
  /** How many objects the token holds at most; null when nobody says. What helper objects and others use counts, too. */
  readonly objectsMax: number | null
  /** Public and private half of a pair are one object to `objectsMax`. */
  readonly pairIsOneObject: boolean
  readonly template: Readonly<Record<ObjectRole, TemplateFacts>>
  /** CKA_ALLOWED_MECHANISMS binds a key to its one mechanism. */
  readonly allowedMechanisms: boolean
  /** CKA_CHECK_VALUE can be read. */
  readonly checkValue: boolean
  /** Keys with CKA_TOKEN false can be made: what self-tests and canaries work with. Without them they make, and destroy, token objects. */
  readonly sessionKeys: boolean
  /** Attributes of the evidence that this vendor cannot show; any other must be readable and right. */
  readonly unreadable: readonly AttributeName[]
  /** Makes an object in several steps, of which a crash can leave the first ones behind. */
  readonly leavesUnfinished: boolean
  readonly returnValues: ReturnValueFacts
  /** What helps when session or device are lost, cheapest first; `new-process` is for lanes only. */
  readonly recover: readonly RecoveryStep[]
  readonly lanes: LaneFacts
  /** Where each statement above comes from; what is not named is `documentation`. */
  readonly sources: Partial<Readonly<Record<FactName, Source>>>
}

export type Host = 'inline' | 'process'

/** `seal`: which way of sealing works, and how · `everything`: all that can be seen from outside. */
export type StartProbe = 'nothing' | 'seal' | 'everything'

export interface TokenMatch { readonly manufacturer?: string, readonly model?: string, readonly libraryDescription?: string }

export interface SealFacts {
  /** What new backing keys are sealed with. Opening takes what the ciphertext says, as far as the token can. */
  readonly mode: SealMode
  /** The mechanism of AES-GCM; vendors have their own. */
  readonly gcmMechanism: number
  /** The IV that the HSM makes (`writeback`, `prefix`, `suffix`), or that we give: 12, or 16 on Luna in FIPS mode. */
  readonly ivBytes: 12 | 16
  /** ulIvBits when encrypting. */
  readonly ivBits: number
  readonly plaintextBytesMax: number
  /** Room in the output buffer beyond ciphertext and tag. */
  readonly outputSlackBytes: number
  /** Whether AES-GCM seals no bytes at all. Where not, that is refused: no client can ask for it, the KMS API has at least one. */
  readonly emptyPlaintext: boolean
}

/**
 * `gcm-caller-iv`: 12 bytes of the token's own generator · `gcm-hsm-iv-writeback`: the HSM writes its IV over the zeros we give ·
 * `gcm-hsm-iv-prefix`, `gcm-hsm-iv-suffix`: it stands before the ciphertext, or behind the tag · `cbc-hmac`: no GCM.
 */
export type SealMode = 'gcm-caller-iv' | 'gcm-hsm-iv-writeback' | 'gcm-hsm-iv-prefix' | 'gcm-hsm-iv-suffix' | 'cbc-hmac'

/** `mac` is an HMAC key: the root, and the second object of `cbc-hmac`. */
export type ObjectRole = 'secret' | 'mac' | 'private' | 'public'

export interface TemplateFacts {
  /** Added to the portable template, or said otherwise than there, and expected back. */
  readonly set: AttributeValues
  /** Refused by the token in a template. Still expected back, unless `unreadable`. */
  readonly omit: readonly AttributeName[]
  /** What the token says of its objects otherwise than our template or the standard would have it: expected as it stands here. */
  readonly reads?: AttributeValues
}

export interface EdwardsFacts {
  /** How CKA_EC_PARAMS names the curve of Ed25519. */
  readonly parameters: 'oid' | 'name'
  /** CKM_EDDSA takes CK_EDDSA_PARAMS and does Ed25519ph. Some tokens take them and sign without: then never. */
  readonly prehash: boolean
}

export interface ReturnValueFacts {
  /** From C_Decrypt: the ciphertext does not verify. Wrong here, and a client's bad bytes become our fault. */
  readonly ciphertextInvalid: readonly number[]
  /** From C_Decrypt: that, or the device fails. A second ciphertext, which is good, tells which. */
  readonly ambiguous: readonly number[]
  /** Tried again with back-off on the same session, then `busy`. */
  readonly busy: readonly number[]
  readonly lost: readonly number[]
  /** From generating: nothing was made and a second try may work. */
  readonly createAgain: readonly number[]
}

export type RecoveryStep = 'new-session' | 'login-again' | 'reinitialise' | 'new-process'

export interface LaneFacts {
  /** Of host `process`. The token's own session limit lowers it. */
  readonly count: number
  /** Whether several sessions of one process work at the same time; says why lanes are processes. */
  readonly parallelPerProcess: boolean
  /** Most sessions that the token has for everybody; null when it does not say. */
  readonly maxSessions: number | null
  readonly callDeadlineMs: number
  /** For making and destroying objects, and searching. */
  readonly slowCallDeadlineMs: number
  /** Between the opening of one lane and the next. */
  readonly openGapMs: number
  /** An idle lane asks the device for a random byte that often; 0: never. */
  readonly keepAliveMs: number
  /** A new object may be unknown elsewhere for so long: what is `missing` within it is tried again. */
  readonly settleMs: number
}

/**
 * `device`: seen on the device, by the tests of this project or by `hsm probe` · `report`: somebody else saw it · `assumed`: verify before
 * relying on it.
 */
export type Source = 'device' | 'documentation' | 'report' | 'assumed'
export type FactName = Exclude<keyof Profile, 'name' | 'title' | 'probeAtStart' | 'sources'>

/** `AAAApassword`: four hex digits name the authentication key. */
export type PinShape = 'free-text' | 'user:password' | 'AAAApassword'

/** The suite that a mode makes. */
export function suiteOf({ seal }: Pick<Profile, 'seal'>): Suite {
  return seal.mode === 'cbc-hmac' ? 'cbc-hmac' : 'gcm'
}
