import { createHash, createPublicKey, verify } from 'node:crypto'
import pkcs11 from 'pkcs11js'
import { Connection } from '../../../src/adapters/pkcs11/driver/connection.js'
import { Driver } from '../../../src/adapters/pkcs11/driver/driver.js'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { suiteOf, type Profile } from '../../../src/adapters/pkcs11/profiles/profile.js'
import { probeToken } from '../../../src/adapters/pkcs11/report/probe.js'
import { acquireToken } from '../../../src/adapters/pkcs11/token/token.js'
import { backingKey, rootMaterial } from '../../../src/domain/material.js'
import { HsmError, type Capacity } from '../../../src/ports/hsm.js'
import { silentLog } from './support.js'

/**
 * `profile-child.js <task> <Pkcs11Config as JSON>`: what came of it, as JSON. A process of its own, because a library has one
 * configuration per process.
 */

export interface Resolved { readonly profile: Profile, readonly objects: number }

/** What the driver did with one backing key, by the profile of the token. */
export interface Driven {
  readonly profile: string
  readonly mode: string
  readonly ivBytes: number
  readonly evidence: readonly Readonly<Record<string, unknown>>[]
  readonly found: number
  readonly opened: boolean
  /** Kinds of what was thrown at ciphertexts that were changed. */
  readonly refusals: readonly string[]
  readonly mac: number
  /** Bytes of a signature that verifies; undefined where the token makes no such keys. */
  readonly signature: number | undefined
  readonly capacity: { readonly before: Capacity, readonly after: Capacity }
  readonly destroyed: number
  readonly left: number
}

const keyId = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
const additionalData = Buffer.alloc(32, 7)
const plaintext = Buffer.from('what only the token may know')

const tasks: Readonly<Record<string, (config: Pkcs11Config) => object | Promise<object>>> = {
  resolve,
  drive,
  probe: ({ verifySeals: _, ...target }) => probeToken(target),
}

const [, , task = '', text = ''] = process.argv
console.log(JSON.stringify(await outcome(JSON.parse(text) as Pkcs11Config)))

async function outcome(config: Pkcs11Config): Promise<object> {
  try {
    return await tasks[task]?.(config) ?? { failure: `there is no task ${task}` }
  } catch (error) {
    if (error instanceof HsmError) return { failure: `${error.kind}: ${error.message}` }
    throw error
  }
}

function resolve(config: Pkcs11Config): Resolved {
  return withDriver(config, driver => ({ profile: driver.profile, objects: driver.driver.capacity().used }))
}

function drive(config: Pkcs11Config): Driven {
  return withDriver(config, ({ driver, profile, signs }) => {
    const [key, mac] = [backingKey(keyId, 1, suiteOf(profile)), rootMaterial('mac', 1)]
    const before = driver.capacity()
    const evidence = driver.createMaterial(key)
    const after = driver.capacity()
    driver.createMaterial(mac)
    const sealed = driver.seal(key, plaintext, additionalData)
    const refusals = ['iv', 'ciphertext'].flatMap(part => [0, -1].map(at => {
      const changed = { iv: Buffer.from(sealed.iv), ciphertext: Buffer.from(sealed.ciphertext) }
      const bytes = changed[part as 'iv']
      const index = (at + bytes.length) % bytes.length
      bytes[index] = (bytes[index] ?? 0) ^ 1
      return kindOf(() => driver.open(key, changed, additionalData))
    }))
    const signature = signs ? signatureBytes(driver) : undefined
    const result = {
      profile: profile.name, mode: profile.seal.mode, ivBytes: sealed.iv.length,
      evidence: evidence.map(({ attributes }) => attributes), found: driver.find(key)?.length ?? 0,
      opened: plaintext.equals(driver.open(key, sealed, additionalData)), refusals, mac: driver.mac(mac, plaintext).length, signature,
      capacity: { before, after },
    }
    const destroyed = driver.destroyMaterial(key)
    driver.destroyMaterial(mac)
    return { ...result, destroyed, left: driver.list().filter(({ label }) => label.startsWith('cvg-')).length }
  })
}

function signatureBytes(driver: Driver): number {
  const audit = rootMaterial('audit', 1)
  driver.createMaterial(audit)
  const key = createPublicKey({ key: Buffer.from(driver.publicKey(audit)), format: 'der', type: 'spki' })
  const signature = driver.sign(audit, 'ECDSA_SHA_256', createHash('sha256').update(plaintext).digest())
  driver.destroyMaterial(audit)
  return verify('sha256', plaintext, { key, dsaEncoding: 'ieee-p1363' }, signature) ? signature.length : 0
}

function kindOf(call: () => unknown): string {
  try {
    call()
    return 'none'
  } catch (error) {
    return error instanceof HsmError ? error.kind : String(error)
  }
}

function withDriver<T>(config: Pkcs11Config, use: (opened: { driver: Driver, profile: Profile, signs: boolean }) => T): T {
  const token = acquireToken(config, silentLog)
  const driver = new Driver(new Connection(token, silentLog), config)
  try {
    return use({ driver, profile: token.profile, signs: token.mechanisms().includes(pkcs11.CKM_ECDSA) })
  } finally {
    driver.close()
  }
}
