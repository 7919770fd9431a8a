import { createPublicKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import pkcs11 from 'pkcs11js'
import { verifyDirectory, type DirectoryVerification } from './adapters/audit-files/read.js'
import { readCredentialsFile, writeCredentialsFile } from './adapters/credentials-file.js'
import { mechanismName } from './adapters/pkcs11/report/offers.js'
import { probeToken, selfTestToken, type ProbeReport, type ProbeTarget, type SelfTestReport } from './adapters/pkcs11/report/probe.js'
import { openSqlite } from './adapters/sql/sqlite.js'
import { databaseFile } from './compose.js'
import { Opened } from './compose/opened.js'
import { openKeyStore } from './compose/tokens.js'
import type { Config } from './config.js'
import { rootsStore } from './config/stores.js'
import type { Checkpoint } from './domain/audit-chain.js'
import type { Evidence } from './domain/key.js'
import type { Material } from './domain/material.js'
import { HsmError, type Hsm } from './ports/hsm.js'
import type { Log } from './ports/log.js'
import type { Store } from './ports/store.js'
import { firstRoots, rowAuthenticator } from './service/roots.js'

/** The wiring of commands that look at an installation, beside a running server or without one. None of them writes to its store. */

/** What a command was given to look at cannot be looked at: no statement about it, good or bad. */
export class UnusableInput extends Error {
  override readonly name = 'UnusableInput'
}

export interface Reading {
  readonly store: Store
  /** Of the configured key stores, that of the roots first. */
  readonly keyStoreNames: readonly string[]
  /** Opens a key store when it is first asked for. Throws HsmError, and ConfigError for one that is not configured. */
  readonly keyStore: (name: string) => Promise<Hsm>
  close(): Promise<void>
}

/** The key stores and the database, as the server of this configuration uses them. */
export async function openForReading(config: Config, log: Log): Promise<Reading> {
  const opened = new Opened()
  const keyStores = new Map<string, Hsm>()
  async function keyStore(name: string): Promise<Hsm> {
    const hsm = keyStores.get(name) ?? opened.add(await openKeyStore(config, name, log))
    keyStores.set(name, hsm)
    return hsm
  }
  try {
    const authenticator = rowAuthenticator(await keyStore(rootsStore), firstRoots.mac)
    const store = opened.add(await openSqlite({ file: databaseFile(config), authenticator, readOnly: true }))
    return { store, keyStoreNames: [rootsStore, ...Object.keys(config.keyStores)], keyStore, close: () => opened.close() }
  } catch (error) {
    await opened.close()
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
  const database = databaseFile !== undefined && existsSync(databaseFile) ? databaseFile : undefined
  if (!existsSync(directory)) {
    // Beside its database, a log that is gone is a finding: somebody may have removed it.
    if (database !== undefined) throw new Error(`the audit log ${directory} is gone, while its database ${database} is there`)
    throw new UnusableInput(`there is no directory ${directory}`)
  }
  const checkpoints = database === undefined ? [] : await storedCheckpoints(database)
  // A key that is given stands for every root version: the log of one installation has one, until `root/audit` is rotated.
  const publicKeys = publicKeyFile && new Map([[firstRoots.audit, readPublicKey(publicKeyFile)]])
  return verifyDirectory(directory, { checkpoints, ...publicKeys && { publicKeys } })
}

function readPublicKey(file: string): string {
  let pem
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UnusableInput(`the public key cannot be read: ${(error as Error).message}`, { cause: error })
  }
  try {
    createPublicKey(pem)
  } catch (error) {
    throw new UnusableInput(`${file} is not a PEM public key`, { cause: error })
  }
  return pem
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

/** Throws UnusableInput for a module that is not there or does not load, and for a profile that there is not. */
export function probeHsm(target: ProbeTarget): Promise<ProbeReport> {
  return usable(() => probeToken(target))
}

/** Throws UnusableInput as `probeHsm` does, and HsmError. */
export function selfTestHsm(target: ProbeTarget): Promise<SelfTestReport> {
  return usable(() => selfTestToken(target))
}

async function usable<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'configuration') throw new UnusableInput(error.message, { cause: error })
    throw error
  }
}

/** What the HSM says of a material now, if it has it; `fault` if that is not what any key of ours may be. */
export async function evidenceNow(hsm: Hsm, material: Material): Promise<{ now: readonly Evidence[] | undefined, fault?: string }> {
  try {
    return { now: await hsm.find(material) }
  } catch (error) {
    if (error instanceof HsmError && error.kind === 'evidence') return { now: undefined, fault: error.message }
    throw error
  }
}

const classNames: ReadonlyMap<number, string> = new Map([
  [pkcs11.CKO_SECRET_KEY, 'CKO_SECRET_KEY'], [pkcs11.CKO_PRIVATE_KEY, 'CKO_PRIVATE_KEY'], [pkcs11.CKO_PUBLIC_KEY, 'CKO_PUBLIC_KEY'],
])
const keyTypeNames: ReadonlyMap<number, string> = new Map([
  [pkcs11.CKK_AES, 'CKK_AES'], [pkcs11.CKK_GENERIC_SECRET, 'CKK_GENERIC_SECRET'], [pkcs11.CKK_SHA256_HMAC, 'CKK_SHA256_HMAC'],
  [pkcs11.CKK_EC, 'CKK_EC'], [pkcs11.CKK_RSA, 'CKK_RSA'],
])

/** The name that PKCS#11 has for the value of an attribute of evidence; undefined where it has none, or we do not know it. */
export function attributeValueName(attribute: string, value: boolean | number | string): string | undefined {
  if (typeof value !== 'number') return undefined
  if (attribute === 'class') return classNames.get(value)
  if (attribute === 'key_type') return keyTypeNames.get(value)
  return attribute === 'key_gen_mechanism' ? mechanismName(value) : undefined
}

export type { ProbeReport, ProbeTarget, SelfTestReport }

export const adminCredentials = readCredentialsFile
export const replaceAdminCredentials = writeCredentialsFile
