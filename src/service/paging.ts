import { timingSafeEqual } from 'node:crypto'
import { KmsError } from '../domain/errors.js'
import { rootMaterial } from '../domain/material.js'
import type { Hsm } from '../ports/hsm.js'

const tagBytes = 32

/**
 * Markers of paged answers: where the next page begins, and a MAC of `root/mac`, so that a marker can only be one that this service gave
 * out for the same listing.
 */
export class Pages {
  readonly #hsm: Hsm
  readonly #rootVersion: number

  constructor(hsm: Hsm, rootVersion: number) {
    this.#hsm = hsm
    this.#rootVersion = rootVersion
  }

  /** The position behind a marker; undefined for the first page. `listing` says what is listed. Throws InvalidMarkerException. */
  async after(listing: string, marker: string | undefined): Promise<string | undefined> {
    if (marker === undefined) return undefined
    const [position, tag, ...rest] = marker.split('.').map(part => Buffer.from(part, 'base64url'))
    if (!position || tag?.length !== tagBytes || rest.length > 0) throw invalidMarker()
    if (!timingSafeEqual(tag, await this.#tag(listing, position))) throw invalidMarker()
    return position.toString()
  }

  /** Cuts a list that was read one longer than the page, and says where the next page begins. */
  async cut<T>(listing: string, items: readonly T[], limit: number, position: (item: T) => string): Promise<Page<T>> {
    const page = items.slice(0, limit)
    const last = page.at(-1)
    if (items.length <= limit || last === undefined) return { items: page, end: { Truncated: false } }
    const at = Buffer.from(position(last))
    const tag = await this.#tag(listing, at)
    const marker = `${at.toString('base64url')}.${Buffer.from(tag).toString('base64url')}`
    return { items: page, end: { Truncated: true, NextMarker: marker } }
  }

  async #tag(listing: string, position: Buffer): Promise<Uint8Array> {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(listing))
    return this.#hsm.mac(rootMaterial('mac', this.#rootVersion), Buffer.concat([Buffer.from('marker\0'), length, Buffer.from(listing), position]))
  }
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly end: { readonly Truncated: boolean, readonly NextMarker?: string }
}

function invalidMarker(): KmsError {
  return new KmsError('InvalidMarkerException', 'The marker is not valid for this request')
}
