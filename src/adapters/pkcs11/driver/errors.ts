import pkcs11 from 'pkcs11js'
import { HsmError, type HsmErrorKind } from '../../../ports/hsm.js'
import type { Profile } from '../profiles/profile.js'

/** What must be renewed before the next call: the session, or also the object handles. A new session logs in again if it must. */
export type Remedy = 'nothing' | 'new-session' | 'look-up'

export interface Reaction {
  readonly kind: HsmErrorKind
  readonly remedy: Remedy
  /** A call that may be repeated is repeated once. */
  readonly repeat: boolean
}

const row = (kind: HsmErrorKind, remedy: Remedy, repeat = false): Reaction => ({ kind, remedy, repeat })
const notOurs = row('lost', 'new-session', true)
const wrongUse = row('configuration', 'new-session')
const loginRefused = row('login', 'nothing')

/** By number: names exist for the codes of PKCS#11 2.20 only, and vendors have their own. */
const reactions = new Map<number, Reaction>([
  [pkcs11.CKR_SESSION_HANDLE_INVALID, row('lost', 'new-session', true)],
  [pkcs11.CKR_SESSION_CLOSED, row('lost', 'new-session', true)],
  [pkcs11.CKR_USER_NOT_LOGGED_IN, row('lost', 'new-session', true)],
  [pkcs11.CKR_OBJECT_HANDLE_INVALID, row('missing', 'look-up', true)],
  [pkcs11.CKR_KEY_HANDLE_INVALID, row('missing', 'look-up', true)],
  // Our session still holds an operation that failed half-way; there is no call that cancels it.
  [pkcs11.CKR_OPERATION_ACTIVE, row('lost', 'new-session', true)],
  [pkcs11.CKR_OPERATION_NOT_INITIALIZED, row('lost', 'new-session', true)],
  [pkcs11.CKR_SESSION_COUNT, row('busy', 'nothing')],
  [pkcs11.CKR_HOST_MEMORY, row('busy', 'new-session')],
  [pkcs11.CKR_FUNCTION_CANCELED, row('busy', 'new-session')],
  [pkcs11.CKR_DEVICE_MEMORY, row('capacity', 'new-session')],
  [pkcs11.CKR_DEVICE_REMOVED, row('lost', 'new-session')],
  [pkcs11.CKR_TOKEN_NOT_PRESENT, row('lost', 'new-session')],
  [pkcs11.CKR_SLOT_ID_INVALID, row('lost', 'new-session')],
  [pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, row('lost', 'new-session')],
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
  ].map(code => [code, wrongUse] as const),
])

/** The CKR value in any of the shapes the binding throws: a `code`, or `CKR_NAME:number` in the message. */
export function returnValueOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'number' && code > 0) return code
  const match = /CKR_[A-Z0-9_]+:(\d+)/.exec(error.message)
  return match ? Number(match[1]) : undefined
}

/** What a failure means on this token. An error that carries no CKR value is a wrong argument of ours. */
export function reactionTo(error: unknown, profile: Profile): Reaction {
  const code = returnValueOf(error)
  if (code === undefined) return wrongUse
  if (profile.returnValues.busy.includes(code)) return row('busy', 'new-session')
  if (profile.returnValues.lost.includes(code)) return row('lost', 'new-session')
  return reactions.get(code) ?? notOurs
}

/** The error callers see. Nothing of the binding's own text is passed on but the code. */
export function hsmError(kind: HsmErrorKind, doing: string, error: unknown): HsmError {
  const code = returnValueOf(error)
  return new HsmError(kind, code === undefined ? `${doing} failed` : `${doing}: ${returnValueName(code)}`, code, { cause: error })
}

const names = new Map<number, string>([
  [0x1b, 'CKR_ACTION_PROHIBITED'], [0x140, 'CKR_CURVE_NOT_SUPPORTED'],
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
