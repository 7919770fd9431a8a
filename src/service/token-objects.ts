import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeyView } from '../domain/key.js'
import { backingKey, materialOwner, type MaterialOwner } from '../domain/material.js'
import type { ObjectListing } from '../ports/hsm.js'
import type { Store } from '../ports/store.js'
import { allKeys } from './all-keys.js'

/**
 * An object in a token and what the database says of it. `known`: a root, or a version whose key is in this key store · `orphan`: it
 * bears a name of ours, but no row knows it · `stranger`: not ours · `unreadable`: the rows of its key cannot be read or trusted.
 */
export interface TokenObject {
  readonly label: string
  readonly objectClass: ObjectListing['objectClass']
  readonly standing: 'known' | 'orphan' | 'stranger' | 'unreadable'
  readonly owner: MaterialOwner | undefined
  /** Of a backing key that some row knows, be it in another key store. */
  readonly key: { readonly region: string, readonly keyStore: string, readonly keyState: string, readonly versionState: string } | undefined
  /** Why the rows are unreadable. */
  readonly failure: unknown
}

type Rows = { readonly views: readonly KeyView[] } | { readonly failure: unknown }

/** Says of every object that a token lists whose it is. Reads each key once, and lets the event loop turn in between. */
export async function tokenObjects(
  listing: readonly ObjectListing[], keyStore: string, store: Pick<Store, 'keys'>,
): Promise<readonly TokenObject[]> {
  const regions = await store.keys.regions()
  const rows = new Map<string, Rows>()
  const objects: TokenObject[] = []
  for (const listed of listing) {
    const owner = materialOwner(listed.label)
    if (owner?.kind === 'backing-key' && !rows.has(owner.keyId)) {
      await nextTurn()
      rows.set(owner.keyId, await rowsOf(owner.keyId, regions, store))
    }
    objects.push(standing(listed, owner, owner?.kind === 'backing-key' ? rows.get(owner.keyId) : undefined, keyStore))
  }
  return objects
}

export interface MissingObject { readonly label: string, readonly region: string, readonly keyId: string, readonly version: number }

/** What the database says is in a key store, and its token does not list. */
export async function missingObjects(
  listing: readonly ObjectListing[], keyStore: string, store: Pick<Store, 'keys'>,
): Promise<readonly MissingObject[]> {
  const labels = new Set(listing.map(({ label }) => label))
  const missing: MissingObject[] = []
  for await (const { key, versions } of allKeys({ store })) {
    if (key.keyStore !== keyStore) continue
    for (const { keyId, region, version, kind, state } of versions.values()) {
      const { name, macName = name } = backingKey(keyId, version, kind)
      const absent = [...new Set([name, macName])].filter(label => state === 'ready' && !labels.has(label))
      missing.push(...absent.map(label => ({ label, region, keyId, version })))
    }
  }
  return missing
}

async function rowsOf(keyId: string, regions: readonly string[], { keys }: Pick<Store, 'keys'>): Promise<Rows> {
  try {
    const views = await Promise.all(regions.map(region => keys.get(region, keyId)))
    return { views: views.filter(view => view !== undefined) }
  } catch (failure) {
    return { failure }
  }
}

function standing(
  { label, objectClass }: ObjectListing, owner: MaterialOwner | undefined, rows: Rows | undefined, keyStore: string,
): TokenObject {
  const base = { label, objectClass, owner, key: undefined, failure: undefined }
  if (!owner) return { ...base, standing: 'stranger' }
  if (owner.kind !== 'backing-key' || !rows) return { ...base, standing: 'known' }
  if ('failure' in rows) return { ...base, standing: 'unreadable', failure: rows.failure }
  const claims = rows.views.filter(({ versions }) => versions.has(owner.version))
  // Relatives in several regions share an object: it is that of one which still needs it, as long as there is such a one.
  const view = claims.find(({ versions }) => versions.get(owner.version)?.state === 'ready') ?? claims[0]
  const version = view?.versions.get(owner.version)
  if (!view || !version) return { ...base, standing: 'orphan' }
  const key = { region: view.key.region, keyStore: view.key.keyStore, keyState: view.key.state, versionState: version.state }
  const ours = view.key.keyStore === keyStore && (owner.role === 'enc' || version.kind === 'cbc-hmac')
  return { ...base, key, standing: ours ? 'known' : 'orphan' }
}
