import { execFileSync } from 'node:child_process'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKey, getPublicKey } from '../../src/api/keys.js'
import type { Input } from '../../src/api/shape.js'
import type { KeySpec, KeyUsage } from '../../src/domain/key-spec.js'
import type { Services } from '../../src/service/services.js'
import { removeDirectory, temporaryDirectory } from './server.js'
import { call } from './services.js'

/** The ARN of a new key of that spec. */
export async function newKeyOf(services: Services, KeySpec: KeySpec, KeyUsage: KeyUsage, more: Partial<Input<typeof createKey>> = {}) {
  const { KeyMetadata } = await call(services, createKey, { KeySpec, KeyUsage, ...more }) as { KeyMetadata: { Arn: string } }
  return KeyMetadata.Arn
}

export async function publicKeyOf(services: Services, KeyId: string): Promise<KeyObject> {
  const { PublicKey } = await call(services, getPublicKey, { KeyId })
  return createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' })
}

/** Runs the `openssl` program on files of these contents; in its arguments `{name}` is the path of a file. Throws what it complains of. */
export function openssl(args: readonly string[], files: Readonly<Record<string, Uint8Array>>): string {
  const directory = temporaryDirectory()
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes)
    const given = args.map(arg => arg.replace(/\{(\w+)\}/, (_, name: string) => join(directory, name)))
    return execFileSync('openssl', given, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
  } finally {
    removeDirectory(directory)
  }
}
