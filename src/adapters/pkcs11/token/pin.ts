import { readFileSync, statSync } from 'node:fs'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import type { PinSource } from '../config.js'
import type { PinShape } from '../profiles/profile.js'

export const pinBytesMax = 255

const shapes: Record<PinShape, RegExp> = {
  'free-text': /^.+$/s,
  'user:password': /^[^:]{1,31}:.{8,32}$/s,
  'AAAApassword': /^(@|#[^#]+#)?[0-9a-fA-F]{4}.{8,64}$/s,
}

/**
 * The PIN in a file, less one line end. Checked before the token sees it: a malformed one may count as a failed try. No error
 * says anything of its content.
 */
export function readPin(source: PinSource | undefined, shape: PinShape, lengths: { min: number, max: number }, log: Log): string {
  const file = source && 'file' in source ? source.file : undefined
  if (file === undefined) throw new HsmError('configuration', 'no PIN file is configured')
  const pin = readPinFile(file, log).replace(/\r?\n$/, '')
  const bytes = Buffer.byteLength(pin)
  const right = shapes[shape].test(pin) && bytes >= lengths.min && bytes <= (lengths.max || pinBytesMax)
  if (!right) throw new HsmError('configuration', `the PIN in ${file} is not of the form ${shape}, or not as long as the token asks`)
  return pin
}

function readPinFile(file: string, log: Log): string {
  try {
    const { mode, size } = statSync(file)
    if ((mode & 0o077) !== 0) log.warn('the PIN file can be read by others', { file })
    if (size > pinBytesMax + 2) throw new Error('the file is too long')
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new HsmError('configuration', `the PIN file ${file} cannot be read`, undefined, { cause: error })
  }
}
