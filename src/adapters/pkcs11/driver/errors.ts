import pkcs11 from 'pkcs11js'
import { HsmError, type HsmErrorKind } from '../../../ports/hsm.js'
import type { Profile } from '../profiles/profile.js'

/**
 * What is done about a failure before the call is made again, if it may be: `wait` a little on the same session · `look-up` the object
 * handles · `recover` by the profile's steps. Or it is not made again: `nothing` is wrong with the session, or it must be a `new-session`.
 */
export type Remedy = 'wait' | 'look-up' | 'recover' | 'nothing' | 'new-session'

export interface Reaction {
  /** What the caller learns when the remedy does not help. */
  readonly kind: HsmErrorKind
  readonly remedy: Remedy
}

const row = (kind: HsmErrorKind, remedy: Remedy): Reaction => ({ kind, remedy })
const lost = row('lost', 'recover')
const busy = row('busy', 'wait')
const wrongUse = row('configuration', 'new-session')
const loginRefused = row('login', 'nothing')

/** PKCS#11 3.0, newer than the binding's names. */
const aeadDecryptFailed = 0x42
const curveNotSupported = 0x140

/** By number: names exist for the codes of PKCS#11 2.20 only, and vendors have their own. What is not here may pass: `lost`. */
const reactions = new Map<number, Reaction>([
  // Whether material is missing, a search says.
  [pkcs11.CKR_OBJECT_HANDLE_INVALID, row('lost', 'look-up')],
  [pkcs11.CKR_KEY_HANDLE_INVALID, row('lost', 'look-up')],
  [pkcs11.CKR_SESSION_COUNT, row('busy', 'nothing')],
  [pkcs11.CKR_HOST_MEMORY, row('busy', 'new-session')],
  [pkcs11.CKR_FUNCTION_CANCELED, row('busy', 'new-session')],
  // Where something is made it means that the token is full (materials.ts); elsewhere that the device cannot work now.
  [pkcs11.CKR_DEVICE_MEMORY, row('busy', 'new-session')],
  ...[
    pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
    pkcs11.CKR_USER_PIN_NOT_INITIALIZED,
  ].map(code => [code, loginRefused] as const),
  ...[
    pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_BUFFER_TOO_SMALL, pkcs11.CKR_FUNCTION_REJECTED, pkcs11.CKR_FUNCTION_NOT_SUPPORTED,
    pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_KEY_SIZE_RANGE,
    pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_TEMPLATE_INCOMPLETE, pkcs11.CKR_TEMPLATE_INCONSISTENT,
    pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_ATTRIBUTE_SENSITIVE, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID,
    pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_SESSION_READ_ONLY, pkcs11.CKR_TOKEN_WRITE_PROTECTED,
    pkcs11.CKR_DOMAIN_PARAMS_INVALID, curveNotSupported,
  ].map(code => [code, wrongUse] as const),
])

/** What PKCS#11 has for a ciphertext that does not verify (2.40, section 5.9; 3.0 for the last one). */
const standardInvalid: readonly number[] = [
  pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE,
  aeadDecryptFailed,
]

/** Answers of C_Decrypt that blame the ciphertext and nothing else; also where the profile forgot one. */
export function ciphertextInvalidCodes({ returnValues }: Profile): ReadonlySet<number> {
  const doubtful = [...returnValues.ambiguous, ...returnValues.busy]
  return new Set([...standardInvalid, ...returnValues.ciphertextInvalid].filter(code => !doubtful.includes(code)))
}

/** The CKR value in any of the shapes the binding throws: a `code`, or `CKR_NAME:number` in the message. */
export function returnValueOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'number' && code > 0) return code
  const match = /CKR_[A-Z0-9_]+:(\d+)/.exec(error.message)
  return match ? Number(match[1]) : undefined
}

/** What a failure means on this token. An error that carries no CKR value is a wrong argument of ours. */
export function reactionTo(error: unknown, { returnValues }: Profile): Reaction {
  const code = returnValueOf(error)
  if (code === undefined) return wrongUse
  if (returnValues.busy.includes(code)) return busy
  if (returnValues.lost.includes(code)) return lost
  return reactions.get(code) ?? lost
}

/** The error callers see. Nothing of the binding's own text is passed on but the code. */
export function hsmError(kind: HsmErrorKind, doing: string, error: unknown): HsmError {
  const code = returnValueOf(error)
  return new HsmError(kind, code === undefined ? `${doing} failed` : `${doing}: ${returnValueName(code)}`, code, { cause: error })
}

const names = new Map<number, string>([
  [0x1b, 'CKR_ACTION_PROHIBITED'], [aeadDecryptFailed, 'CKR_AEAD_DECRYPT_FAILED'], [curveNotSupported, 'CKR_CURVE_NOT_SUPPORTED'],
  // Of NSS, for a directory that it cannot use (pkcs11n.h).
  [0xce534351, 'CKR_NSS_CERTDB_FAILED'], [0xce534352, 'CKR_NSS_KEYDB_FAILED'],
  ...Object.entries(pkcs11).filter(([name]) => name.startsWith('CKR_')).map(([name, code]) => [Number(code), name] as const),
])

/** For people: `CKR_GENERAL_ERROR (0x5)`. */
export function returnValueName(code: number): string {
  return `${names.get(code) ?? 'CKR'} (0x${code.toString(16)})`
}

/** One line about any failure, for a report: our own words or the return value's name, never the text of a foreign error. */
export function failureText(error: unknown): string {
  if (error instanceof HsmError) return `${error.kind}: ${error.message}`
  const code = returnValueOf(error)
  return code === undefined ? 'failed' : returnValueName(code)
}
