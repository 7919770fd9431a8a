import { dayOf, removeOldWrappingKeys } from '../service/imports/wrapping-keys.js'
import { expireMaterial } from '../service/imports/removal.js'
import type { Services } from '../service/services.js'
import { claimEach } from './due-keys.js'

/** Keys that one run looks at. */
const candidatesMax = 10_000

/**
 * Takes away imported material whose time has run out, and finishes what a crash has left half taken away; answers of how many keys.
 * Nothing is used after its time even before this comes by (domain/imported-material.ts).
 */
export async function expireImportedMaterial(services: Services, owner: string): Promise<number> {
  const { store: { keys }, clock } = services
  const due = [...await keys.dueForExpiry(clock.now(), candidatesMax), ...await keys.unsettled(candidatesMax)]
  return claimEach('expire', due, services, owner, expireMaterial)
}

/** A task that destroys the wrapping keys of days gone by: looked for once a day in each key store, because it lists all of it. */
export function removeWrappingKeys(services: Services): () => Promise<void> {
  const lookedAt = new Map<string, number>()
  return async () => {
    const today = dayOf(services.clock.now())
    for (const keyStore of services.keyStores.names) {
      if (lookedAt.get(keyStore) === today) continue
      try {
        await removeOldWrappingKeys(keyStore, services)
        lookedAt.set(keyStore, today)
      } catch (error) {
        // A key store that is away is looked at when it is back.
        services.log.debug('could not look for old wrapping keys', { keyStore, error })
      }
    }
  }
}
