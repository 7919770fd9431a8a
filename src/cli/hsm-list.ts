import { logOf } from '../compose.js'
import { readConfig } from '../config.js'
import { openForReading, UnusableInput, type Reading } from '../inspect.js'
import type { MaterialOwner } from '../domain/material.js'
import type { Capacity, HsmStatus } from '../ports/hsm.js'
import { missingObjects, tokenObjects, type MissingObject, type TokenObject } from '../service/token-objects.js'
import { exitCodes, print, table, type OutputOptions } from './output.js'

interface ListOptions extends OutputOptions {
  readonly store?: string
  readonly config?: string
}

interface ListedStore {
  readonly keyStore: string
  /** Of stores that a custom key store of the API can stand for. */
  readonly clusterId?: string
  readonly token: HsmStatus['token']
  readonly capacity: Capacity
  readonly objects: readonly TokenObject[]
  readonly missing: readonly MissingObject[]
}

type Listed = ListedStore | { readonly keyStore: string, readonly failure: string }

/**
 * The objects of the configured tokens and whose they are. Exit code 1 when a token cannot be listed, rows cannot be read, or an object is
 * missing. Orphans and strangers are shown and no fault: they may be somebody's only copy.
 */
export async function hsmList(options: ListOptions): Promise<void> {
  const config = readConfig({ ...process.env, ...options.config !== undefined && { CLAVIGER_CONFIG: options.config } })
  const reading = await openForReading(config, logOf({ ...config, log: { ...config.log, level: 'error' } }))
  try {
    const stores: Listed[] = []
    for (const name of chosen(options.store, reading.keyStoreNames)) {
      stores.push(await listed(name, reading, config.clusters[name]?.clusterId))
    }
    print(options, stores.map(plain), () => stores.flatMap(lines))
    if (stores.some(isBad)) process.exitCode = exitCodes.bad
  } finally {
    await reading.close()
  }
}

function chosen(name: string | undefined, names: readonly string[]): readonly string[] {
  if (name === undefined) return names
  if (!names.includes(name)) throw new UnusableInput(`there is no key store ${name}; there are: ${names.join(', ')}`)
  return [name]
}

/** A store that cannot be reached is said to be so beside the others. */
async function listed(name: string, { keyStore, store }: Reading, clusterId: string | undefined): Promise<Listed> {
  try {
    const hsm = await keyStore(name)
    const listing = await hsm.list()
    return {
      keyStore: name,
      ...clusterId !== undefined && { clusterId },
      token: hsm.status().token,
      capacity: await hsm.capacity(),
      objects: [...await tokenObjects(listing, name, store)].sort(byLabel),
      missing: await missingObjects(listing, name, store),
    }
  } catch (error) {
    return { keyStore: name, failure: error instanceof Error ? error.message : String(error) }
  }
}

function isBad(store: Listed): boolean {
  return 'failure' in store || store.missing.length > 0 || store.objects.some(({ standing }) => standing === 'unreadable')
}

/** A token lists its objects in an order of its own, and in another one the next time. */
function byLabel(one: TokenObject, other: TokenObject): number {
  return one.label < other.label ? -1 : one.label > other.label ? 1 : 0
}

/** As JSON: what was thrown has no members of its own there. */
function plain(store: Listed): object {
  if ('failure' in store) return store
  const objects = store.objects.map(({ failure, ...object }) => ({ ...object, ...failure !== undefined && { failure: textOf(failure) } }))
  return { ...store, objects }
}

function lines(store: Listed): readonly string[] {
  if ('failure' in store) return [`key store ${store.keyStore}: ${store.failure}`, '']
  const { keyStore, clusterId, token, capacity: { used, max }, objects, missing } = store
  const title = token ? `, token "${printable(token.label)}" (${printable(`${token.manufacturer} ${token.model}`)})` : ''
  const cluster = clusterId === undefined ? '' : ` (${clusterId})`
  return [
    `key store ${keyStore}${cluster}${title}: ${used} ${used === 1 ? 'object' : 'objects'}${max === undefined ? '' : ` of at most ${max}`}`,
    ...table(objects.map(object => [`  ${printable(object.label) || '(no label)'}`, object.objectClass, whatIs(object)])),
    ...missing.map(({ label, keyId, region, version }) => `  MISSING ${label}: version ${version} of key ${keyId} in ${region}`),
    '',
  ]
}

function whatIs({ standing, owner, key, failure }: TokenObject): string {
  if (!owner) return 'stranger: not made by this service'
  const what = nameOf(owner)
  if (standing === 'unreadable') return `UNREADABLE: ${what}: ${textOf(failure)}`
  if (standing === 'orphan') {
    return `ORPHAN: ${what}: ${key ? `its row is of key store ${key.keyStore}, or of another suite` : 'no row knows it'}`
  }
  return key ? `${what} (${key.versionState}), ${key.keyState} in ${key.region}` : what
}

function nameOf(owner: MaterialOwner): string {
  if (owner.kind === 'wrapping-key') return `wrapping key of ${owner.bits} bits for imports, day ${owner.day}`
  const name = owner.kind === 'root' ? `root ${owner.root}, version ${owner.version}` : `key ${owner.keyId}, version ${owner.version}`
  return owner.role === 'mac' ? `${name}, HMAC key` : name
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Anybody may have written it into the token. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').trimEnd()
}
