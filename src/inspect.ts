import { existsSync, readFileSync } from 'node:fs'
import { verifyDirectory, type DirectoryVerification } from './adapters/audit-files/read.js'
import { readCredentialsFile } from './adapters/credentials-file.js'
import { openHsm } from './adapters/pkcs11/hsm.js'
import { probeToken, type ProbeReport } from './adapters/pkcs11/probe.js'
import { openSqlite } from './adapters/sql/sqlite.js'
import { databaseFile, pkcs11Config } from './compose.js'
import type { Config } from './config.js'
import type { Checkpoint } from './domain/audit-chain.js'
import type { Hsm } from './ports/hsm.js'
import type { Log } from './ports/log.js'
import type { Store } from './ports/store.js'
import { firstRoots, rowAuthenticator } from './service/roots.js'

/** The wiring of commands that look at an installation, beside a running server or without one. None of them writes. */

/** The HSM and the store, as the server of this configuration uses them. */
export async function openForReading(config: Config, log: Log): Promise<{ hsm: Hsm, store: Store, close(): Promise<void> }> {
  const hsm = await openHsm(await pkcs11Config(config), log)
  try {
    const store = await openSqlite({ file: databaseFile(config), authenticator: rowAuthenticator(hsm, firstRoots.mac), readOnly: true })
    return {
      hsm,
      store,
      async close() {
        await store.close()
        await hsm.close()
      },
    }
  } catch (error) {
    await hsm.close()
    throw error
  }
}

export interface AuditSource {
  readonly directory: string
  /** PEM. Without it, the keys that stand beside the log are believed. */
  readonly publicKeyFile: string | undefined
  /** The store whose checkpoints must be there too; undefined for a log without its database. */
  readonly databaseFile: string | undefined
}

/** Needs only files: neither the HSM nor a running server. */
export async function verifyAuditLog({ directory, publicKeyFile, databaseFile }: AuditSource): Promise<DirectoryVerification> {
  const checkpoints = databaseFile && existsSync(databaseFile) ? await storedCheckpoints(databaseFile) : []
  // A key that is given stands for every root version: the log of one installation has one, until `root/audit` is rotated.
  const publicKeys = publicKeyFile && new Map([[firstRoots.audit, readFileSync(publicKeyFile, 'utf8')]])
  return verifyDirectory(directory, { checkpoints, ...publicKeys && { publicKeys } })
}

async function storedCheckpoints(file: string): Promise<readonly Checkpoint[]> {
  // Checkpoints carry a signature instead of a row MAC, so that they can be checked without the HSM.
  const refuse = () => Promise.reject(new Error('no row can be authenticated without the HSM'))
  const store = await openSqlite({ file, authenticator: { tag: refuse, verify: refuse }, readOnly: true })
  try {
    return await store.checkpoints.newest()
  } finally {
    await store.close()
  }
}

export interface ProbeTarget {
  readonly module: string
  readonly tokenLabel?: string
  readonly tokenSerial?: string
  readonly pinFile?: string
  readonly profile?: string
  readonly environment?: Readonly<Record<string, string>>
}

export function probeHsm(target: ProbeTarget): Promise<ProbeReport> {
  return probeToken(target)
}

export type { ProbeReport }

export const adminCredentials = readCredentialsFile
