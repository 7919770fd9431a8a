import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import { HsmError } from '../../../ports/hsm.js'
import { hsmError } from '../driver/errors.js'

/** Names and flags of a token, without padding. */
export interface TokenInfo {
  readonly label: string
  readonly serial: string
  readonly manufacturer: string
  readonly model: string
  readonly flags: number
  readonly pinBytes: { readonly min: number, readonly max: number }
}

export interface TokenChoice { readonly tokenLabel?: string, readonly tokenSerial?: string }

interface TokenInSlot { readonly slot: Handle, readonly info: TokenInfo }
interface Slots { readonly tokens: readonly TokenInSlot[], readonly empty: number, readonly failures: readonly unknown[] }

/** Names in one error message. */
const namesMax = 16

export function readTokenInfo(lib: PKCS11, slot: Handle): TokenInfo {
  const info = lib.C_GetTokenInfo(slot)
  return {
    label: info.label.trimEnd(),
    serial: info.serialNumber.trimEnd(),
    manufacturer: info.manufacturerID.trimEnd(),
    model: info.model.trimEnd(),
    flags: info.flags,
    pinBytes: { min: info.minPinLen, max: info.maxPinLen },
  }
}

export function isInitialisedToken(info: TokenInfo): boolean {
  return (info.flags & pkcs11.CKF_TOKEN_INITIALIZED) !== 0
}

/** Before a PIN is sent: however earlier tries ended, answered or not, the last one is the operator's. Throws kind `login`. */
export function requireTries({ label, flags }: TokenInfo): void {
  if ((flags & pkcs11.CKF_USER_PIN_LOCKED) !== 0) {
    throw new HsmError('login', `the PIN of the token ${label} is locked`, pkcs11.CKR_PIN_LOCKED)
  }
  if ((flags & pkcs11.CKF_USER_PIN_FINAL_TRY) === 0) return
  const remedy = 'log in once with the tool of its vendor'
  throw new HsmError('login', `the token ${label} has one try left before it locks its PIN, and it is not taken here: ${remedy}`)
}

/** Whether there is a token of that name, as far as the slots can be read. Never throws. */
export function hasToken(lib: PKCS11, choice: TokenChoice): boolean {
  try {
    return readSlots(lib).tokens.some(token => fits(token.info, choice))
  } catch {
    return false
  }
}

/**
 * The slot of the one token of that name: slot numbers change with every start on some tokens. Throws kind `configuration` if the
 * choice does not fit exactly one, and `lost` if the token may be behind a slot that does not answer, or no token is there at all.
 */
export function onlySlot(lib: PKCS11, choice: TokenChoice): Handle {
  const slots = readSlots(lib)
  const fitting = slots.tokens.filter(({ info }) => fits(info, choice))
  const [token] = fitting
  if (token && fitting.length === 1) return token.slot
  const what = `${fitting.length === 0 ? 'no token has' : `${fitting.length} tokens have`} ${asked(choice)}; exactly one must`
  if (fitting.length === 0 && slots.failures.length > 0) {
    throw hsmError('lost', `${what}, and ${slots.failures.length} could not be read`, slots.failures[0])
  }
  if (slots.tokens.length === 0 && slots.empty === 0) throw new HsmError('lost', `${what}, and no token is present`)
  throw new HsmError('configuration', `${what}. There are: ${names(slots)}`)
}

function readSlots(lib: PKCS11): Slots {
  const tokens: TokenInSlot[] = []
  const failures: unknown[] = []
  let empty = 0
  for (const slot of slotList(lib)) {
    try {
      const info = readTokenInfo(lib, slot)
      if (isInitialisedToken(info)) tokens.push({ slot, info })
      else empty += 1
    } catch (error) {
      // One reader that is broken must not hide the token in the next.
      failures.push(error)
    }
  }
  return { tokens, empty, failures }
}

function slotList(lib: PKCS11): readonly Handle[] {
  try {
    return lib.C_GetSlotList(true)
  } catch (error) {
    throw hsmError('lost', 'reading the slots', error)
  }
}

function fits(info: TokenInfo, { tokenLabel, tokenSerial }: TokenChoice): boolean {
  return (tokenLabel === undefined || info.label === tokenLabel) && (tokenSerial === undefined || info.serial === tokenSerial)
}

function asked({ tokenLabel, tokenSerial }: TokenChoice): string {
  return [tokenLabel && `label ${tokenLabel}`, tokenSerial && `serial ${tokenSerial}`].filter(Boolean).join(' and ') || 'any name'
}

function names({ tokens, empty }: Slots): string {
  const known = tokens.slice(0, namesMax).map(({ info }) => `label ${info.label} serial ${info.serial}`)
  const more = tokens.length > namesMax ? [`${tokens.length - namesMax} more`] : []
  return [...known, ...more, ...empty > 0 ? [`${empty} not initialised`] : []].join(', ')
}
