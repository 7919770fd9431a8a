import type { Profile, Host } from './profiles/profile.js'
import type { PinStamp } from './token/pin.js'

/** One token and how to work with it. Plain values: it travels to lane processes as JSON. */
export interface Pkcs11Config {
  /** Path of the vendor's library. */
  readonly module: string
  readonly tokenLabel?: string
  readonly tokenSerial?: string
  /** Where the user PIN is. Exactly one source; a lane is given the PIN itself, through its pipe. */
  readonly pin?: PinSource
  /** Name of a profile, where the token's own name does not tell; or a whole one, derived from the token by `generic`. */
  readonly profile?: string | Profile
  /** By profile, if not given. */
  readonly host?: Host
  /** Put into the environment before the library is loaded. */
  readonly environment?: Readonly<Record<string, string>>
  /** CK_C_INITIALIZE_ARGS.pReserved as a string: NSS softoken is configured that way. */
  readonly libraryParameters?: string
  /** No other process uses the token, so that what is unfinished in it was left by a crash and may be removed. */
  readonly alone?: boolean
  /** Where the token keeps its files, if it does not bring them to the disk itself: then we do, before material counts as made. */
  readonly durableDirectory?: string
  /** Open every seal once in the HSM and compare, before it is given out. */
  readonly verifySeals: boolean
  /** Ask twice for what is opened and for MACs, and have signatures verified, before any of it is given out; true if not given. */
  readonly verifyOpens?: boolean
  /** Lower than the profile's, or in its place where it has none. */
  readonly objectsMax?: number
  readonly lanes?: Partial<LaneConfig>
  /** A file that is made when the PIN was refused, and keeps every later start from trying the same again. */
  readonly refusalFile?: string
}

export type PinSource =
  | { readonly file: string }
  /** Name of a variable; taken out of the environment when it is read. */
  | { readonly environment: string }
  /** An inherited file descriptor, read to its end once. */
  | { readonly descriptor: number }
  /** A file in $CREDENTIALS_DIRECTORY (systemd.exec, LoadCredential). */
  | { readonly credential: string }
  /** As a lane gets it, with the stamp of the file that it was read from. Never in a configuration file. */
  | { readonly pin: string, readonly stamp?: PinStamp | undefined }

/** Of host `process`; what is not given comes from the profile or from the defaults of lanes/limits.ts. */
export interface LaneConfig {
  readonly count: number
  readonly callDeadlineMs: number
  readonly slowCallDeadlineMs: number
  readonly queueMax: number
  readonly queueWaitMs: number
  readonly openGapMs: number
  readonly keepAliveMs: number
}
