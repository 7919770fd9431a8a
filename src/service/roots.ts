import { timingSafeEqual } from 'node:crypto'
import { materialOwner, rootMaterial, type Material, type RootName } from '../domain/material.js'
import { HsmError, type Hsm } from '../ports/hsm.js'
import type { RowAuthenticator } from '../ports/row-authenticator.js'

export type RootVersions = Readonly<Record<RootName, number>>

/** The versions that a new installation starts with. */
export const firstRoots: RootVersions = { seal: 1, mac: 1, audit: 1 }

const rootNames = ['seal', 'mac', 'audit'] as const
const macBytes = 32

/** Makes the root objects that the token does not have yet. Only for an installation that has not stored anything so far. */
export async function makeMissingRoots(hsm: Hsm, roots: RootVersions): Promise<void> {
  for (const name of rootNames) {
    const material = rootMaterial(name, roots[name], hsm.suite)
    if (!await isWhole(hsm, material)) await hsm.createMaterial(material)
  }
}

/** What a crash in an earlier first start left half-made is taken away. A token that holds backing keys is not at its first start. */
async function isWhole(hsm: Hsm, material: Material): Promise<boolean> {
  try {
    return await hsm.find(material) !== undefined
  } catch (error) {
    if (!(error instanceof HsmError) || error.kind !== 'evidence' || await holdsBackingKeys(hsm)) throw error
    await hsm.destroyMaterial(material)
    return false
  }
}

/** Whether an installation has made keys in this token. */
export async function holdsBackingKeys(hsm: Hsm): Promise<boolean> {
  const labels = await hsm.list()
  return labels.some(({ label }) => materialOwner(label)?.kind === 'backing-key')
}

/** The root objects that are not in the token: with a database that is not empty, it is the wrong token or the wrong database. */
export async function missingRoots(hsm: Hsm, roots: RootVersions): Promise<readonly Material[]> {
  const materials = rootNames.map(name => rootMaterial(name, roots[name], hsm.suite))
  const found = await Promise.all(materials.map(material => hsm.find(material)))
  return materials.filter((_, at) => !found[at])
}

/** MACs of stored rows by `root/mac`. A tag is the root's version (u32) and 32 bytes. */
export function rowAuthenticator(hsm: Hsm, currentVersion: number): RowAuthenticator {
  return {
    async tag(data) {
      const tag = Buffer.alloc(4 + macBytes)
      tag.writeUInt32BE(currentVersion)
      tag.set(await hsm.mac(rootMaterial('mac', currentVersion), data), 4)
      return tag
    },
    async verify(data, tag) {
      if (tag.length !== 4 + macBytes) return false
      const version = Buffer.from(tag).readUInt32BE()
      // Root versions count up from 1; a larger number was never ours, and asking the HSM for it would be an error, not an answer.
      if (version < 1 || version > currentVersion) return false
      return timingSafeEqual(tag.subarray(4), await hsm.mac(rootMaterial('mac', version), data))
    },
  }
}
