import { nameKey } from '../../domain/identity.js'
import type { Services } from '../services.js'

export interface PageAsked { readonly Marker?: string, readonly MaxItems: number }

export interface PageEnd { readonly IsTruncated: boolean, readonly Marker?: string }

/** A part of a listing, ascending by position. */
export interface Source<T> {
  readonly name: string
  readonly read: (after: string | undefined, limit: number) => Promise<readonly T[]>
  readonly position: (item: T) => string
}

/**
 * One page of what the sources have, one source after the other. `fits` leaves out what is not asked for: the page is then shorter, and
 * may be empty while there is more (IAM API Reference, MaxItems). `listing` says what is listed: a marker is good for nothing else.
 */
export async function pageOf<T>(
  { pages }: Services, listing: string, asked: PageAsked, sources: readonly Source<T>[], fits: (item: T) => boolean = () => true,
): Promise<{ readonly items: readonly T[], readonly end: PageEnd }> {
  const after = await pages.after(listing, asked.Marker)
  const found = await chained(sources, after, asked.MaxItems + 1)
  const { items, end } = await pages.cut(listing, found, asked.MaxItems, ({ place }) => place)
  return {
    items: items.map(({ item }) => item).filter(fits),
    end: { IsTruncated: end.Truncated, ...end.NextMarker !== undefined && { Marker: end.NextMarker } },
  }
}

interface Placed<T> { readonly item: T, readonly place: string }

async function chained<T>(sources: readonly Source<T>[], after: string | undefined, limit: number): Promise<readonly Placed<T>[]> {
  const [begun, position] = split(after)
  const from = begun === undefined ? 0 : sources.findIndex(({ name }) => name === begun)
  const found: Placed<T>[] = []
  for (const [at, { name, read, position: positionOf }] of sources.slice(Math.max(from, 0)).entries()) {
    if (found.length >= limit) break
    const items = await read(at === 0 ? position : undefined, limit - found.length)
    found.push(...items.map(item => ({ item, place: `${name} ${positionOf(item)}` })))
  }
  return found
}

function split(place: string | undefined): readonly [string | undefined, string | undefined] {
  const space = place?.indexOf(' ') ?? -1
  return place === undefined || space < 0 ? [undefined, undefined] : [place.slice(0, space), place.slice(space + 1)]
}

/** Users, groups, roles or policies of an account. */
export function ofKind<K extends 'user' | 'group' | 'role' | 'policy'>({ store }: Services, accountId: string, kind: K) {
  return {
    name: kind,
    read: (after: string | undefined, limit: number) => store.identities.list(accountId, kind, after, limit),
    position: ({ name }: { readonly name: string }) => nameKey(name),
  }
}
