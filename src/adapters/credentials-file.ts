import { chmodSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'

/** The administrator's credentials as a file that a shell can source: one `NAME=value` a line, mode 0600, replaced as a whole. */
export interface AdminCredentials {
  readonly AWS_ACCESS_KEY_ID: string
  readonly AWS_SECRET_ACCESS_KEY: string
  readonly AWS_REGION: string
  readonly AWS_ENDPOINT_URL_KMS: string
  readonly CLAVIGER_ACCOUNT_ID: string
}

const ownerOnly = 0o600
const linePattern = /^([A-Z_]+)=(.*)$/

export function writeCredentialsFile(file: string, credentials: Readonly<Record<string, string>>): void {
  const lines = Object.entries(credentials).map(([name, value]) => `${name}=${value}\n`)
  const temporary = `${file}.new`
  const descriptor = openSync(temporary, 'w', ownerOnly)
  try {
    writeSync(descriptor, lines.join(''))
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  chmodSync(temporary, ownerOnly)
  renameSync(temporary, file)
}

/** undefined when there is no such file: an operator may have moved the secret to a safer place. */
export function readCredentialsFile(file: string): Readonly<Record<string, string>> | undefined {
  if (!existsSync(file)) return undefined
  const pairs = readFileSync(file, 'utf8').split('\n').map(line => linePattern.exec(line)).filter(match => match !== null)
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]))
}
