import { createHash, createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto'
import { open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { SignatureCheck } from '../../domain/audit-verify.js'
import { syncDirectory } from './segments.js'

/** SubjectPublicKeyInfo as DER, or PEM text. */
export type PublicKey = Uint8Array | string

const form = /^audit-key-(\d{1,10})\.pem$/

/** Puts the public key of `root/audit` beside the log, for verifiers. Throws if another key stands there under the same version. */
export async function writePublicKey(directory: string, rootVersion: number, publicKey: Uint8Array): Promise<void> {
  const file = join(directory, `audit-key-${rootVersion}.pem`)
  const key = keyObject(publicKey)
  const found = await readIfThere(file)
  if (found === undefined) return writeWhole(directory, file, String(key.export({ format: 'pem', type: 'spki' })))
  if (!keyObject(found).equals(key)) {
    throw new Error(`${file} is not the HSM's public key of root/audit version ${rootVersion}: is this the log of another installation?`)
  }
}

/** The keys that the directory itself names; worth as much as the directory is trusted. */
export async function readPublicKeys(directory: string): Promise<ReadonlyMap<number, PublicKey>> {
  const keys = new Map<number, PublicKey>()
  for (const file of (await readdir(directory)).sort()) {
    const version = form.exec(file)?.[1]
    if (version !== undefined) keys.set(Number(version), await readFile(join(directory, file), 'utf8'))
  }
  return keys
}

/** SHA-256 of the DER form, hex. */
export function fingerprint(key: PublicKey): string {
  return createHash('sha256').update(keyObject(key).export({ format: 'der', type: 'spki' })).digest('hex')
}

export function signatureCheck(publicKeys: ReadonlyMap<number, PublicKey>): SignatureCheck {
  const keys = new Map(Array.from(publicKeys, ([version, key]) => [version, keyObject(key)] as const))
  return (rootVersion, message, signature) => {
    const key = keys.get(rootVersion)
    return key && verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
  }
}

function keyObject(key: PublicKey): KeyObject {
  return createPublicKey(typeof key === 'string' ? key : { key: Buffer.from(key), format: 'der', type: 'spki' })
}

/** A crash leaves either all of it or none. */
async function writeWhole(directory: string, file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(8).toString('hex')}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncDirectory(directory)
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
