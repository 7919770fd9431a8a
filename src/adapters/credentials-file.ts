import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const ownerOnly = 0o600
const linePattern = /^([A-Z_]+)=(.*)$/

/** The administrator's credentials as a file that a shell can source: one `NAME=value` a line, mode 0600, replaced as a whole. */
export function writeCredentialsFile(file: string, credentials: Readonly<Record<string, string>>): void {
  const lines = Object.entries(credentials).map(([name, value]) => `${name}=${value}\n`)
  const temporary = `${file}.new`
  // What a crash, or somebody else, left there is not written into: it may be a link, or open to others.
  rmSync(temporary, { force: true })
  writeNew(temporary, lines.join(''))
  renameSync(temporary, file)
  syncOpened(openSync(dirname(file), 'r'))
}

function writeNew(file: string, text: string): void {
  syncOpened(openSync(file, 'wx', ownerOnly), descriptor => writeFileSync(descriptor, text))
}

function syncOpened(descriptor: number, write?: (descriptor: number) => void): void {
  try {
    write?.(descriptor)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** undefined when there is no such file: an operator may have moved the secret to a safer place. */
export function readCredentialsFile(file: string): Readonly<Record<string, string>> | undefined {
  if (!existsSync(file)) return undefined
  const pairs = readFileSync(file, 'utf8').split('\n').map(line => linePattern.exec(line)).filter(match => match !== null)
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]))
}
