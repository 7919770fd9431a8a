import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { findSoftHsm } from '../../src/adapters/pkcs11/token/softhsm-token.js'
import { backingKey } from '../../src/domain/material.js'

/** Independent looks at what a data directory holds: its token through pkcs11-tool (OpenSC), its database through plain SQL. */

/** An object as `pkcs11-tool --list-objects` shows it. */
export interface TokenObject {
  readonly kind: string
  readonly label: string
  readonly usage: string
  readonly access: string
}

const toolWaitMsMax = 20_000

export function softHsmEnvironment(dataDir: string): Record<string, string> {
  return { SOFTHSM2_CONF: join(dataDir, 'softhsm', 'softhsm2.conf') }
}

/** Runs pkcs11-tool, logged in as the service is. The PIN goes through the environment: arguments can be read by everybody. */
export function pkcs11Tool(dataDir: string, ...toolArguments: readonly string[]): string {
  const pin = readFileSync(join(dataDir, 'softhsm', 'pin'), 'utf8')
  return execFileSync('/usr/bin/pkcs11-tool', [
    '--module', findSoftHsm(), '--token-label', 'claviger', '--login', '--pin', 'env:CLAVIGER_TEST_PIN', ...toolArguments,
  ], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: toolWaitMsMax, maxBuffer: 64 * 1024 * 1024,
    env: { PATH: process.env.PATH, LC_ALL: 'C', CLAVIGER_TEST_PIN: pin, ...softHsmEnvironment(dataDir) },
  })
}

export function tokenObjects(dataDir: string): readonly TokenObject[] {
  return pkcs11Tool(dataDir, '--list-objects').split(/^(?=\S)/m).filter(text => text.includes(' Object;')).map(text => ({
    kind: text.slice(0, text.indexOf(' Object;')), label: line(text, 'label'), usage: line(text, 'Usage'), access: line(text, 'Access'),
  }))
}

function line(text: string, name: string): string {
  return new RegExp(`^ +${name}: +(.*)$`, 'm').exec(text)?.[1] ?? ''
}

/** Names of the backing keys that the database says are in the token. */
export function readyBackingKeys(dataDir: string): readonly string[] {
  const rows = query<{ key_id: string, version: number }>(dataDir, 'select key_id, version from key_versions where state = \'ready\'')
  return rows.map(({ key_id: keyId, version }) => backingKey(keyId, version, 'gcm').name)
}

/** Reads the database while a server may be using it. */
export function query<Row>(dataDir: string, sql: string): readonly Row[] {
  const database = new BetterSqlite3(join(dataDir, 'claviger.db'), { readonly: true })
  try {
    return database.prepare(sql).all() as Row[]
  } finally {
    database.close()
  }
}
