import { hash, timingSafeEqual } from 'node:crypto'
import { materialOwner, rootMaterial, type Material, type RootName } from '../domain/material.js'
import { HsmError, type Hsm, type HsmErrorKind } from '../ports/hsm.js'
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
export async function missingRoots(hsm: Hsm, roots: RootVersions): Promise<readonly string[]> {
  const found = await Promise.all([
    findSealRoot(hsm, roots.seal), hsm.find(rootMaterial('mac', roots.mac)), hsm.find(rootMaterial('audit', roots.audit)),
  ])
  return rootNames.filter((_, at) => !found[at]).map(name => rootMaterial(name, roots[name]).name)
}

/** Whether any root is in the token: then somebody has begun an installation with it. */
export async function holdsRoots(hsm: Hsm): Promise<boolean> {
  return (await missingRoots(hsm, firstRoots)).length < rootNames.length
}

/** A version of `root/seal` as the token has it: with the suite that it was made with. Throws HsmError kind `missing` for none. */
export async function sealRoot(hsm: Hsm, version: number): Promise<Material> {
  const material = await findSealRoot(hsm, version)
  if (material) return material
  throw new HsmError('missing', `the token has no ${rootMaterial('seal', version).name}`)
}

async function findSealRoot(hsm: Hsm, version: number): Promise<Material | undefined> {
  // Two objects first: not every token shows what its keys are for, and on such a one the first of two could pass for a single one.
  const pair = rootMaterial('seal', version, 'cbc-hmac')
  if (await isThere(hsm, pair, ['evidence', 'configuration'])) return pair
  const single = rootMaterial('seal', version, 'gcm')
  return await isThere(hsm, single, ['configuration']) ? single : undefined
}

/** `notThere`: what the HSM says of material that it does not have, or could not have. */
async function isThere(hsm: Hsm, material: Material, notThere: readonly HsmErrorKind[]): Promise<boolean> {
  try {
    return await hsm.find(material) !== undefined
  } catch (error) {
    if (error instanceof HsmError && notThere.includes(error.kind)) return false
    throw error
  }
}

/** MACs of stored rows by `root/mac`. A tag is the root's version (u32) and 32 bytes. */
export function rowAuthenticator(hsm: Hsm, currentVersion: number): RowAuthenticator {
  return {
    async tag(data) {
      const tag = Buffer.alloc(4 + macBytes)
      tag.writeUInt32BE(currentVersion)
      tag.set(await macOf(hsm, currentVersion, data), 4)
      return tag
    },
    async verify(data, tag) {
      if (tag.length !== 4 + macBytes) return false
      const version = Buffer.from(tag).readUInt32BE()
      // Root versions count up from 1; a larger number was never ours, and asking the HSM for it would be an error, not an answer.
      if (version < 1 || version > currentVersion) return false
      return timingSafeEqual(tag.subarray(4), await macOf(hsm, version, data))
    },
  }
}

/** Of the data's hash: a row may hold a policy of 32 KiB, and some tokens take no more than 2 KiB for one MAC. */
function macOf(hsm: Hsm, version: number, data: Uint8Array): Promise<Uint8Array> {
  return hsm.mac(rootMaterial('mac', version), hash('sha256', data, 'buffer'))
}
