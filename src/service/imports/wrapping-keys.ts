import { materialOwner, wrappingKey, type Material, type WrappingBits } from '../../domain/material.js'
import { dayMs } from '../../domain/rotation.js'
import { HsmError, type Hsm } from '../../ports/hsm.js'
import type { Services } from '../services.js'

/** What is wrapped for a key stays good for so long (KMS developer guide, Importing key material). */
export const importTokenMs = dayMs
/** A token of yesterday's key may be good until the end of today. */
const daysKept = 1

export function dayOf(now: number): number {
  return Math.floor(now / dayMs)
}

/** The RSA key pair of this day that imports into a key store come under, and its public half; made by the first who asks. */
export async function wrappingKeyOf(
  keyStore: string, bits: WrappingBits, day: number, { keyStores, turns }: Services,
): Promise<Uint8Array> {
  const hsm = keyStores.get(keyStore)
  const material = wrappingKey(bits, day)
  return turns.take(`${keyStore} ${material.name}`, async () => {
    if (!await hsm.find(material)) await make(hsm, material)
    return hsm.publicKey(material)
  })
}

async function make(hsm: Hsm, material: Material): Promise<void> {
  try {
    await hsm.createMaterial(material)
  } catch (error) {
    // Another process was faster, and it is as good.
    if (!(error instanceof HsmError) || error.kind !== 'exists') throw error
  }
}

/** Destroys the wrapping keys of a key store that no token can name any more; answers how many. */
export async function removeOldWrappingKeys(keyStore: string, { keyStores, clock }: Services): Promise<number> {
  const hsm = keyStores.get(keyStore)
  const today = dayOf(clock.now())
  const old = new Map<string, Material>()
  for (const { label } of await hsm.list()) {
    const owner = materialOwner(label)
    if (owner?.kind === 'wrapping-key' && owner.day < today - daysKept) old.set(label, wrappingKey(owner.bits, owner.day))
  }
  for (const material of old.values()) await hsm.destroyMaterial(material)
  return old.size
}
