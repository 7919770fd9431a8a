import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { HsmError } from '../../../ports/hsm.js'
import type { Log } from '../../../ports/log.js'
import { returnValueName } from '../driver/errors.js'
import type { PinStamp } from './pin.js'
import type { TokenInfo } from './slots.js'

/** What the marker file says, as JSON. */
export interface Refusal {
  /** ISO 8601. */
  readonly at: string
  readonly token: { readonly label: string, readonly serial: string }
  /** CKR value of C_Login. */
  readonly code: number
  /** null if the PIN was not read from a file. */
  readonly pinFile: PinStamp | null
}

const ownerOnlyFile = 0o600

/**
 * A file that says that a token refused its PIN, for the processes after this one: a service that is started again and again would lock
 * the token with one wrong PIN. It goes when a login succeeds; until then only another PIN file, or its removal, allows the next try.
 */
export class RefusalMarker {
  readonly #file: string | undefined
  readonly #log: Log

  /** Without a file nothing is remembered beyond this process. */
  constructor(file: string | undefined, log: Log) {
    this.#file = file
    this.#log = log
  }

  /** Of kind `login` if this PIN was refused by this token before. `stamp` is of the PIN that is about to be used. */
  find(token: TokenInfo, stamp: PinStamp | undefined): HsmError | undefined {
    const refusal = this.#read()
    if (refusal === undefined) return undefined
    if (refusal === 'unreadable') {
      return refused(`a PIN may have been refused: ${this.#file} is there but cannot be read; remove it if all is right`)
    }
    const { at, code, token: { label, serial }, pinFile } = refusal
    if (label !== token.label || serial !== token.serial) return undefined
    if (pinFile && stamp && (pinFile.modifiedMs !== stamp.modifiedMs || pinFile.bytes !== stamp.bytes)) return undefined
    const remedy = pinFile ? `write the right one to its file, or remove ${this.#file}` : `give the right one and remove ${this.#file}`
    return refused(`the token ${label} refused the PIN at ${at} (${returnValueName(code)}), and it is not tried again: ${remedy}`, code)
  }

  /** Never throws: the refusal itself is what the operator must see. */
  write(token: TokenInfo, code: number, stamp: PinStamp | undefined): void {
    if (this.#file === undefined) return
    const refusal: Refusal = {
      at: new Date().toISOString(), token: { label: token.label, serial: token.serial }, code, pinFile: stamp ?? null,
    }
    try {
      replaceDurably(this.#file, `${JSON.stringify(refusal)}\n`)
    } catch (error) {
      this.#log.error('a refused PIN could not be noted for the next start', { file: this.#file, code: codeOf(error) })
    }
  }

  /** After a login. Never throws. */
  clear(): void {
    if (this.#file === undefined) return
    try {
      rmSync(this.#file, { force: true })
    } catch (error) {
      this.#log.error('the note of a refused PIN could not be removed', { file: this.#file, code: codeOf(error) })
    }
  }

  #read(): Refusal | 'unreadable' | undefined {
    if (this.#file === undefined) return undefined
    try {
      return asRefusal(JSON.parse(readFileSync(this.#file, 'utf8')))
    } catch (error) {
      return codeOf(error) === 'ENOENT' ? undefined : 'unreadable'
    }
  }
}

function refused(message: string, code?: number): HsmError {
  return new HsmError('login', message, code)
}

function asRefusal(value: unknown): Refusal | 'unreadable' {
  const { at, token, code, pinFile } = (value ?? {}) as Partial<Refusal>
  const stamped = pinFile === null || (typeof pinFile?.modifiedMs === 'number' && typeof pinFile.bytes === 'number')
  const named = typeof token?.label === 'string' && typeof token.serial === 'string'
  return typeof at === 'string' && named && typeof code === 'number' && stamped ? { at, token, code, pinFile } : 'unreadable'
}

// A power failure must not bring back the state in which the PIN would be tried again.
function replaceDurably(file: string, text: string): void {
  const beside = `${file}.new-${process.pid}`
  const descriptor = openSync(beside, 'w', ownerOnlyFile)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(beside, file)
  const directory = openSync(dirname(file), 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
