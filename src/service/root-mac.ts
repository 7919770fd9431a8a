import { timingSafeEqual } from 'node:crypto'
import { rootMaterial } from '../domain/material.js'
import type { Hsm } from '../ports/hsm.js'

/** MACs of `root/mac`, HMAC-SHA-256, for one purpose: one that was made for another is no good here. */
export class RootMac {
  /** Of the root, for new MACs. Older ones name theirs. */
  readonly version: number
  readonly #hsm: Hsm
  readonly #purpose: Uint8Array

  constructor(hsm: Hsm, version: number, purpose: string) {
    this.version = version
    this.#hsm = hsm
    this.#purpose = Buffer.from(purpose)
  }

  of(data: Uint8Array, version = this.version): Promise<Uint8Array> {
    return this.#hsm.mac(rootMaterial('mac', version), Buffer.concat([this.#purpose, data]))
  }

  /** Root versions count up from 1; a larger number was never ours, and asking the HSM for it would be an error, not an answer. */
  hasVersion(version: number): boolean {
    return version >= 1 && version <= this.version
  }

  async verifies(version: number, data: Uint8Array, tag: Uint8Array): Promise<boolean> {
    if (!this.hasVersion(version)) return false
    const genuine = await this.of(data, version)
    return tag.length === genuine.length && timingSafeEqual(tag, genuine)
  }
}

export const macBytes = 32
