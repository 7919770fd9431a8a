import type { Material } from '../../../domain/material.js'
import { HsmError } from '../../../ports/hsm.js'

/** What a caller of the driver has to hold; anything else is a fault of ours. All throw kind `configuration`. */

export function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new HsmError('configuration', `${what} must have ${length} bytes`)
}

export function requireAtMost(what: string, length: number, max: number): void {
  if (!(length >= 0 && length <= max)) throw new HsmError('configuration', `${what} may have at most ${max} bytes`)
}

export function wrongKind({ name, kind }: Material, what: string): HsmError {
  return new HsmError('configuration', `material ${name} is of kind ${kind}, which ${what}`)
}
