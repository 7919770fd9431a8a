import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Pkcs11Config } from '../../../src/adapters/pkcs11/config.js'
import { newTokenDirectory } from '../softhsm.js'

/** A real token of another make, set up for one test process. */
export interface TestToken {
  /** For the adapter. */
  readonly config: Pkcs11Config
  /** What would stand in the YAML file under `hsm:` or under a name in `keyStores:`. */
  readonly settings: object
  /** Stops what was started for it and removes its files. Close whatever has the token open first. */
  close(): Promise<void>
}

/** This machine cannot have the token, for a reason that the message gives. Anything else that goes wrong is a plain Error. */
export class TokenUnavailable extends Error {}

export const label = 'claviger-test'

/** What configuration and YAML file say alike. */
interface Description extends Pick<Pkcs11Config, 'module' | 'environment' | 'libraryParameters' | 'durableDirectory'> {
  readonly pinFile: string
  readonly profile?: string
}

export function described({ pinFile, durableDirectory, ...token }: Description): Pick<TestToken, 'config' | 'settings'> {
  const durable = durableDirectory === undefined ? {} : { durableDirectory }
  return {
    config: { ...token, ...durable, tokenLabel: label, pin: { file: pinFile }, verifySeals: true },
    settings: { ...token, tokenLabel: label, pinFile },
  }
}

/** Empty, and removed with the test process at the latest. */
export function newDirectory(): string {
  const directory = newTokenDirectory()
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

/** The first of these files that is there. */
export function installed(what: string, paths: readonly string[]): string {
  const file = paths.find(path => existsSync(path))
  if (file === undefined) throw new TokenUnavailable(`${what} is not installed: there is no ${paths.join(', ')}`)
  return file
}

/** Where distributions put a library: Debian has a folder for each architecture. */
export function libraryPaths(name: string): readonly string[] {
  const folders = readdirSync('/usr/lib').filter(folder => folder.includes('-linux-')).sort()
  return [...folders.map(folder => join('/usr/lib', folder, name)), join('/usr/lib64', name), join('/usr/lib', name)]
}
