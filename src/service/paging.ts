import { timingSafeEqual } from 'node:crypto'
import { KmsError } from '../domain/errors.js'
import type { Hsm } from '../ports/hsm.js'
import { RootMac } from './root-mac.js'

/**
 * Markers of paged answers: where the next page begins, and a MAC of `root/mac`, so that a marker can only be one that this service gave
 * out for the same listing.
 */
export class Pages {
  readonly #mac: RootMac

  constructor(hsm: Hsm, rootVersion: number) {
    this.#mac = new RootMac(hsm, rootVersion, 'marker\0')
  }

  /** The position behind a marker; undefined for the first page. `listing` says what is listed. Throws InvalidMarkerException. */
  async after(listing: string, marker: string | undefined): Promise<string | undefined> {
    if (marker === undefined) return undefined
    const position = Buffer.from(marker.split('.', 1)[0] ?? '', 'base64url')
    // The text is compared, not what it decodes to: base64 has several texts for the same bytes.
    const [given, genuine] = [Buffer.from(marker), Buffer.from(await this.#marker(listing, position))]
    if (given.length !== genuine.length || !timingSafeEqual(given, genuine)) throw invalidMarker()
    return position.toString()
  }

  /** Cuts a list that was read one longer than the page, and says where the next page begins. */
  async cut<T>(listing: string, items: readonly T[], limit: number, position: (item: T) => string): Promise<Page<T>> {
    const page = items.slice(0, limit)
    const last = page.at(-1)
    if (items.length <= limit || last === undefined) return { items: page, end: { Truncated: false } }
    return { items: page, end: { Truncated: true, NextMarker: await this.#marker(listing, Buffer.from(position(last))) } }
  }

  /** The marker of a listing that knows its positions by itself. */
  at(listing: string, position: string): Promise<string> {
    return this.#marker(listing, Buffer.from(position))
  }

  async #marker(listing: string, position: Buffer): Promise<string> {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(listing))
    const tag = await this.#mac.of(Buffer.concat([length, Buffer.from(listing), position]))
    return `${position.toString('base64url')}.${Buffer.from(tag).toString('base64url')}`
  }
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly end: { readonly Truncated: boolean, readonly NextMarker?: string }
}

function invalidMarker(): KmsError {
  return new KmsError('InvalidMarkerException', 'The marker is not valid for this request')
}
