import { execFileSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeDirectory, temporaryDirectory } from './server.js'

/** What the openssl program finds in a CMS envelope. */
export function cmsDecrypted(envelope: Uint8Array, privateKey: KeyObject): Buffer {
  const directory = temporaryDirectory()
  try {
    const [file, key] = [join(directory, 'envelope'), join(directory, 'key')]
    writeFileSync(file, envelope)
    writeFileSync(key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
    return execFileSync('openssl', ['cms', '-decrypt', '-inform', 'DER', '-in', file, '-inkey', key, '-binary'], { stdio: 'pipe' })
  } finally {
    removeDirectory(directory)
  }
}
