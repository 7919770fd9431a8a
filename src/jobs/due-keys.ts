import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeyName } from '../ports/keys.js'
import { deleteDueKey } from '../service/delete-keys.js'
import { rotateDueKey } from '../service/rotate-keys.js'
import type { Services } from '../service/services.js'

/** Keys that one run takes on; the rest waits for the next. */
const batchMax = 100
/** How long a claim on a key holds: a process that dies meanwhile delays it by no more. */
const leaseMs = 60_000

/** Rotates the keys whose scheduled date has come; answers how many. */
export async function rotateDueKeys(services: Services, owner: string): Promise<number> {
  const due = await services.store.keys.dueForRotation(services.clock.now(), batchMax)
  return claimEach('rotate', due, services, owner, rotateDueKey)
}

/** Destroys the keys whose deletion date has come; answers how many. */
export async function deleteExpiredKeys(services: Services, owner: string): Promise<number> {
  const due = await services.store.keys.dueForDeletion(services.clock.now(), batchMax)
  return claimEach('delete', due, services, owner, deleteDueKey)
}

/** One key after the other, each only by the process that holds its lease. A key that fails does not hold up the others. */
async function claimEach(
  job: string, names: readonly KeyName[], services: Services, owner: string, act: (name: KeyName, services: Services) => Promise<boolean>,
): Promise<number> {
  let done = 0
  for (const name of names) {
    // Neither rotated nor destroyed without a record.
    if (!services.audit.healthy()) return done
    // Store and HSM may answer without ever letting the event loop turn; requests must not wait for the whole batch.
    await nextTurn()
    const lease = `${job}:${name.region}/${name.keyId}`
    const now = services.clock.now()
    if (!await services.store.leases.acquire(lease, owner, now, now + leaseMs)) continue
    try {
      if (await act(name, services)) done++
    } catch (error) {
      services.log.error(`could not ${job} a key that is due`, { region: name.region, keyId: name.keyId, error })
    } finally {
      await services.store.leases.release(lease, owner)
    }
  }
  return done
}
